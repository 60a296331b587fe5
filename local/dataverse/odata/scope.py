"""Which columns a query can see: the table's own, and through one lookup those of the row it points at."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.dataverse import refusals
from local.dataverse.store import compared, type_name
from local.dataverse.tables import Column, Kind, Table, Tables, Target
from shared.sql import identifier

ROOT = "t"
GUID_PLACES = ((25, 12), (20, 4), (17, 2), (15, 2), (12, 2), (10, 2), (7, 2), (5, 2), (3, 2), (1, 2))
"""Where the parts of an id stand, counted from 1, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A column of one alias of the query."""

    alias: str
    table: Table
    column: Column

    @property
    def raw(self) -> str:
        """The stored value."""
        return f"{self.alias}.{identifier(self.column.name)}"

    @property
    def equal(self) -> str:
        """The term that equality and text order compare."""
        return compared(self.column, f"{self.alias}.")

    @property
    def ordered(self) -> str:
        """The term that greater, less and `$orderby` compare: ids in the order of SQL Server."""
        return (
            guid_order(self.raw) if self.column.kind is Kind.UNIQUEIDENTIFIER or self.column.is_lookup else self.equal
        )


@dataclass(slots=True)
class Scope:
    """The tables of one query; joins are added as they are named."""

    tables: Tables
    table: Table
    joins: dict[str, tuple[str, Table, str]] = field(default_factory=dict)

    def column(self, steps: tuple[str, ...]) -> Seen:
        """The column at a path.

        Raises:
            Refusal: there is none.
        """
        if len(steps) > 2:
            raise refusals.query(f"The path '{'/'.join(steps)}' goes through more than one navigation property.")
        alias, table = (ROOT, self.table) if len(steps) == 1 else self.join(steps[0])
        column = table.readable.get(steps[-1])
        if column is None:
            raise refusals.no_property(table.name, steps[-1])
        return Seen(alias, table, column)

    def join(self, navigation: str) -> tuple[str, Table]:
        """Alias and table of the row that a navigation property points at."""
        if navigation not in self.joins:
            found = self.table.navigations.get(navigation)
            if found is None:
                raise refusals.no_property(self.table.name, navigation)
            column, targets = found
            if len(targets) > 1:
                raise refusals.query(f"The navigation property '{navigation}' points at several tables.")
            self.joins[navigation] = self._joined(column, targets[0])
        alias, table, _ = self.joins[navigation]
        return alias, table

    def source(self) -> str:
        """The FROM clause."""
        return " ".join([f"{identifier(self.table.name)} AS {ROOT}", *(join for _, _, join in self.joins.values())])

    def _joined(self, column: Column, target: Target) -> tuple[str, Table, str]:
        table = self.tables.by_name[target.table]
        alias = f"j{len(self.joins)}"
        test = f"{alias}.{identifier(table.id_column)} = {ROOT}.{identifier(column.name)}"
        if column.is_polymorphic:
            test += f" AND {ROOT}.{identifier(type_name(column))} = '{table.name}'"
        return alias, table, f"LEFT JOIN {identifier(table.name)} AS {alias} ON {test}"


def guid_order(term: str) -> str:
    """An id as SQL Server sorts it: the last group first, then backwards, the first three groups byte by byte.

    Source: Microsoft Learn, "Comparing GUID and uniqueidentifier values".
    """
    return "(" + " || ".join(f"substr({term}, {at}, {length})" for at, length in GUID_PLACES) + ")"
