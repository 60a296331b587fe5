"""Change tracking in the course of one draft: from the last fingerprint to the next.

The link is taken before any row is read. So whatever changes afterwards, our own writes too, comes with the next one,
and a fingerprint and its link belong together whenever the process ends.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from shared.dataverse.tracking import Changes, ChangeTracking
from shared.engine.fingerprint import stored
from shared.engine.fingerprint.known import LATE, UNSEEN, Doubt, KnownRows
from shared.engine.fingerprint.stored import Stamp
from shared.engine.slicing import SliceOverError
from shared.engine.workspace import Workspace
from shared.errors import DestinationError, FailError
from shared.mapping.compose import Target
from shared.values.tables import Table

_RENEWED_AFTER = timedelta(days=1)
"""A link that led to no change is kept this long; the service forgets links after some days."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """The link; or, while it is asked for, where to go on asking. `pages` of ids were read so far."""

    link: str | None = None
    after: str | None = None
    pages: int = 0


@dataclass(slots=True)
class Tracking:
    """The destination's rows of one draft, where change tracking can tell them.

    `remembered` is the last fingerprint's file. `place` and `scope` as in `Stamp`; `began`: when the draft began, by
    the server. Afterwards `note` says, for people, how the rows were read, and `file` is the next fingerprint, if any.
    """

    workspace: Workspace
    changes: ChangeTracking
    rows: KnownRows
    remembered: Path | None
    place: str
    scope: str
    began: datetime
    every: timedelta
    note: str = ""
    file: Path | None = None
    _stamp: Stamp | None = None
    _link: str | None = None
    _used: bool = False
    _moved: bool = True
    _noted: _Noted | None = None
    _why: str = field(default="nothing is remembered of them yet")

    def may_do(self) -> bool:
        """Whether what is remembered may do, as far as can be told before anything is asked."""
        self._stamp = self._stamped()
        stamp = self._stamp
        if stamp is None:
            return False
        if stamp.scope != self.scope:
            self._why = "the definition or the environment is another than when they were last read"
        elif not timedelta(days=-1) < self.began - stamp.read_at < self.every:
            self._why = f"they were last read whole on {stamp.read_at:%Y-%m-%d}"
        else:
            return True
        return False

    def _stamped(self) -> Stamp | None:
        """The stamp of the last fingerprint of this environment's table."""
        if self.remembered is None:
            return None
        try:
            stamp = stored.stamp_of(self.workspace, self.remembered)
        except (ValueError, duckdb.Error):
            self._why = "what is remembered of them cannot be read"
            return None
        return stamp if stamp.place == self.place else None

    def read(self) -> bool:
        """Fill `present` from what is remembered and what changed; False when all rows must be read."""
        try:
            self._read()
        except Doubt as doubt:
            self._why = str(doubt)
        return self._used

    def _read(self) -> None:
        stamp, targets = self._stamp, self._targets
        if stamp is None or self.remembered is None:
            raise TypeError("nothing is remembered")
        try:
            stored.load(self.workspace, self.remembered, "known", targets, stamp)
        except (ValueError, duckdb.Error):
            raise Doubt("what is remembered of them cannot be read") from None
        changes = self._changes(stamp)
        read = self.rows.fill(changes, f"{stamp.linked_at - LATE:%Y-%m-%dT%H:%M:%SZ}")
        self._used, self._moved = True, bool(changes.ids)
        found = f"{len(changes.ids):,} changes of {self._table.name} were told by change tracking"
        self.note = f"{found} and {read:,} rows read for them, instead of all {self._rows:,} rows"

    def _changes(self, stamp: Stamp) -> Changes:
        try:
            changes = self.changes.since(self._table, stamp.link)
        except DestinationError as error:
            raise Doubt(f"change tracking refused ({error.code or 'no code'})") from None
        self._link = changes.link
        return changes

    def begin_whole(self, *, anew: bool) -> None:
        """Before all rows are read, from the first one (`anew`) or on: see that there is a link from before.

        A first link may take several slices; one that takes longer than a slice for its next page is done without.
        """
        if self._link is None:
            noted = self._noted = self._left()
            if not anew or (noted is not None and noted.after is None):
                self._link = noted.link if noted else None
                self._why = "an earlier slice has begun to"
                return
            self._noted = _Noted(pages=self.ids)
            self._link = self._first_link(noted.after if noted else None)
        self._note(_Noted(self._link, pages=self.ids))

    @property
    def ids(self) -> int:
        """Pages of ids that were read for a first link, by earlier slices and this one."""
        return self._noted.pages if self._noted else 0

    def _first_link(self, after: str | None) -> str | None:
        """The link to go on with; where the slice is over before, it is noted how far that is."""
        try:
            return self._new_link(after)
        except SliceOverError:
            self._note(self._noted or _Noted())
            raise

    def _reached(self, link: str) -> None:
        self._noted = _Noted(after=link, pages=self.ids + 1)

    def _note(self, noted: _Noted) -> None:
        columns = "$link::VARCHAR AS link, $after::VARCHAR AS after, $pages::INTEGER AS pages"
        self.workspace.run(f"CREATE OR REPLACE TABLE tracked AS SELECT {columns}", asdict(noted))

    def _new_link(self, after: str | None) -> str | None:
        """The link that follows the last one, or a first one; None where there is none to be had."""
        try:
            if self._stamp is not None:
                return self.changes.since(self._table, self._stamp.link).link
        except DestinationError:  # it has expired
            pass
        try:
            return self.changes.begin(self._table, after=after, reached=self._reached)
        except DestinationError as error:
            self._why = f"change tracking refused ({error.code or 'no code'})"
            return None

    def _left(self) -> _Noted | None:
        """What this slice or an earlier one has noted, if anything."""
        if not self.workspace.value("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'tracked'"):
            return None
        ((link, after, pages),) = self.workspace.rows("SELECT link, after, pages FROM tracked")
        return _Noted(None if link is None else str(link), None if after is None else str(after), int(str(pages)))

    # ---- after the comparison

    def check(self) -> None:
        """Nothing that the plan touches may be known by its hashes only.

        Raises:
            FailError: it would; nothing was written.
        """
        if self._used and self.workspace.value(UNSEEN):
            raise FailError(
                f"rows of {self._table.name} that would be written were not read first; this is a fault of the "
                "program. Remove `change_tracking` from the destination to go on"
            )

    @property
    def filled(self) -> list[int]:
        """Per compared column, the rows known by their hashes only that hold a value."""
        if not self._used or not self._targets:
            return [0 for _ in self._targets]
        (counts,) = self.workspace.rows(stored.filled(self._targets, "known"))
        return [int(str(count)) for count in counts]

    def keep(self, folder: Path) -> None:
        """Write the next fingerprint, unless the last one still holds; say how the rows were read."""
        if not self._used:
            self.note = f"all {self._rows:,} rows of {self._table.name} were read: {self._why}"
        stamp = self._next()
        if stamp is None:
            return
        columns = [f"{mask} AS filled{number}" for number, mask in enumerate(stored.masks(self._targets))]
        read = f'SELECT {", ".join(["id", "kh", "rh", *columns])} FROM present WHERE "!page" IS NOT NULL'
        known = " UNION ALL BY NAME FROM known" if self._used else ""
        self.workspace.run(f"CREATE OR REPLACE TABLE fingerprint AS {read}{known}")
        self.file = folder / stored.NAME
        stored.write(self.workspace, "fingerprint", self._targets, stamp, self.file)

    def _next(self) -> Stamp | None:
        if self._link is None:
            return None
        if not self._used or self._stamp is None:
            return Stamp(self.place, self.scope, self._link, self.began, self.began)
        if not self._moved and self.began - self._stamp.linked_at < _RENEWED_AFTER:
            return None
        return replace(self._stamp, link=self._link, linked_at=self.began)

    @property
    def _targets(self) -> tuple[Target, ...]:
        return self.rows.prepared.mapping.compared

    @property
    def _table(self) -> Table:
        return self.rows.table

    @property
    def _rows(self) -> int:
        return self.workspace.value("SELECT count(*) FROM present")


def scope_of(*parts: str) -> str:
    """What decides which rows there are and what their hashes mean, as one short text. The hashes are DuckDB's own."""
    return hashlib.sha256("\0".join([duckdb.__version__, *parts]).encode()).hexdigest()
