"""Deletes a row: refused where a lookup restricts it, otherwise the links to it are removed."""

from __future__ import annotations

from local.dataverse.refusals import Refusal
from local.dataverse.store import type_name
from local.dataverse.tables import Column, Table
from local.dataverse.world import World
from shared.sql import identifier


def delete_row(world: World, table: Table, row_id: str) -> None:
    """Deletes a row that exists.

    Raises:
        Refusal: a row that restricts deletes points at it.
    """
    for child in world.tables.by_name.values():
        for column in child.columns.values():
            for target in column.targets:
                if target.table == table.name:
                    _unlink(world, child, column, row_id, restrict=target.restrict)
    world.store.run(f"DELETE FROM {identifier(table.name)} WHERE {identifier(table.id_column)} = ?", (row_id,))
    world.forget()


def _unlink(world: World, child: Table, column: Column, row_id: str, *, restrict: bool) -> None:
    name, term = identifier(child.name), identifier(column.name)
    if column.name in ("createdby", "modifiedby", "ownerid"):
        return
    if world.store.value(f"SELECT 1 FROM {name} WHERE {term} = ? LIMIT 1", (row_id,)) is None:
        return
    if restrict:
        raise Refusal(
            405,
            "0x80040227",
            "The object you tried to delete is associated with another object and cannot be deleted: "
            f"rows of {child.name} point at it through {column.name}.",
        )
    cleared = [f"{term} = NULL", "versionnumber = ?"]
    if column.is_polymorphic:
        cleared.append(f"{identifier(type_name(column))} = NULL")
    version = world.store.versions(1)[0]
    world.store.run(f"UPDATE {name} SET {', '.join(cleared)} WHERE {term} = ?", (version, row_id))
