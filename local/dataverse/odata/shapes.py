"""What a query reads of a row: its members, those of each expanded row, and the collections to fill afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from local.dataverse import refusals
from local.dataverse.odata import reading
from local.dataverse.odata.expands import Expand
from local.dataverse.odata.options import Preferences
from local.dataverse.odata.reading import Member
from local.dataverse.odata.scope import Many, Scope, collection
from local.dataverse.tables import Column, Kind, Table, Tables
from shared.sql import identifier, literal

JsonRow = dict[str, object]
ID = "\x00id"
"""The member that carries a row's id to its collections; no column has such a name."""


class Wanted(Protocol):
    """Columns and expands: those of a query, or of one of its expands."""

    @property
    def select(self) -> tuple[str, ...]:
        """The columns, all without any."""

    @property
    def expand(self) -> tuple[Expand, ...]:
        """The navigation properties."""


@dataclass(slots=True)
class Shape:
    """The members of one row; `singles` of the rows it points at, `collections` of those that point at it."""

    table: Table
    own: list[Member]
    singles: list[tuple[str, Shape]] = field(default_factory=list)
    collections: list[tuple[Expand, Many]] = field(default_factory=list)

    @property
    def members(self) -> list[Member]:
        """Every member in the order of the statement."""
        return [*self.own, *(m for _, inner in self.singles for m in inner.members)]

    @property
    def terms(self) -> str:
        """The terms to select."""
        return ", ".join(member.term for member in self.members)


@dataclass(frozen=True, slots=True)
class Filling:
    """Rows that wait for a collection, each with its id."""

    expand: Expand
    many: Many
    rows: list[tuple[JsonRow, str]]


def check_pairs(tables: Tables, table: Table, expands: Sequence[Expand], *, nested: bool = False) -> None:
    """Expands of many to many stand by themselves: not inside others, none inside them, none of another kind beside.

    Raises:
        Refusal: they do not. Code and text are the plausible ones; the service's own are not published.
    """
    found = [(expand, collection(tables, table, expand.navigation)) for expand in expands]
    pairs = [expand for expand, many in found if many is not None and many.collection.many_to_many]
    if pairs and (nested or len(pairs) < len(expands) or any(expand.expand for expand in pairs)):
        raise refusals.query(
            f"The N:N relationship '{pairs[0].navigation}' cannot be expanded inside another $expand, with a $expand "
            "inside it, or together with 1:N or N:1 relationships."
        )
    for expand, many in found:
        targets = () if many is not None else table.navigations.get(expand.navigation, (None, ()))[1]
        inner = [many.table] if many is not None else [tables.by_name[target.table] for target in targets]
        for other in inner:
            check_pairs(tables, other, expand.expand, nested=True)


def shape(
    scope: Scope, wanted: Wanted, preferences: Preferences, root: str, at: tuple[str, Table] | None = None
) -> Shape:
    """The shape of the rows of one alias (the scope's own without `at`).

    Raises:
        Refusal: a name is none of the table's.
    """
    alias, table = at or (scope.alias, scope.table)
    version = Member("@odata.etag", f"{alias}.versionnumber", reading.etags)
    columns = selected(table, wanted.select)
    found = Shape(table, [version, *reading.members(scope.tables, table, columns, preferences, alias)])
    for expand in wanted.expand:
        many = (
            collection(scope.tables, table, expand.navigation) if expand.navigation not in table.navigations else None
        )
        if many is not None:
            found.collections.append((expand, _checked(expand, many)))
        else:
            found.singles.append((expand.navigation, _single(scope, expand, preferences, root, (alias, table))))
    if found.collections:
        found.own.append(Member(ID, f"{alias}.{identifier(table.id_column)}"))
    return found


def selected(table: Table, names: tuple[str, ...]) -> list[Column]:
    """The columns of a `$select`: the id always comes, and with money its currency.

    Raises:
        Refusal: the table has no such column.
    """
    if not names or "*" in names:
        return list(table.columns.values())
    found: dict[str, Column] = {}
    for name in names:
        column = table.readable.get(name)
        if column is None:
            raise refusals.no_property(table.name, name)
        found[column.name] = column
    if any(c.kind is Kind.MONEY for c in found.values()) and "transactioncurrencyid" in table.columns:
        found.setdefault("transactioncurrencyid", table.columns["transactioncurrencyid"])
    found.setdefault(table.id_column, table.columns[table.id_column])
    return list(found.values())


def assembled(listed: Sequence[Sequence[object]], wanted: Shape) -> tuple[list[JsonRow], list[Filling]]:
    """The JSON rows of what was read, and what is still to be filled."""
    fillings: list[Filling] = []
    rows, _ = _part(listed, wanted, 0, fillings)
    return rows, fillings


def _part(
    listed: Sequence[Sequence[object]], wanted: Shape, start: int, fillings: list[Filling]
) -> tuple[list[JsonRow], int]:
    end = start + len(wanted.own)
    rows = reading.rows(listed if start == 0 else [values[start:end] for values in listed], wanted.own)
    if wanted.collections:
        ids = [(row, str(row.pop(ID))) for row in rows]
        present = [(row, row_id) for row, row_id in ids if row["@odata.etag"] is not None]
        fillings += [Filling(expand, many, present) for expand, many in wanted.collections]
    for name, inner in wanted.singles:
        parts, end = _part(listed, inner, end, fillings)
        for row, part in zip(rows, parts, strict=True):
            row[name] = part if part.get("@odata.etag", part.get("@odata.id")) is not None else None
    return rows, end


def _single(scope: Scope, expand: Expand, preferences: Preferences, root: str, at: tuple[str, Table]) -> Shape:
    if expand.filter is not None or expand.orderby or expand.top is not None:
        raise refusals.query(
            f"The options $filter, $orderby and $top need a collection; '{expand.navigation}' points at one row."
        )
    alias, table = scope.join(expand.navigation, *at)
    if expand.ref:
        start = literal(f"{root}{table.entity_set}(")
        return Shape(table, [Member("@odata.id", f"{start} || {alias}.{identifier(table.id_column)} || ')'")])
    return shape(scope, expand, preferences, root, (alias, table))


def _checked(expand: Expand, many: Many) -> Many:
    if expand.ref:
        raise refusals.query(f"$ref is not supported for the collection-valued navigation property '{many.name}'.")
    return many
