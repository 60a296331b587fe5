"""How a row is named in a URL, a bind or an `@odata.id`: `accounts(<guid>)`, `accounts(accountnumber='A1')`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from local.dataverse import refusals
from local.dataverse.partitions import row_column, row_key
from local.dataverse.refusals import Refusal
from local.dataverse.store import Store, compared, listed
from local.dataverse.tables import TEXTS, Column, Kind, Table, Tables
from local.dataverse.values import GUID, check_of, decimal_of
from shared.sql import identifier

_ADDRESS = re.compile(r"([A-Za-z_]\w*)\((.*)\)", re.DOTALL)
_PAIR = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*('(?:[^']|'')*'|[^,'\s]+)\s*(,|$)")
_UNNAMED = frozenset(("systemuser", "team"))


@dataclass(frozen=True, slots=True)
class Address:
    """One row of a table: by `row_id`, or by the values of an alternate key (by column, as JSON would hold them).

    `partition` is where an elastic table's row lies; without it, in the partition that bears the row's own id.
    """

    table: Table
    text: str
    row_id: str | None = None
    key: dict[str, object] = field(default_factory=dict)
    partition: str | None = None


def parse(tables: Tables, text: str) -> Address:
    """Reads `set(key)`, decoded from any URL form.

    Raises:
        Refusal: no such set, or the key is none of the table.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise refusals.no_segment(text)
    table = tables.by_set.get(found[1])
    if table is None:
        raise refusals.no_segment(found[1])
    inner = found[2].strip()
    if GUID.fullmatch(inner):
        return Address(table, text, row_id=inner.lower())
    return _keyed(table, text, _pairs(table, inner))


def find(store: Store, address: Address) -> str | None:
    """The key of the addressed row (its id, if its table is not elastic), None when there is none."""
    table = address.table
    if address.row_id is not None:
        key = row_key(address.row_id, address.partition) if table.elastic else address.row_id
        return key if exists(store, table, key) else None
    tests, values = [], []
    for name, value in address.key.items():
        column = table.columns[name]
        tests.append(f"{compared(column)} = {'fold(?)' if column.kind in TEXTS else '?'}")
        values.append(_stored(table, column, value))
    statement = f"SELECT {identifier(row_column(table))} FROM {identifier(table.name)} WHERE {' AND '.join(tests)}"
    found = store.value(statement, values)
    return None if found is None else str(found)


def exists(store: Store, table: Table, key: str) -> bool:
    """Whether a row has this key."""
    statement = f"SELECT 1 FROM {identifier(table.name)} WHERE {identifier(row_column(table))} = ?"
    return store.value(statement, (key,)) is not None


def present(store: Store, table: Table, ids: Iterable[str]) -> set[str]:
    """Those of the ids that a row has."""
    key = identifier(table.id_column)
    statement = f"SELECT {key} FROM {identifier(table.name)} WHERE {key} IN (SELECT value FROM json_each(?))"
    return {str(row[0]) for row in store.all(statement, (listed(ids),))}


def missing(address: Address) -> Refusal:
    """The refusal for an address without a row."""
    if address.row_id is not None:
        return refusals.no_row(address.table.name, address.row_id)
    return refusals.no_row_by_key(address.table.name)


def _pairs(table: Table, inner: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    at = 0
    while at < len(inner):
        found = _PAIR.match(inner, at)
        if found is None or found[1] in pairs:
            raise refusals.no_key(table.name)
        pairs[found[1]] = found[2]
        at = found.end()
        if found[3] == "," and at >= len(inner):
            raise refusals.no_key(table.name)
    return pairs


def _keyed(table: Table, text: str, pairs: dict[str, str]) -> Address:
    if set(pairs) == {table.id_column} and table.name not in _UNNAMED:
        guid = pairs[table.id_column].strip("'")
        if GUID.fullmatch(guid):
            return Address(table, text, row_id=guid.lower())
    columns = {name: table.readable.get(name) for name in pairs}
    named = {column.name: pairs[name] for name, column in columns.items() if column is not None}
    key = table.key_over(set(named)) if len(named) == len(pairs) else None
    if key is None:
        raise refusals.no_key(table.name)
    return Address(table, text, key={name: _value(table, table.columns[name], raw) for name, raw in named.items()})


def _value(table: Table, column: Column, raw: str) -> object:
    """The literal of a URL as JSON would hold it."""
    if raw.startswith("'"):
        if column.kind in TEXTS:
            return raw[1:-1].replace("''", "'")
    elif (column.is_lookup or column.kind is Kind.UNIQUEIDENTIFIER) and GUID.fullmatch(raw):
        return raw.lower()
    elif column.kind is Kind.DATETIME:
        return raw
    elif column.kind not in TEXTS and not column.is_lookup:
        number = decimal_of(raw)
        if number is not None:
            return int(number) if number == int(number) else float(number)
    raise refusals.no_key(table.name)


def _stored(table: Table, column: Column, value: object) -> object:
    if column.is_lookup or column.kind in TEXTS:
        return value
    return check_of(table.name, column).one(value)
