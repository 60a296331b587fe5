"""Flat JSON: the record's members stand in the message itself."""

from __future__ import annotations

from collections.abc import Iterator

from shared.formats.shape import RefusedError, Shape, Unit, around, items_of, object_of, operation_of
from shared.json_text import ABSENT, reach
from shared.values.events import Operation
from shared.values.records import RejectType


def units(document: object, shape: Shape) -> Iterator[Unit | RefusedError]:
    """One unit for each record, in the message's order."""
    for item in items_of(document):
        try:
            yield unit(object_of(item, "the record"), shape.action)
        except RefusedError as refused:
            yield refused


def unit(record: dict[str, object], action: str | None, envelope: dict[str, object] | None = None) -> Unit:
    """A record with the operation that its member names, or that of the envelope; without such a setting an upsert.

    Raises:
        RefusedError: the member is not there, or names no operation.
    """
    members = (record,) if envelope is None else (record, around(envelope))
    if action is None:
        return Unit(members, Operation.UPSERT)
    for holder in (envelope or {}, record):
        word = reach(holder, action, action.split(".") if "." in action else None)
        if word is not ABSENT:
            return Unit(members, operation_of(word, action))
    raise RefusedError(
        f"the message has no member {action!r}, which names the operation",
        type_=RejectType.UNKNOWN_ACTION,
        column=action,
    )
