"""From the rows in `rejects` to verdicts: what is rejected, and what only waits for its parent."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from shared.engine.realtime.hearing import operation_word
from shared.engine.realtime.verdicts import Verdict, refused, waits
from shared.engine.rejecting import SOURCE_LENGTH
from shared.engine.workspace import Row, Workspace
from shared.values.events import Event, Hold
from shared.values.records import Reject, RejectType

_REJECTS = """
    SELECT row_no, key, type, "column", found, reason, code, request_id FROM rejects
    WHERE rejecting AND row_no IS NOT NULL ORDER BY row_no
"""


def rejected(workspace: Workspace, events: Sequence[Event]) -> dict[int, Verdict]:
    """The verdicts of the rows in `rejects`, by place in the batch: a missing parent alone makes an event wait."""
    by_row: dict[int, list[Reject]] = {}
    for row_no, *rest in workspace.rows(_REJECTS):
        number = int(str(row_no))
        by_row.setdefault(number, []).append(_reject(tuple(rest), events[number - 1]))
    return {number: _verdict(rejects) for number, rejects in by_row.items()}


def _reject(row: Row, event: Event) -> Reject:
    key, type_, column, found, reason, code, request_id = [None if one is None else str(one) for one in row]
    kind = RejectType(type_ or RejectType.REFUSED)
    return Reject(None, key, kind, column, found, reason or "", code, request_id, source=source_text(event))


def _verdict(rejects: Sequence[Reject]) -> Verdict:
    wrong = next((reject for reject in rejects if reject.type is not RejectType.UNRESOLVED_LINK), None)
    return refused(wrong) if wrong else waits(Hold.PARENT, rejects[0].reason)


def source_text(event: Event) -> str:
    """The record as it was told, for who looks at a reject."""
    told = {"operation": operation_word(event), **event.record}
    return orjson.dumps(told).decode()[:SOURCE_LENGTH]
