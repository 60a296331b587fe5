"""Queries: a page of a table, a single row, a count."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from local.dataverse import refusals
from local.dataverse.collation import Fold
from local.dataverse.odata import paging, reading
from local.dataverse.odata.filters import Compiler
from local.dataverse.odata.options import MAX_PAGE, Options, Preferences
from local.dataverse.odata.reading import Member
from local.dataverse.odata.scope import ROOT, Scope
from local.dataverse.odata.syntax import parse
from local.dataverse.tables import Column, Kind, Table
from local.dataverse.world import World
from shared.sql import identifier

COUNT_CAP = 5000
JsonRow = dict[str, object]


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `next_token` when there are more rows, `count` (with its cap) when it was asked for."""

    rows: list[JsonRow]
    next_token: str | None
    count: int | None
    over_cap: bool
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is read: the row's own members, then those of each expanded row."""

    own: list[Member]
    expanded: list[tuple[str, list[Member]]]

    @property
    def terms(self) -> str:
        members = [*self.own, *(m for _, inner in self.expanded for m in inner)]
        return ", ".join(member.term for member in members)


class Reader:
    """Answers queries from the store."""

    def __init__(self, world: World, fold: Fold) -> None:
        self._world = world
        self._fold = fold

    def page(self, table: Table, options: Options, preferences: Preferences) -> Page:
        """One page of a table.

        Raises:
            Refusal: the query cannot be understood.
        """
        compiler = self._compiler(table)
        shape, shown = self._shape(compiler.scope, options, preferences)
        orders = self._orders(compiler.scope, options)
        tests, counted = self._tests(compiler, options), None
        if options.count:
            counted = self._count(compiler, tests)
        place = paging.position(options.skiptoken, len(orders)) if options.skiptoken is not None else None
        if place is not None:
            tests = [*tests, paging.after(orders, place.last, compiler.values)]
        limit, paged = _limit(options, preferences)
        listed = self._listed(compiler, shape, tests, orders, limit + 1)
        more = paged and len(listed) > limit
        token = self._token(compiler.scope, orders, listed[limit - 1], place) if more else None
        rows = _assembled(listed[:limit], shape)
        return Page(
            rows,
            token,
            None if counted is None else min(counted, COUNT_CAP),
            counted is not None and counted > COUNT_CAP,
            shown,
        )

    def row(
        self, table: Table, row_id: str, options: Options, preferences: Preferences
    ) -> tuple[JsonRow, tuple[str, ...]]:
        """One row by id, and the names that were selected.

        Raises:
            Refusal: there is none, or the query cannot be understood.
        """
        compiler = self._compiler(table)
        shape, shown = self._shape(compiler.scope, options, preferences)
        compiler.values.append(row_id)
        listed = self._listed(compiler, shape, [f"{ROOT}.{identifier(table.id_column)} = ?"], [], 1)
        if not listed:
            raise refusals.no_row(table.name, row_id)
        return _assembled(listed, shape)[0], shown

    def count(self, table: Table, options: Options) -> int:
        """The number of rows, at most the service's cap."""
        compiler = self._compiler(table)
        return min(self._count(compiler, self._tests(compiler, options)), COUNT_CAP)

    def _compiler(self, table: Table) -> Compiler:
        return Compiler(Scope(self._world.tables, table), self._fold, self._world.clock)

    def _tests(self, compiler: Compiler, options: Options) -> list[str]:
        return [] if options.filter is None else [compiler.test(parse(options.filter, options.aliases))]

    def _orders(self, scope: Scope, options: Options) -> list[tuple[str, bool]]:
        terms = [(scope.column(tuple(path.split("/"))).ordered, down) for path, down in options.orderby]
        return [*terms, (f"{ROOT}.rowid", False)]

    def _count(self, compiler: Compiler, tests: list[str]) -> int:
        inner = f"SELECT 1 FROM {compiler.scope.source()} {_where(tests)} LIMIT {COUNT_CAP + 1}"
        return int(str(self._world.store.value(f"SELECT count(*) FROM ({inner})", compiler.values)))

    def _listed(
        self, compiler: Compiler, shape: _Shape, tests: list[str], orders: Sequence[tuple[str, bool]], limit: int
    ) -> list[tuple[object, ...]]:
        order = ", ".join(f"{term} DESC" if down else term for term, down in orders)
        statement = (
            f"SELECT {shape.terms}, {ROOT}.rowid FROM {compiler.scope.source()} {_where(tests)} "
            f"{'ORDER BY ' + order if order else ''} LIMIT {limit}"
        )
        try:
            return self._world.store.all(statement, compiler.values)
        except sqlite3.OperationalError as cause:
            raise refusals.query(f"The query is too large: {cause}.") from None

    def _token(
        self, scope: Scope, orders: Sequence[tuple[str, bool]], last: Sequence[object], place: paging.Position | None
    ) -> str:
        terms = ", ".join(term for term, _ in orders)
        statement = f"SELECT {terms} FROM {scope.source()} WHERE {ROOT}.rowid = ?"
        values = self._world.store.all(statement, (last[-1],))[0]
        return paging.token(paging.Position((place.page if place else 1) + 1, values))

    def _shape(self, scope: Scope, options: Options, preferences: Preferences) -> tuple[_Shape, tuple[str, ...]]:
        table = scope.table
        columns = _selected(table, options.select)
        version = Member("@odata.etag", f"{ROOT}.versionnumber", reading.etags)
        own = [version, *reading.members(self._world.tables, table, columns, preferences)]
        expanded = [self._expanded(scope, e.navigation, e.select, preferences) for e in options.expand]
        shown = (*options.select, *(f"{e.navigation}({','.join(e.select)})" for e in options.expand))
        return _Shape(own, expanded), shown

    def _expanded(
        self, scope: Scope, navigation: str, select: tuple[str, ...], preferences: Preferences
    ) -> tuple[str, list[Member]]:
        alias, table = scope.join(navigation)
        columns = _selected(table, select)
        version = Member("@odata.etag", f"{alias}.versionnumber", reading.etags)
        return navigation, [version, *reading.members(self._world.tables, table, columns, preferences, alias)]


def _selected(table: Table, names: tuple[str, ...]) -> list[Column]:
    """The columns of a `$select`: the id always comes, and with money its currency."""
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


def _limit(options: Options, preferences: Preferences) -> tuple[int, bool]:
    """Rows of the page, and whether more pages follow: a page size makes the service ignore `$top`."""
    if preferences.page is not None:
        return preferences.page, True
    if options.top is not None:
        return min(options.top, MAX_PAGE), False
    return MAX_PAGE, True


def _assembled(listed: Sequence[Sequence[object]], shape: _Shape) -> list[JsonRow]:
    rows = reading.rows(listed, shape.own)
    start = len(shape.own)
    for navigation, inner in shape.expanded:
        parts = reading.rows([values[start : start + len(inner)] for values in listed], inner)
        start += len(inner)
        for row, part in zip(rows, parts, strict=True):
            row[navigation] = part if part["@odata.etag"] is not None else None
    return rows


def _where(tests: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(tests)}" if tests else ""
