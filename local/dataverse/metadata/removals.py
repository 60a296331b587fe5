"""Definitions taken away, where nothing stands in the way.

Source: Microsoft Learn, "Dependency tracking for solution components".
"""

from __future__ import annotations

from dataclasses import replace

from local.dataverse.metadata import refused
from local.dataverse.metadata.documents import relationship_id
from local.dataverse.metadata.labels import identity
from local.dataverse.tables import Column, Key, ManyToMany, OptionSet, Table, Tables


def without_table(tables: Tables, table: Table) -> Tables:
    """These tables without one.

    Raises:
        Refusal: it is the system's, or another table relates to it.
    """
    if not table.custom:
        raise refused.system_component("Delete", table.name, identity(table.name))
    users = [
        column
        for other in tables.by_name.values()
        for column in other.columns.values()
        if other is not table and any(target.table == table.name for target in column.targets)
    ]
    pairs = [pair for pair in tables.pairs if table.name in (pair.first.table, pair.second.table)]
    if users or pairs:
        raise refused.in_use("Entity", identity(table.name), len(users) + len(pairs))
    kept = [other for other in tables.by_name.values() if other is not table]
    return Tables.of(kept, tables.pairs, tables.option_sets.values())


def without_column(table: Table, column: Column) -> Table:
    """A table without a column, and without what came with it.

    Raises:
        Refusal: it is the system's, the primary one, comes with another, or belongs to a key.
    """
    if column.primary_name:
        raise refused.primary_column()
    if column.base_of is not None:
        raise refused.base_column()
    if column.attribute_of is not None:
        raise refused.child_column()
    if not column.custom or column.primary_id:
        raise refused.system_component("Delete", column.name, identity(table.name, column.name))
    keys = [key for key in table.keys if column.name in key.columns]
    if keys:
        raise refused.in_use("Attribute", identity(table.name, column.name), len(keys))
    return _dropped(table, column)


def without_target(table: Table, column: Column, relationship: str) -> Table:
    """A table without one relationship of a lookup; with its last one the lookup goes.

    Raises:
        Refusal: it is the system's, or the lookup belongs to a key.
    """
    targets = tuple(target for target in column.targets if target.relationship != relationship)
    if not all(target.custom for target in column.targets if target not in targets):
        raise refused.system_component("Delete", relationship, relationship_id(relationship))
    if not targets:
        return without_column(table, column)
    return table.changed(columns=dict(table.columns) | {column.name: replace(column, targets=targets)})


def without_pair(tables: Tables, pair: ManyToMany) -> Tables:
    """These tables without a many-to-many relationship.

    Raises:
        Refusal: it is the system's.
    """
    if not pair.custom:
        raise refused.system_component("Delete", pair.schema_name, relationship_id(pair.schema_name))
    return Tables.of(tables.by_name.values(), [p for p in tables.pairs if p is not pair], tables.option_sets.values())


def without_key(table: Table, key: Key) -> Table:
    """A table without a key.

    Raises:
        Refusal: it is an elastic table's own.
    """
    if table.elastic:
        raise refused.system_component("Delete", key.name, identity(table.name, "key", key.name))
    return table.changed(keys=tuple(k for k in table.keys if k is not key))


def without_option_set(tables: Tables, option_set: OptionSet) -> Tables:
    """These tables without a global option set.

    Raises:
        Refusal: it is the system's, or a column takes its options from it.
    """
    if not option_set.custom:
        raise refused.system_component("Delete", option_set.name, identity("optionset", option_set.name))
    columns = [c for table in tables.by_name.values() for c in table.columns.values()]
    if any(column.option_set == option_set.name for column in columns):
        raise refused.option_set_in_use()
    kept = [other for other in tables.option_sets.values() if other is not option_set]
    return Tables.of(tables.by_name.values(), tables.pairs, kept)


def _dropped(table: Table, column: Column) -> Table:
    gone = {column.name}
    gone |= {c.name for c in table.columns.values() if column.name in (c.base_of, c.attribute_of)}
    return table.changed(columns={name: c for name, c in table.columns.items() if name not in gone})
