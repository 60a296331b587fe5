"""What a draft tells beside its changes: columns it would empty, cells it skips, sentences for a person."""

from __future__ import annotations

from collections.abc import Sequence

from shared import reconcile
from shared.engine.reconciling import Found
from shared.engine.workspace import Workspace
from shared.mapping.build import Prepared
from shared.sql import identifier


def emptied_columns(workspace: Workspace, prepared: Prepared, unread: Sequence[int] = ()) -> dict[str, tuple[int, int]]:
    """Per column: rows that would lose their value, and rows that have one.

    `unread`: per compared column, the rows with a value that stand in `present` without it.
    """
    compared = prepared.mapping.compared
    if not compared or not workspace.value("SELECT count(*) FROM plan WHERE action = 'update'"):
        return {}
    cleared = ", ".join(
        f"count(*) FILTER ({reconcile.differs(t)} AND w.{identifier(t.name)} IS NULL)" for t in compared
    )
    filled = ", ".join(f"count({identifier(target.name)})" for target in compared)
    planned = "w.row_no IN (SELECT row_no FROM plan WHERE action = 'update')"
    (lost,) = workspace.rows(f"SELECT {cleared} FROM pairs w WHERE {planned}")
    (held,) = workspace.rows(f"SELECT {filled} FROM present")
    more = unread or [0 for _ in compared]
    pairs = zip(compared, lost, held, more, strict=True)
    return {t.name: (a, b + c) for t, a, b, c in pairs if isinstance(a, int) and isinstance(b, int) and a}


def skipped_cells(workspace: Workspace, prepared: Prepared) -> int:
    """Cells of good records that were absent, so that they are neither written nor cleared."""
    names = [target.name + "?" for target in prepared.mapping.targets if target.may_be_absent]
    absent = [f"count(*) FILTER (ok AND {identifier(name)})" for name in names]
    absent += [f"-count(*) FILTER (ok AND {identifier(t.name + '~')})" for t in prepared.mapping.deferred]
    return workspace.value(f"SELECT {' + '.join(absent)} FROM wanted") if absent else 0


def notes(workspace: Workspace, prepared: Prepared, found: Found, reported: int, read: str = "") -> tuple[str, ...]:
    """Sentences for a person: how the rows were read (`read`), what was held back, kept or only reported."""
    sentences = [read] if read else []
    if found.withheld and reconcile.can_drop(prepared) and found.dropped:
        records = found.withheld.records
        sentences.append(
            f"nothing is dropped: rejected records whose key cannot be read: {records:,}; "
            "nobody can tell whose rows are missing from the source"
        )
    without_key = workspace.value("SELECT count(*) FROM present WHERE kh IS NULL")
    if without_key and reconcile.can_drop(prepared):
        sentences.append(f"rows without a sync key, which are kept: {without_key:,}")
    if found.present and not workspace.value("SELECT count(*) FROM source"):
        sentences.append(f"the source holds no record at all, the destination has {found.present:,} rows")
    if reported:
        sentences.append(f"records that break a rule which only reports: {reported:,}; see the rejects list")
    return tuple(sentences)
