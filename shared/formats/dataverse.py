r"""Another Dataverse's own messages: the remote execution context of its webhooks and Service Bus endpoints.

The target holds what was written, so what it lacks is absent; an image that was registered with the step fills it in.
Choices, money and references are taken as their number, amount and id; `\/Date(…)\/` as an instant.

Source: Microsoft Learn, "Use webhooks to create external handlers", "Azure integration" (2025).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from shared.formats.shape import Passed, RefusedError, Shape, Unit, around, kind_of, object_of
from shared.json_text import Number
from shared.values.events import Bucket, Operation
from shared.values.records import RejectType

_OPERATIONS = {"create": Operation.UPSERT, "update": Operation.UPSERT, "delete": Operation.DELETE}
_DATE = re.compile(r"/Date\((-?\d{1,16})(?:[+-]\d{4})?\)/")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def units(document: object, shape: Shape) -> Iterator[Unit | Passed | RefusedError]:
    """The one unit of a context."""
    try:
        yield _unit(object_of(document, "the message"), shape)
    except RefusedError as refused:
        yield refused


def _unit(context: dict[str, object], shape: Shape) -> Unit | Passed:
    tags = {value for name, value in _pairs(context, "SharedVariables") if name == "tag" and isinstance(value, str)}
    if tags & shape.ignored_tags:
        return Passed(Bucket.ECHO, "the sync on the other side wrote it")
    word = context.get("MessageName")
    operation = _OPERATIONS.get(word.lower()) if isinstance(word, str) else None
    if operation is None:
        found = word[:100] if isinstance(word, str) else ""
        reason = "the message is none of Create, Update and Delete; register the step for these"
        raise RefusedError(reason, type_=RejectType.UNKNOWN_ACTION, column="MessageName", found=found)
    envelope = {name: _plain(value) for name, value in context.items() if not isinstance(value, dict | list)}
    return Unit((*_sides(context, operation), around(envelope)), operation)


def _sides(context: dict[str, object], operation: Operation) -> Iterator[dict[str, object]]:
    """What was written, then the row's id, then the images."""
    if "InputParameters" not in context:
        raise RefusedError(
            "the message was over 256 KB, so the service left out what was written; "
            "let the step send fewer columns, or run a batch job"
        )
    for name, value in _pairs(context, "InputParameters"):
        if name == "Target" and isinstance(value, dict):
            yield dict(_attributes(value))
    row_id, table = context.get("PrimaryEntityId"), context.get("PrimaryEntityName")
    if isinstance(row_id, str) and isinstance(table, str):
        yield {f"{table}id": row_id}
    for images in ("PreEntityImages",) if operation is Operation.DELETE else ("PostEntityImages",):
        for _, value in _pairs(context, images):
            if isinstance(value, dict):
                yield dict(_attributes(value))


def _pairs(holder: Mapping[str, object], name: str) -> Iterator[tuple[object, object]]:
    """The pairs of a list of `{"key": …, "value": …}`."""
    listed = holder.get(name)
    if listed is None:
        return
    if not isinstance(listed, list):
        raise RefusedError(f"the message's {name} is {kind_of(listed)}, not a list")
    for pair in listed:
        if isinstance(pair, dict):
            yield pair.get("key"), pair.get("value")


def _attributes(entity: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in _pairs(entity, "Attributes"):
        if isinstance(name, str):
            yield name, _plain(value)


def _plain(value: object) -> object:
    """The value that the typed one stands for."""
    if isinstance(value, str) and not isinstance(value, Number) and (found := _DATE.fullmatch(value)):
        return _instant(int(found[1]))
    if isinstance(value, list):
        return ",".join(str(_plain(item)) for item in value)
    if not isinstance(value, dict):
        return value
    if "Value" in value:
        return _plain(value["Value"])
    return value.get("Id", value)


def _instant(milliseconds: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
    except OverflowError:
        raise RefusedError("a date of the message is beyond the year 9999") from None
