"""Rows to delete that lost a link meanwhile, because the same plan deleted the row that the link led to.

Deleting a row clears the lookups of the rows that point at it, which changes them and their versions. That is the
plan's own doing, and no reason to leave such a row alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from shared.engine.plan import PlanFile, PlanRow
from shared.engine.readback import ETAG, Present, ReadBack, stands_as_before
from shared.values.changes import Action

_TOUCHED = frozenset({"versionnumber", "modifiedon", "_modifiedby_value", "_modifiedonbehalfby_value"})
"""What changes with every change of a row."""


def standing(rows: Sequence[PlanRow], present: Mapping[str, Present], plan: PlanFile, readback: ReadBack) -> set[int]:
    """The changes whose rows hold what the plan saw, save for links that the plan's own deletes cleared."""
    there = [row for row in rows if row.id in present]
    same = {row.change for row in there if stands_as_before(row, present[row.id])}
    lost = {
        row.change: ids
        for row in there
        if row.action is Action.DELETE and row.change not in same and (ids := _lost(row, present[row.id]))
    }
    if not lost:
        return same
    ids = plan.deleting(set().union(*lost.values()))
    gone = ids - readback.rows(ids).keys()
    return same | {change for change, missing in lost.items() if missing <= gone}


def _lost(row: PlanRow, now: Present) -> set[str]:
    """The ids of the rows whose links were cleared, when nothing else of the row changed; else none."""
    before = orjson.loads(row.before or "{}")
    if before.pop(ETAG, now.etag) != now.etag:
        return set()
    other = {name for name, value in before.items() if now.values.get(name) != value} - _TOUCHED
    cleared = {name for name in other if name.endswith("_value") and before[name] and now.values.get(name) is None}
    return {before[name] for name in cleared} if cleared == other else set()
