"""Elastic tables: a bulk message writes each row by itself and tells what became of every one; an upsert replaces.

How the details are spelled in a Web API error, and which status the whole call has, is not documented: they follow the
naming rule of the other details, and the first row refused.

Source: Microsoft Learn, "Use elastic tables" and "Bulk operation messages".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from local.dataverse.partitions import id_of
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import Column, Kind, Table
from local.dataverse.values import GUID

Members = dict[str, object]
_KEPT = frozenset(("partitionid", "statecode", "statuscode", "transactioncurrencyid", "importsequencenumber"))
DETAILS = "Plugin.BulkApiErrorDetails"
CREATED, REPLACED, DONE = 201, 200, 204


def replacing(table: Table, body: Members) -> Members:
    """The body of an upsert that finds its row: what it does not hold becomes empty, or the column's default."""
    whole = dict(body)
    for column in table.columns.values():
        if column.updatable and not column.primary_id and column.kind is not Kind.OWNER and column.name not in _KEPT:
            _empty(column, whole)
    return whole


def _empty(column: Column, whole: Members) -> None:
    if not column.is_lookup:
        whole.setdefault(column.name, column.default)
        return
    names = {target.navigation for target in column.targets}
    if not any(name in whole or f"{name}@odata.bind" in whole for name in names):
        whole[f"{column.targets[0].navigation}@odata.bind"] = None


def each(table: Table, targets: Sequence[Members], write: Callable[[Members], tuple[str, int]]) -> list[str]:
    """Writes the targets one after another; the ids when all succeeded. Refused rows do not undo the others.

    `write` gives the row's id and status.

    Raises:
        RowRefusal: the first refused row, with the details of all.
    """
    ids, details = [], []
    first: RowRefusal | None = None
    for index, target in enumerate(targets):
        try:
            row_id, status = write(target)
        except (Refusal, RowRefusal) as cause:
            refusal = cause.refusal if isinstance(cause, RowRefusal) else cause
            first = first or RowRefusal(index, refusal)
            row_id, status = _named(table, target), refusal.status
        ids.append(id_of(row_id))
        details.append({"RequestIndex": index, "Id": id_of(row_id), "StatusCode": status})
    if first is not None:
        first.refusal.details = {**first.refusal.details, DETAILS: orjson.dumps(details).decode()}
        raise first
    return ids


def session_token(version: int) -> str:
    """What a later read can send along to see this write."""
    return f"0:1#{version}#7=-1"


def _named(table: Table, target: Members) -> str:
    given = target.get(table.id_column)
    return given.lower() if isinstance(given, str) and GUID.fullmatch(given) else ""
