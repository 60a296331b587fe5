"""Deletes rows: refused where a lookup restricts it, with the rows below where it cascades, else the links are removed.

What would be deleted is found first, so a refused delete has changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from local.dataverse.partitions import id_of, row_column
from local.dataverse.refusals import Refusal
from local.dataverse.store import listed, type_name
from local.dataverse.tables import Column, Table, Target
from local.dataverse.world import World
from shared.sql import identifier

_WHO = frozenset(("createdby", "modifiedby", "createdonbehalfby", "modifiedonbehalfby", "ownerid"))
"""Columns that keep the id of a user who is gone."""
_Gone = dict[str, dict[str, None]]
"""Ids to delete by table, in the order found."""


def delete_row(world: World, table: Table, row_id: str) -> None:
    """Deletes a row that exists.

    Raises:
        Refusal: a row that restricts deletes points at it, or at a row that would go with it.
    """
    delete_rows(world, table, [row_id])


def delete_rows(world: World, table: Table, ids: Sequence[str]) -> int:
    """Deletes rows that exist, all or none; the number of rows deleted, those that went with them included.

    Every one of them raises its steps.

    Raises:
        Refusal: a row that restricts deletes points at one of them, and stays.
    """
    gone: _Gone = {table.name: dict.fromkeys(ids)}
    fresh = [(table, list(ids))]
    while fresh:
        fresh = [found for parent, parents in fresh for found in _below(world, parent, parents, gone)]
    for name, found in gone.items():
        _check_restricted(world, world.tables.by_name[name], list(found), gone)
    with ExitStack() as steps:
        for name, found in gone.items():
            for row_id in found:
                steps.enter_context(world.steps.deleting(world.tables.by_name[name], row_id))
        for name, found in gone.items():
            _delete(world, world.tables.by_name[name], list(found))
    world.forget()
    return sum(map(len, gone.values()))


def _pointing(world: World, table: Table) -> Iterator[tuple[Table, Column, Target]]:
    """The lookups that may point at rows of a table."""
    for child in world.tables.by_name.values():
        for column in child.columns.values():
            if column.is_lookup and column.name not in _WHO:
                for target in column.targets:
                    if target.table == table.name:
                        yield child, column, target


def _below(world: World, parent: Table, ids: list[str], gone: _Gone) -> Iterator[tuple[Table, list[str]]]:
    """Rows that go with these and were not met before."""
    for child, column, target in _pointing(world, parent):
        if target.cascade:
            known = gone.setdefault(child.name, {})
            found = [row_id for row_id in _linked(world, child, column, target.table, ids) if row_id not in known]
            known.update(dict.fromkeys(found))
            if found:
                yield child, found


def _check_restricted(world: World, table: Table, ids: list[str], gone: _Gone) -> None:
    for child, column, target in _pointing(world, table):
        if target.restrict and set(_linked(world, child, column, target.table, ids)) - gone.get(child.name, {}).keys():
            raise Refusal(
                405,
                "0x80040227",
                "The object you tried to delete is associated with another object and cannot be deleted: "
                f"rows of {child.name} point at it through {column.name}.",
            )


def _linked(world: World, child: Table, column: Column, parent: str, ids: list[str]) -> list[str]:
    """Rows of a table that point at one of these ids of table `parent`."""
    test = f"{identifier(column.name)} IN (SELECT value FROM json_each(?))"
    values = [listed(map(id_of, ids))]
    if column.is_polymorphic:
        test += f" AND {identifier(type_name(column))} = ?"
        values.append(parent)
    statement = f"SELECT {identifier(row_column(child))} FROM {identifier(child.name)} WHERE {test} ORDER BY rowid"
    return [str(row[0]) for row in world.store.all(statement, values)]


def _delete(world: World, table: Table, ids: list[str]) -> None:
    for child, column, target in _pointing(world, table):
        _unlink(world, child, column, _linked(world, child, column, target.table, ids))
    for pair in world.tables.pairs:
        for side in (pair.first, pair.second):
            if side.table == table.name:
                own = [id_of(key) for key in ids]
                _run(world, f"DELETE FROM {identifier(pair.intersect)} WHERE {identifier(side.column)} IN", own)
    _run(world, f"DELETE FROM {identifier(table.name)} WHERE {identifier(row_column(table))} IN", ids)


def _unlink(world: World, child: Table, column: Column, linked: list[str]) -> None:
    if not linked:
        return
    cleared = [f"{identifier(column.name)} = NULL", "versionnumber = ?"]
    if column.is_polymorphic:
        cleared.append(f"{identifier(type_name(column))} = NULL")
    statement = f"UPDATE {identifier(child.name)} SET {', '.join(cleared)} WHERE {identifier(row_column(child))} = ?"
    versions = world.store.versions(len(linked))
    world.store.run_many(statement, zip(versions, linked, strict=True))


def _run(world: World, statement: str, ids: list[str]) -> None:
    world.store.run(f"{statement} (SELECT value FROM json_each(?))", (listed(ids),))
