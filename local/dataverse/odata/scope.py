"""Which columns a query can see: the table's own, along lookups those of other rows, and collections behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from local.dataverse import refusals
from local.dataverse.conditions.seen import Seen
from local.dataverse.relationships import Collection
from local.dataverse.store import type_name
from local.dataverse.tables import Column, Table, Tables, Target
from shared.sql import identifier, literal

ROOT = "t"
MAX_LINKS = 15


@dataclass(frozen=True, slots=True)
class Many:
    """A collection-valued navigation property: the rows of `table` that belong to a row of `owner`."""

    collection: Collection
    owner: Table
    table: Table

    @property
    def name(self) -> str:
        """The navigation property."""
        return self.collection.name

    def holds(self, child: str, parent: str) -> str:
        """The SQL by which a row of the alias `child` belongs to the id `parent`."""
        if self.collection.many_to_many:
            pairs = identifier(self.collection.intersect)
            own, other = identifier(self.collection.own), identifier(self.collection.other)
            return f"{child}.{identifier(self.table.id_column)} IN (SELECT {other} FROM {pairs} WHERE {own} = {parent})"
        return " AND ".join([f"{child}.{identifier(self.collection.column)} = {parent}", *self._typed(child)])

    def among(self, child: str, ids: str) -> tuple[str, str, str]:
        """What joins the alias `child` to its parents, the parent's id, and the test for it to be in a JSON list."""
        join, parent, typed = "", f"{child}.{identifier(self.collection.column)}", self._typed(child)
        if self.collection.many_to_many:
            own, other = identifier(self.collection.own), identifier(self.collection.other)
            pairs = identifier(self.collection.intersect)
            join = f" JOIN {pairs} AS pair ON pair.{other} = {child}.{identifier(self.table.id_column)}"
            parent = f"pair.{own}"
        return join, parent, " AND ".join([f"{parent} IN (SELECT value FROM json_each({ids}))", *typed])

    def _typed(self, child: str) -> list[str]:
        column = self.table.columns.get(self.collection.column)
        if column is None or not column.is_polymorphic:
            return []
        return [f"{child}.{identifier(type_name(column))} = {literal(self.owner.name)}"]


@dataclass(slots=True)
class Scope:
    """One alias of a query and the rows it points at; joins are added as they are named."""

    tables: Tables
    table: Table
    alias: str = ROOT
    numbers: Iterator[int] = field(default_factory=count)
    joins: dict[tuple[str, str], tuple[str, Table, str]] = field(default_factory=dict)

    def column(self, steps: tuple[str, ...]) -> Seen:
        """The column at a path.

        Raises:
            Refusal: there is none.
        """
        alias, table = self.row(steps[:-1])
        column = table.readable.get(steps[-1])
        if column is None:
            raise refusals.no_property(table.name, steps[-1])
        return Seen(alias, table, column)

    def row(self, steps: tuple[str, ...]) -> tuple[str, Table]:
        """Alias and table of the row at the end of a path of lookups.

        Raises:
            Refusal: one of them is no lookup.
        """
        alias, table = self.alias, self.table
        for step in steps:
            alias, table = self.join(step, alias, table)
        return alias, table

    def join(self, navigation: str, alias: str | None = None, table: Table | None = None) -> tuple[str, Table]:
        """Alias and table of the row that a navigation property points at."""
        alias, table = alias or self.alias, table or self.table
        if (alias, navigation) not in self.joins:
            found = table.navigations.get(navigation)
            if found is None:
                raise refusals.no_property(table.name, navigation)
            column, targets = found
            if len(targets) > 1:
                raise refusals.query(f"The navigation property '{navigation}' points at several tables.")
            if len(self.joins) >= MAX_LINKS:
                raise too_many_links()
            self.joins[alias, navigation] = self._joined(alias, column, targets[0])
        inner, target, _ = self.joins[alias, navigation]
        return inner, target

    def inside(self, table: Table) -> Scope:
        """A scope over the rows of a subquery."""
        return Scope(self.tables, table, f"s{next(self.numbers)}", self.numbers)

    def source(self) -> str:
        """The FROM clause."""
        own = f"{identifier(self.table.name)} AS {self.alias}"
        return " ".join([own, *(join for _, _, join in self.joins.values())])

    def _joined(self, outer: str, column: Column, target: Target) -> tuple[str, Table, str]:
        table = self.tables.by_name[target.table]
        alias = f"j{next(self.numbers)}"
        test = f"{alias}.{identifier(table.id_column)} = {outer}.{identifier(column.name)}"
        if column.is_polymorphic:
            test += f" AND {outer}.{identifier(type_name(column))} = {literal(table.name)}"
        return alias, table, f"LEFT JOIN {identifier(table.name)} AS {alias} ON {test}"


def collection(tables: Tables, table: Table, name: str) -> Many | None:
    """The collection of a name, None when the table has none of it."""
    found = tables.collections.get(table.name, {}).get(name)
    return None if found is None else Many(found, table, tables.by_name[found.table])


def too_many_links() -> refusals.Refusal:
    """More joins than a query may have."""
    return refusals.query(f"Number of link entity: {MAX_LINKS + 1} exceeded limit {MAX_LINKS}")
