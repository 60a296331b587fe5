"""Reads the destination's rows into the table `present`: from the first page, or from where a slice stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared import reconcile
from shared.columns import TypedSource
from shared.dataverse.chains import Course, TablePages
from shared.dataverse.client import DataverseClient
from shared.dataverse.queries import both
from shared.engine import reading
from shared.engine.fingerprint.tracking import Tracking
from shared.engine.reading import PageRows, PagesAhead
from shared.engine.slicing import Begun
from shared.engine.workspace import Row, Workspace
from shared.mapping.build import Prepared
from shared.mapping.compose import wanted_query
from shared.ports import ProgressListener
from shared.values.jobs import Phase, Progress
from shared.values.tables import Table

CLOCKS_APART = timedelta(minutes=1)
"""How far apart the clocks of the service's web servers may be."""

_LAST_PAGE = 'SELECT coalesce(max("!page"), -1) FROM present'


@dataclass(slots=True)
class PresentRows:
    """The destination's rows as one draft needs them. `owned`: the filter of the rows that the sync owns.

    `few`: the rows of the source's keys may do, where these are few. `begun` is where an earlier slice stopped.
    `tracking`: what is remembered of the rows may do.
    """

    workspace: Workspace
    client: DataverseClient
    table: Table
    prepared: Prepared
    owned: str | None
    few: bool
    begun: Begun
    progress: ProgressListener
    tracking: Tracking | None = None
    _course: Course = field(default_factory=Course)
    _made: bool = False

    @contextmanager
    def ahead(self) -> Iterator[PagesAhead | None]:
        """The table's pages, fetched while the source is typed and mapped; None when less may do."""
        less = self.few or (self.tracking is not None and not self.begun.pages and self.tracking.may_do())
        with nullcontext() if less else self._pages() as ahead:
            yield ahead

    def _pages(self) -> PagesAhead:
        if self.tracking is not None and not self.few:
            self.tracking.begin_whole(anew=not self.begun.pages)
        self._course = Course(self.begun.rests)
        pages: Iterable[PageRows] = ()
        if not self.begun.read:
            columns, useful = reading.selected_columns(self.prepared), lambda: self.client.transport.useful
            pages = TablePages(self.client, self.table, columns, self.owned, useful, self._course)
        return PagesAhead(self.workspace, "present", pages, first=self.begun.pages)

    def read(self, ahead: PagesAhead | None, typed: TypedSource) -> None:
        """Fill `present`."""
        if not self.begun.pages:
            self.workspace.run(reconcile.present_table(self.prepared))
        self._made = True
        if ahead is not None:
            self._load(ahead)
            return
        keys = self._few_keys(typed) if self.few else None
        if keys is None:
            self._read_whole()
            return
        columns, key = reading.selected_columns(self.prepared), self.prepared.mapping.key
        rows = self.client.rows_by_key(self.table, key, keys, columns, filter=self.owned)
        reading.load_all(self.workspace, "present", self._select, reading.as_pages(rows))

    def _read_whole(self) -> None:
        """Fill `present` from what is remembered of all rows, else from all pages."""
        if self.tracking is not None and not self.few:
            if self.tracking.read():
                return
            self.workspace.run(reconcile.present_table(self.prepared))
        with self._pages() as pages:
            self._load(pages)

    def _load(self, pages: PagesAhead) -> None:
        total = self.client.total(self.table, self.owned)
        before = self.workspace.value("SELECT count(*) FROM present")

        def told(rows: int) -> None:
            """Rows that several chains bring twice would pass the total."""
            done = before + rows if total is None else min(before + rows, total)
            self.progress(Progress(Phase.READ_DESTINATION, done, total))

        reading.load(self.workspace, "present", self._select, pages, told=told)
        self._read_touched()

    def _read_touched(self) -> None:
        """What was created or changed while the table was read, page after page, is read once more.

        So a row that was re-keyed, or created behind the reader, is seen as it stands now: the last page counts.
        """
        last = self.workspace.value(_LAST_PAGE)
        if last + self.begun.pages < 1 or "modifiedon" not in self.table.columns:
            return
        touched = f"modifiedon ge {self.begun.began - CLOCKS_APART:%Y-%m-%dT%H:%M:%SZ}"
        columns = reading.selected_columns(self.prepared)
        pages = self.client.pages(self.table, columns, filter=both(self.owned, touched))
        reading.load_all(self.workspace, "present", self._select, pages, first=last + 1)

    @property
    def _select(self) -> str:
        return reconcile.page_rows(self.prepared)

    def _few_keys(self, typed: TypedSource) -> list[Row] | None:
        if self.begun.pages or self.workspace.value("SELECT count(*) FROM records WHERE ok") > reading.KEY_READS:
            return None
        query = f"({wanted_query(self.prepared.mapping, typed)})"
        return reading.keys(self.workspace, self.prepared.mapping.key, f"{query} w WHERE w.ok", typed.parameters)

    def left(self) -> Begun:
        """Where the reading stands: after the last page that was loaded, of those that were followed."""
        followed = len(self._course.after)
        loaded = self.workspace.value(_LAST_PAGE) + 1 - self.begun.pages if followed and self._made else 0
        loaded = min(loaded, followed)
        if loaded < 1:
            return replace(self.begun, ids=self.tracking.ids) if self.tracking is not None else self.begun
        return replace(self.begun, pages=self.begun.pages + loaded, rests=self._course.after[loaded - 1])
