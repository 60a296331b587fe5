"""Runs the reconcile: wanted against present, duplicates set aside, candidates looked at closely."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared import reconcile
from shared.engine.rejecting import Rejections
from shared.engine.workspace import Workspace
from shared.mapping.build import Prepared
from shared.values.records import RejectType


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


def compare(
    workspace: Workspace, prepared: Prepared, rejections: Rejections, *, began: datetime, malformed: int, table: str
) -> Found:
    """Both passes; leaves `pairs`, `fresh` and (when rows can be dropped) `dropped`."""
    workspace.run(reconcile.DEDUPLICATE_PRESENT)
    workspace.run(reconcile.TWINS)
    reason = f"'' || r.times || ' rows of {table} have this key; it must name one'"
    column = ", ".join(prepared.mapping.key)
    rejections.reject_rows(reconcile.ambiguous_records(prepared.mapping), RejectType.DUPLICATE_KEY, column, reason)
    workspace.run(reconcile.CANDIDATES)
    workspace.run(reconcile.pairs(prepared))
    workspace.run(reconcile.FRESH)
    moment = {"began": began.replace(tzinfo=None, microsecond=0)} if reconcile.can_drop(prepared) else {}
    workspace.run(reconcile.dropped(prepared), moment)
    return _counts(workspace, malformed)


def _counts(workspace: Workspace, malformed: int) -> Found:
    present = workspace.value("SELECT count(*) FROM present")
    dropped = workspace.value("SELECT count(*) FROM dropped")
    duplicate = workspace.value(
        "SELECT count(*) FROM present WHERE kh IN (FROM twins) AND kh IN (SELECT kh FROM wanted WHERE NOT ok)"
    )
    unreadable = malformed + workspace.value("SELECT count(*) FROM wanted WHERE NOT ok AND kh IS NULL")
    withheld = Withheld(unreadable) if unreadable else None
    return Found(present, present - dropped - duplicate, duplicate, dropped, withheld)
