"""From the body of a message to its events; what is wrong with it becomes a reject with a plain reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from shared.formats import cloudevents, dataverse, debezium, flat
from shared.formats.shape import Passed, RefusedError, Shape, Told, Unit
from shared.json_text import ABSENT, DECODER, TwiceError, reach, storable, text_of
from shared.values.records import Reject, RejectType

MOST_EVENTS = 1000
"""Events that one message may hold."""
_SHOWN = 1000

Part = Told | Passed | Reject


def read_message(body: bytes, shape: Shape, properties: Mapping[str, object] | None = None) -> list[Part]:
    """What a message holds, in its order; at least one part. `properties` are the message's own, by name.

    A reject's `row` counts the records of the message from 1. A number keeps its digits; an object or list becomes its
    JSON text.
    """
    try:
        document = _document(body) if body.strip() or shape.form != "debezium" else None
    except RefusedError as refused:
        return [_reject(refused, None, body)]
    try:
        parts = [_part(found, shape, number) for number, found in enumerate(_units(document, shape, properties), 1)]
    except (TwiceError, RecursionError) as error:
        return [_reject(_spoiled(error), None, body)]
    if len(parts) > MOST_EVENTS:
        reason = f"the message holds {len(parts):,} records; at most {MOST_EVENTS:,} are taken from one"
        return [_reject(RefusedError(reason), None, b"")]
    return parts or [_reject(RefusedError("the message holds no record"), None, body)]


def _document(body: bytes) -> object:
    try:
        text = body.decode("utf-8-sig").strip(" \t\r\n")
    except UnicodeDecodeError:
        raise RefusedError("the message is not UTF-8") from None
    try:
        value, end = DECODER.raw_decode(text)
    except RecursionError:
        raise RefusedError("the message is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise RefusedError(f"the message is not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError as error:
        raise RefusedError(f"the message is not valid JSON: {error}") from None
    if end != len(text):
        raise RefusedError(f"the message goes on behind its JSON value, at character {end + 1}")
    return value


def _units(
    document: object, shape: Shape, properties: Mapping[str, object] | None
) -> Iterable[Unit | Passed | RefusedError]:
    if shape.form == "cloudevents":
        return cloudevents.units(document, shape, properties or {})
    if shape.form == "debezium":
        return debezium.units(document)
    if shape.form == "dataverse":
        return dataverse.units(document, shape)
    return flat.units(document, shape)


def _part(found: Unit | Passed | RefusedError, shape: Shape, number: int) -> Part:
    if isinstance(found, Passed):
        return found
    if isinstance(found, RefusedError):
        return _reject(found, number, b"")
    try:
        return Told(found.operation, dict(_record(found, shape)))
    except (TwiceError, RecursionError) as error:
        return _reject(_spoiled(error), number, b"")
    except RefusedError as refused:
        return _reject(refused, number, b"")


def _record(unit: Unit, shape: Shape) -> Iterable[tuple[str, str | None]]:
    for name in shape.columns:
        way = name.split(".") if "." in name else None
        value = next((v for members in unit.members if (v := reach(members, name, way)) is not ABSENT), ABSENT)
        if value is ABSENT:
            continue
        text = text_of(value)
        if text is not None and not storable(text):
            raise RefusedError(
                f"the member {name!r} holds a NUL character or half of a surrogate pair",
                type_=RejectType.INVALID_FORMAT,
                column=name,
            )
        yield name, text


def _spoiled(error: TwiceError | RecursionError) -> RefusedError:
    return RefusedError(str(error) if isinstance(error, TwiceError) else "the message is nested too deeply")


def _reject(refused: RefusedError, row: int | None, body: bytes) -> Reject:
    text = body[:_SHOWN].decode("utf-8", "replace") or None
    return Reject(row, None, refused.type, refused.column, refused.found or None, refused.reason, source=text)
