"""CloudEvents 1.0: structured (one, or a batch) and binary (attributes beside the body).

A column may be named `envelope.time` to take an attribute of the event.

Source: CloudEvents 1.0.2, JSON event format and AMQP protocol binding (2022).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping

from shared.formats import flat
from shared.formats.shape import RefusedError, Shape, Unit, around, items_of, object_of, operation_of
from shared.json_text import DECODER

_PREFIXES = ("cloudEvents:", "cloudEvents_", "ce-")
_VERSION = re.compile(r"v?\d+(?:[._-]\d+)*$")


def units(document: object, shape: Shape, properties: Mapping[str, object]) -> Iterator[Unit | RefusedError]:
    """One unit for each record of each event, in the message's order."""
    attributes = _attributes(properties)
    if attributes:
        try:
            yield from _records(_checked(attributes), document, shape)
        except RefusedError as refused:
            yield refused
        return
    for item in items_of(document):
        try:
            envelope = _checked(object_of(item, "the event"))
            yield from _records(envelope, _content(envelope), shape)
        except RefusedError as refused:
            yield refused


def _attributes(properties: Mapping[str, object]) -> dict[str, object]:
    """The attributes that stand in a message's properties (binary mode); empty when it is none."""
    found = {
        name.removeprefix(prefix).lower(): value
        for name, value in properties.items()
        for prefix in _PREFIXES
        if name.startswith(prefix)
    }
    return found if "specversion" in found else {}


def _checked(envelope: dict[str, object]) -> dict[str, object]:
    version = envelope.get("specversion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise RefusedError("the event's specversion is not 1.0; send CloudEvents 1.0, or state another `format`")
    return envelope


def _records(envelope: dict[str, object], content: object, shape: Shape) -> Iterator[Unit | RefusedError]:
    for item in items_of(content):
        try:
            yield _unit(object_of(item, "the event's data"), envelope, shape.action)
        except RefusedError as refused:
            yield refused


def _unit(record: dict[str, object], envelope: dict[str, object], action: str | None) -> Unit:
    """`type` names the operation with its last word: com.example.customer.deleted.v1 is a delete."""
    if action == "type" and isinstance(named := envelope.get("type"), str):
        words = named.split(".")
        while len(words) > 1 and _VERSION.match(words[-1]):
            words.pop()
        operation = operation_of(words[-1], action)
        return Unit((record, around(_outer(envelope))), operation)
    return flat.unit(record, action, _outer(envelope))


def _outer(envelope: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in envelope.items() if name not in ("data", "data_base64")}


def _content(envelope: dict[str, object]) -> object:
    if "data" in envelope:
        data = envelope["data"]
        return _decoded(data) if isinstance(data, str) and _is_json(envelope) else data
    coded = envelope.get("data_base64")
    if not isinstance(coded, str):
        raise RefusedError("the event has no data")
    try:
        return _decoded(base64.b64decode(coded, validate=True).decode("utf-8"))
    except (binascii.Error, ValueError):
        raise RefusedError("the event's data_base64 is not base64 of a UTF-8 text") from None


def _is_json(envelope: Mapping[str, object]) -> bool:
    return "json" in str(envelope.get("datacontenttype", "")).lower()


def _decoded(text: str) -> object:
    told = text.strip("\ufeff \t\r\n")
    try:
        value, end = DECODER.raw_decode(told)
    except (json.JSONDecodeError, ValueError, RecursionError):
        raise RefusedError("the event's data is not JSON") from None
    if end != len(told):
        raise RefusedError(f"the event's data goes on behind its JSON value, at character {end + 1}; send a list")
    return value
