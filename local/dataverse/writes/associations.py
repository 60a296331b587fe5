"""Collection-valued navigation properties: rows that point at a row, and pairs of a relationship of many to many.

Source: Microsoft Learn, "Associate and disassociate table rows using the Web API".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from local.dataverse import addresses, refusals
from local.dataverse.refusals import Refusal
from local.dataverse.relationships import Collection
from local.dataverse.store import type_name
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.links import relative
from local.dataverse.writes.rows import Writer
from shared.sql import identifier

WriterOf = Callable[[Table], Writer]


def named_row(world: World, table: Table, url: object) -> str:
    """The id of the row that an `@odata.id` names.

    Raises:
        Refusal: it is malformed, of another table, or there is no such row.
    """
    if not isinstance(url, str):
        raise refusals.payload(table.name, "The entity reference needs '@odata.id' with the URL of a row.")
    address = addresses.parse(world.tables, relative(url))
    if address.table is not table:
        raise refusals.payload(table.name, f"The entity reference '{address.text}' is of another table.")
    row_id = addresses.find(world.store, address)
    if row_id is None:
        raise addresses.missing(address)
    return row_id


class Associations:
    """Puts rows into collections and takes them out."""

    def __init__(self, world: World, writer_of: WriterOf) -> None:
        self._world = world
        self._writer_of = writer_of

    def add(self, table: Table, row_id: str, collection: Collection, other_id: str) -> None:
        """Relates a row of the collection's table to this one.

        Raises:
            Refusal: the pair is there already.
        """
        if not collection.many_to_many:
            self._bind(table, collection, other_id, f"{table.entity_set}({row_id})")
            return
        own, other = identifier(collection.own), identifier(collection.other)
        try:
            statement = f"INSERT INTO {identifier(collection.intersect)} ({own}, {other}) VALUES (?, ?)"
            self._world.store.run(statement, (row_id, other_id))
        except sqlite3.IntegrityError:
            raise Refusal(412, "0x80040237", "Cannot insert duplicate key: the rows are related already.") from None

    def remove(self, table: Table, row_id: str, collection: Collection, other_id: str) -> None:
        """Ends the relation of two rows; where there is none, nothing happens."""
        if not collection.many_to_many:
            if self._points(table, row_id, collection, other_id):
                self._bind(table, collection, other_id, None)
            return
        own, other = identifier(collection.own), identifier(collection.other)
        statement = f"DELETE FROM {identifier(collection.intersect)} WHERE {own} = ? AND {other} = ?"
        self._world.store.run(statement, (row_id, other_id))

    def _bind(self, table: Table, collection: Collection, other_id: str, url: str | None) -> None:
        child = self._world.tables.by_name[collection.table]
        targets = child.columns[collection.column].targets
        navigation = next(t.navigation for t in targets if t.table == table.name)
        self._writer_of(child).update([other_id], [{f"{navigation}@odata.bind": url}])

    def _points(self, table: Table, row_id: str, collection: Collection, other_id: str) -> bool:
        child = self._world.tables.by_name[collection.table]
        column = child.columns[collection.column]
        test = f"{identifier(child.id_column)} = ? AND {identifier(column.name)} = ?"
        values = [other_id, row_id]
        if column.is_polymorphic:
            test += f" AND {identifier(type_name(column))} = ?"
            values.append(table.name)
        return self._world.store.value(f"SELECT 1 FROM {identifier(child.name)} WHERE {test}", values) is not None
