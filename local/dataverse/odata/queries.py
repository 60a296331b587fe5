"""Queries: a page of a table, a single row, a count."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from local.dataverse import lateindexes, refusals
from local.dataverse.collation import Fold
from local.dataverse.conditions.compiling import Context
from local.dataverse.odata import paging, related
from local.dataverse.odata.filters import Compiler
from local.dataverse.odata.options import MAX_PAGE, Options, Preferences
from local.dataverse.odata.scope import ROOT, Many, Scope
from local.dataverse.odata.shapes import JsonRow, Shape, assembled, check_pairs, shape
from local.dataverse.odata.syntax import parse
from local.dataverse.partitions import id_of, row_column
from local.dataverse.tables import Table
from local.dataverse.world import World
from shared.sql import identifier

COUNT_CAP = 5000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, and the root of the URLs in its reply."""

    options: Options
    preferences: Preferences
    root: str = ""


@dataclass(frozen=True, slots=True)
class Within:
    """The rows of one collection: those that point at a row."""

    many: Many
    row_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `next_token` when there are more rows, `count` (with its cap) when it was asked for."""

    rows: list[JsonRow]
    next_token: str | None
    count: int | None
    over_cap: bool
    shown: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """A query of one table on its way to SQL."""

    compiler: Compiler
    tests: list[str]
    orders: list[tuple[str, bool]]

    @property
    def scope(self) -> Scope:
        """The tables of the query."""
        return self.compiler.scope

    @property
    def where(self) -> str:
        """The WHERE clause."""
        return f"WHERE {' AND '.join(self.tests)}" if self.tests else ""

    @property
    def order(self) -> str:
        """The ORDER BY clause."""
        terms = ", ".join(f"{term} DESC" if down else term for term, down in self.orders)
        return f"ORDER BY {terms}" if terms else ""


class Reader:
    """Answers queries from the store."""

    def __init__(self, world: World, fold: Fold) -> None:
        self.world = world
        self._fold = fold

    def page(self, table: Table, asked: Asked, within: Within | None = None) -> Page:
        """One page of a table, or of a collection of one row.

        Raises:
            Refusal: the query cannot be understood.
        """
        options = asked.options
        check_pairs(self.world.tables, table, options.expand)
        plan = self.plan(table, options.filter, options, within)
        plan.orders = [*self.orders(plan.scope, options.orderby), (f"{ROOT}.rowid", False)]
        wanted = shape(plan.scope, options, asked.preferences, asked.root)
        counted = self._count(plan) if options.count else None
        place = None
        if options.skiptoken is not None:
            place = paging.position(options.skiptoken, len(plan.orders))
        limit, paged = _limit(options, asked.preferences)
        if place is None:
            listed = self._listed(plan, wanted, limit + 1)
        elif within is None and lateindexes.of_order(self.world.store, table, options.orderby):
            listed = self._onward(plan, wanted, limit + 1, place.last)
        else:
            plan.tests.append(paging.after(plan.orders, place.last, plan.compiler.context.bound))
            listed = self._listed(plan, wanted, limit + 1)
        more = paged and len(listed) > limit
        token = self.token(plan, listed[limit - 1][-1], place.page if place else 1) if more else None
        rows = self.filled(wanted, listed[:limit], asked)
        over = counted is not None and counted > COUNT_CAP
        shown = (*options.select, *(expand.shown for expand in options.expand))
        return Page(rows, token, None if counted is None else min(counted, COUNT_CAP), over, shown)

    def row(self, table: Table, row_id: str, asked: Asked) -> tuple[JsonRow, tuple[str, ...]]:
        """One row by id, and the names that were selected.

        Raises:
            Refusal: there is none, or the query cannot be understood.
        """
        options = asked.options
        check_pairs(self.world.tables, table, options.expand)
        plan = self.plan(table, None, options)
        wanted = shape(plan.scope, options, asked.preferences, asked.root)
        plan.tests.append(f"{ROOT}.{identifier(row_column(table))} = {plan.compiler.context.bound(row_id)}")
        listed = self._listed(plan, wanted, 1)
        if not listed:
            raise refusals.no_row(table.name, id_of(row_id))
        shown = (*options.select, *(expand.shown for expand in options.expand))
        return self.filled(wanted, listed, asked)[0], shown

    def count(self, table: Table, options: Options, within: Within | None = None) -> int:
        """The number of rows, at most the service's cap."""
        return min(self._count(self.plan(table, options.filter, options, within)), COUNT_CAP)

    def context(self) -> Context:
        """What conditions are compiled with."""
        return Context(self._fold, self.world.clock, self.world.settled.caller_id)

    def plan(self, table: Table, condition: str | None, options: Options, within: Within | None = None) -> Plan:
        """A query with its conditions compiled.

        Raises:
            Refusal: a condition cannot be understood.
        """
        compiler = Compiler(Scope(self.world.tables, table), self.context())
        tests = []
        if within is not None:
            tests.append(within.many.holds(ROOT, compiler.context.bound(within.row_id)))
        if condition is not None:
            tests.append(compiler.test(parse(condition, options.aliases)))
        return Plan(compiler, tests, [])

    def orders(self, scope: Scope, listed: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
        """The terms of an `$orderby`."""
        return [(scope.column(tuple(path.split("/"))).ordered, down) for path, down in listed]

    def filled(self, wanted: Shape, listed: Sequence[Sequence[object]], asked: Asked, depth: int = 1) -> list[JsonRow]:
        """What was read as JSON rows, with their collections."""
        rows, fillings = assembled(listed, wanted)
        for filling in fillings:
            related.fill(self, filling, asked, depth)
        return rows

    def token(self, plan: Plan, rowid: object, page: int) -> str:
        """The place of a row in the order of a query, as the token of the page behind it."""
        terms = ", ".join(term for term, _ in plan.orders)
        scope = plan.scope
        statement = f"SELECT {terms} FROM {scope.source()} WHERE {ROOT}.rowid = ?"
        return paging.token(paging.Position(page + 1, self.world.store.all(statement, (rowid,))[0]))

    def run(self, statement: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        """The rows of a statement.

        Raises:
            Refusal: it is more than the database can work out.
        """
        try:
            return self.world.store.all(statement, values)
        except (sqlite3.OperationalError, sqlite3.DataError, OverflowError) as cause:
            raise refusals.query(f"The query is too large: {cause}.") from None

    def _count(self, plan: Plan) -> int:
        inner = f"SELECT 1 FROM {plan.scope.source()} {plan.where} LIMIT {COUNT_CAP + 1}"
        return int(str(self.run(f"SELECT count(*) FROM ({inner})", plan.compiler.context.values)[0][0]))

    def _listed(self, plan: Plan, wanted: Shape, limit: int) -> list[tuple[object, ...]]:
        statement = (
            f"SELECT {wanted.terms}, {ROOT}.rowid FROM {plan.scope.source()} {plan.where} {plan.order} LIMIT {limit}"
        )
        return self.run(statement, plan.compiler.context.values)

    def _onward(self, plan: Plan, wanted: Shape, limit: int, last: Sequence[object]) -> list[tuple[object, ...]]:
        """The rows behind a position in an order that has an index: range by range of it, none is passed over."""
        context, tests = plan.compiler.context, plan.tests
        known, found = len(context.values), list[tuple[object, ...]]()
        for at in reversed(range(len(last))):
            if len(found) < limit:
                del context.values[known:]
                plan.tests = [*tests, paging.beyond(plan.orders, at, last, context.bound)]
                found += self._listed(plan, wanted, limit - len(found))
        return found


def _limit(options: Options, preferences: Preferences) -> tuple[int, bool]:
    """Rows of the page, and whether more pages follow: a page size makes the service ignore `$top`."""
    if preferences.page is not None:
        return preferences.page, True
    if options.top is not None:
        return min(options.top, MAX_PAGE), False
    return MAX_PAGE, True
