"""Rows put in and looked at past the network: what is there from the start, and what tests need."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from local.dataverse.definitions import TableFileError
from local.dataverse.odata import reading
from local.dataverse.odata.options import Preferences
from local.dataverse.odata.scope import ROOT
from local.dataverse.partitions import id_of
from local.dataverse.refusals import RowRefusal
from local.dataverse.service import Service
from local.dataverse.tables import Kind, Table
from shared.sql import identifier

_SHOWN = 200
"""Characters of a row that a message shows."""


class SeedError(ValueError):
    """A row or a table that cannot be used: the number of the row, and the reason as the service says it."""

    def __init__(self, message: str, found: RowRefusal | None = None) -> None:
        super().__init__(message)
        self.index = found.index if found else 0
        self.reason = found.refusal.message.rpartition("InnerException : ")[2] if found else message


def first_rows(service: Service) -> None:
    """Creates the rows of the table-definition file in tables that are empty; the organization says the base language.

    Raises:
        TableFileError: rows are refused; it names all of them, and no row is created.
    """
    store = service.world.store
    with store.transaction():
        problems: list[str] = []
        for table in service.world.tables.by_name.values():
            if table.seeds and not store.value(f"SELECT count(*) FROM {identifier(table.name)}"):
                problems += _seeded(service, table)
        if problems:
            raise TableFileError(problems)
        if "languagecode" in service.world.tables.by_name["organization"].columns:
            store.run("UPDATE organization SET languagecode = ?", (store.language,))


def _seeded(service: Service, table: Table) -> Iterator[str]:
    """Creates the rows of a table without those that are refused, and tells why each is."""
    left = list(table.seeds)
    while left:
        try:
            with service.world.store.step():
                insert(service, table.name, left)
        except SeedError as refused:
            row = json.dumps(left.pop(refused.index), default=str, ensure_ascii=False)[:_SHOWN]
            yield f"tables.{table.name}.rows: found {row}; the service says: {refused.reason}"
        else:
            return


def insert(service: Service, name: str, rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Creates rows, inactive ones too.

    Raises:
        SeedError: a row is refused; none is created.
    """
    table = table_named(service, name)
    writer = service.entities.writer(table)
    try:
        with service.world.steps.silenced(), service.world.store.transaction():
            ids = writer.create(rows)
            inactive = [(i, _state(row)) for i, row in zip(ids, rows, strict=True) if row.get("statecode")]
            writer.update([row_id for row_id, _ in inactive], [state for _, state in inactive])
    except RowRefusal as found:
        raise SeedError(f"row {found.index} of {name}: {found.refusal.message}", found) from None
    return [id_of(key) for key in ids]


def rows(service: Service, name: str) -> list[dict[str, object]]:
    """Every row of a table, oldest first; decimals and money as plain numbers.

    Raises:
        SeedError: there is no such table.
    """
    table = table_named(service, name)
    columns = list(table.columns.values())
    shape = reading.members(service.world.tables, table, columns, Preferences())
    terms = ", ".join(member.term for member in shape)
    listed = service.world.store.all(f"SELECT {terms} FROM {identifier(name)} AS {ROOT} ORDER BY rowid")
    found = []
    for values in listed:
        pairs = zip(columns, values, strict=True)
        found.append({c.read_name: _plain(c.kind, c.scale, value) for c, value in pairs})
    return found


def table_named(service: Service, name: str) -> Table:
    """A table by logical name.

    Raises:
        SeedError: there is none.
    """
    table = service.world.tables.by_name.get(name)
    if table is None:
        raise SeedError(f"no table {name!r}; there are {', '.join(service.world.tables.by_name)}")
    return table


def _state(row: Mapping[str, object]) -> dict[str, object]:
    return {name: row[name] for name in ("statecode", "statuscode") if name in row}


def _plain(kind: Kind, scale: int, value: object) -> object:
    if value is None:
        return None
    if kind is Kind.BOOLEAN:
        return bool(value)
    if kind in (Kind.DECIMAL, Kind.MONEY):
        return int(str(value)) / 10**scale
    return value
