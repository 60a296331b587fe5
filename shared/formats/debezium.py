"""Debezium's change events, with or without their schema.

A column may be named `envelope.source.lsn` or `envelope.ts_ms` to take what stands around the row. A large value that
did not change comes as a placeholder: it is absent.

Source: Debezium 3.0 documentation, "Data change events" of the PostgreSQL and SQL Server connectors (2024).
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.formats.shape import Passed, RefusedError, Unit, around, items_of, kind_of, object_of
from shared.values.events import Bucket, Operation
from shared.values.records import RejectType

_OPERATIONS = {"c": Operation.UPSERT, "r": Operation.UPSERT, "u": Operation.UPSERT, "d": Operation.DELETE}

_UNCHANGED = "__debezium_unavailable_value"


def units(document: object) -> Iterator[Unit | Passed | RefusedError]:
    """One unit for each change, in the message's order."""
    for item in items_of(document):
        try:
            yield _unit(item)
        except RefusedError as refused:
            yield refused


def _unit(item: object) -> Unit | Passed:
    if item is None:
        return Passed(Bucket.SKIPPED, "a tombstone, which follows a delete")
    envelope = object_of(item, "the change")
    if "payload" in envelope and "op" not in envelope:
        if envelope["payload"] is None:
            return Passed(Bucket.SKIPPED, "a tombstone, which follows a delete")
        envelope = object_of(envelope["payload"], "the payload")
    if "op" not in envelope and "databaseName" in envelope:
        return Passed(Bucket.SKIPPED, "a change of the schema")
    word = envelope.get("op")
    operation = _OPERATIONS.get(word) if isinstance(word, str) else None
    if operation is None:
        if word == "m":
            return Passed(Bucket.SKIPPED, "a message of the connector's own")
        raise _unknown(word)
    side = "before" if operation is Operation.DELETE else "after"
    row = envelope.get(side)
    if not isinstance(row, dict):
        hint = "; let the table's replica identity or log hold its key" if side == "before" else ""
        raise RefusedError(f"the change's {side!r} is {kind_of(row)}, not an object{hint}")
    outer = {name: value for name, value in envelope.items() if name not in ("before", "after")}
    return Unit(({name: value for name, value in row.items() if value != _UNCHANGED}, around(outer)), operation)


def _unknown(word: object) -> RefusedError:
    if word == "t":
        reason = "the change empties the whole table, which no event may do here; run a batch job"
    else:
        reason = "the member 'op' is none of c, r, u and d"
    found = word[:100] if isinstance(word, str) else ""
    return RefusedError(reason, type_=RejectType.UNKNOWN_ACTION, column="op", found=found)
