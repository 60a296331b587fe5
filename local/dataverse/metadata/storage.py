"""Makes the database follow the definitions: tables, columns, indexes and pairs that come and go, with rows in them."""

from __future__ import annotations

from collections.abc import Iterable

from local.dataverse.metadata import kept
from local.dataverse.store import Store, stored_columns, type_name
from local.dataverse.tables import Column, Table, Tables
from shared.sql import identifier


def settle(store: Store, after: Tables) -> None:
    """Changes the database from the definitions that it has to others, keeps them in it, and uses them from now on.

    Raises:
        sqlite3.IntegrityError: rows collide in a key that became active; nothing has changed.
    """
    before = store.tables
    with store.transaction():
        for name, table in before.by_name.items():
            if name not in after.by_name:
                store.run(f"DROP TABLE {identifier(table.name)}")
        for name, table in after.by_name.items():
            present = before.by_name.get(name)
            if present is not table:
                _change(store, present, table)
        _settle_pairs(store, before, after)
        kept.keep(store, before, after)
        store.tables = after


def _change(store: Store, before: Table | None, after: Table) -> None:
    if before is not None:
        _drop_indexes(store, after.name)
        for column in before.columns.values():
            _unlink(store, after, column)
        _drop_columns(store, before, after)
    store.define(after)


def _drop_indexes(store: Store, table: str) -> None:
    """Drops the indexes of a table; `define` makes those anew that are still wanted."""
    listed = store.all(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", (table,)
    )
    for (name,) in listed:
        store.run(f"DROP INDEX {identifier(str(name))}")


def _drop_columns(store: Store, before: Table, after: Table) -> None:
    wanted = set(_stored_names(after.columns.values()))
    for name in _stored_names(before.columns.values()):
        if name not in wanted:
            store.run(f"ALTER TABLE {identifier(before.name)} DROP COLUMN {identifier(name)}")


def _stored_names(columns: Iterable[Column]) -> list[str]:
    return [name for column in columns for name, _ in stored_columns(column)]


def _unlink(store: Store, after: Table, before: Column) -> None:
    """Removes links to tables that a lookup no longer points at."""
    column = after.columns.get(before.name)
    if column is None or not before.is_polymorphic:
        return
    own, named = identifier(before.name), identifier(type_name(before))
    for gone in sorted({target.table for target in before.targets} - {target.table for target in column.targets}):
        store.run(f"UPDATE {identifier(after.name)} SET {own} = NULL, {named} = NULL WHERE {named} = ?", (gone,))


def _settle_pairs(store: Store, before: Tables, after: Tables) -> None:
    for pair in before.pairs:
        if pair not in after.pairs:
            store.run(f"DROP TABLE {identifier(pair.intersect)}")
    for pair in after.pairs:
        if pair not in before.pairs:
            store.define_pairs(pair)
