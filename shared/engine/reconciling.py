"""Runs the reconcile: wanted against present, duplicates set aside, candidates looked at closely."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared import reconcile
from shared.columns import TypedSource
from shared.engine.rejecting import Rejections, flagged, unsound
from shared.engine.workspace import Workspace
from shared.mapping.build import Prepared
from shared.ports import StagedSource
from shared.values.records import RejectType

COPIED_SHARE = 4
"""The records that need a closer look are copied where they are at most one in so many. They are read up to five times;
a copy of nearly all costs more than that, and as much of the disk as the source."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why no row may be dropped: `records` have a key that cannot be read."""

    records: int


@dataclass(frozen=True, slots=True)
class Found:
    """What reconcile found, in rows of the destination."""

    present: int
    matched: int
    duplicate: int
    dropped: int
    withheld: Withheld | None


def set_aside_repeated(workspace: Workspace, prepared: Prepared, rejections: Rejections, keep: str) -> None:
    """Records that share a key: all are rejected, or all but one ignored."""
    mapping = prepared.mapping
    column = ", ".join(mapping.key)
    query = reconcile.repeated_records(mapping, keep)
    if keep == "reject":
        reason = "'the key stands in ' || r.times || ' records; a key names one record'"
        rejections.reject_rows(query, RejectType.DUPLICATE_KEY, column, reason)
        return
    workspace.run(f"CREATE OR REPLACE TABLE repeated AS {query}")
    rejections.fate("SELECT row_no FROM repeated", "ignored")
    workspace.run("UPDATE wanted SET ok = FALSE WHERE row_no IN (SELECT row_no FROM repeated)")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides of one job, `records` and `present`, about to be compared.

    `typed` composes the typed source over a relation of staged records; `staged` are the staged source and its
    columns' names by label; `keep` says which of several records with one key survives.
    """

    workspace: Workspace
    prepared: Prepared
    typed: Callable[[str], TypedSource]
    staged: StagedSource
    staged_names: Mapping[str, str]
    keep: str
    table: str

    def run(self, began: datetime) -> tuple[Found, Rejections]:
        """Both passes; leaves `wanted`, `pairs`, `fresh` and `dropped`. `began`: when the job began, by the server."""
        if self.workspace.value(reconcile.MET_TWICE):
            self.workspace.run(reconcile.DEDUPLICATE_PRESENT)
        self.workspace.run(reconcile.TWINS)
        self.workspace.run(reconcile.CANDIDATES)
        self._look_closer()
        closer = self.typed(reconcile.CLOSER)
        self.workspace.run(reconcile.wanted(self.prepared.mapping, closer), closer.parameters)
        rejections = self._set_aside()
        self.workspace.run(reconcile.pairs(self.prepared))
        self.workspace.run(reconcile.FRESH)
        moment = {"began": began.replace(tzinfo=None, microsecond=0)} if reconcile.can_drop(self.prepared) else {}
        self.workspace.run(reconcile.dropped(self.prepared), moment)
        return _counts(self.workspace, len(self.staged.malformed)), rejections

    def _look_closer(self) -> None:
        """Take the records that need a closer look out of the source, which is read again for them, once."""
        chosen = self.workspace.run(reconcile.CLOSER_ROWS)
        copied = chosen * COPIED_SHARE <= self.staged.records
        self.workspace.run(reconcile.closer(copied=copied))

    def _set_aside(self) -> Rejections:
        mapping = self.prepared.mapping
        rejections = Rejections(self.workspace, mapping, self.staged_names, told=reconcile.CLOSER)
        rejections.malformed(self.staged.malformed)
        if self.workspace.value('SELECT count(*) FROM wanted WHERE "!rejected" OR "!reported"'):
            rejections.by_schema(self.typed(flagged(reconcile.CLOSER)))
        if self.workspace.value("SELECT count(*) FROM wanted WHERE NOT ok"):
            rejections.by_mapping(self.typed(unsound(reconcile.CLOSER)))
        rejections.by_key_and_action()
        set_aside_repeated(self.workspace, self.prepared, rejections, self.keep)
        reason = f"r.times || ' rows of {self.table} have this key; it must name one'"
        column = ", ".join(mapping.key)
        rejections.reject_rows(reconcile.ambiguous_records(mapping), RejectType.DUPLICATE_KEY, column, reason)
        return rejections


def _counts(workspace: Workspace, malformed: int) -> Found:
    present = workspace.value("SELECT count(*) FROM present")
    dropped = workspace.value("SELECT count(*) FROM dropped")
    duplicate = workspace.value(
        "SELECT count(*) FROM present WHERE kh IN (FROM twins) AND kh IN (SELECT kh FROM wanted WHERE NOT ok)"
    )
    unreadable = malformed + workspace.value("SELECT count(*) FROM wanted WHERE NOT ok AND kh IS NULL")
    withheld = Withheld(unreadable) if unreadable else None
    return Found(present, present - dropped - duplicate, duplicate, dropped, withheld)
