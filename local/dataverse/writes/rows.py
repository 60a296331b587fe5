"""Creates and updates many rows of one table. Either all are written or, with a RowRefusal, the caller rolls back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from operator import length_hint

from local.dataverse import refusals
from local.dataverse.partitions import row_column, row_key
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.store import listed
from local.dataverse.tables import MONEY_SCALE, Column, Kind, Table
from local.dataverse.values.check import null
from local.dataverse.world import World
from local.dataverse.writes import duplicates, images, links, money, states
from local.dataverse.writes.plans import Group, Plan, Planner, Row, grouped
from shared.sql import identifier

Columns = dict[str, list[object]]
_SETTLING = frozenset(("organization", "transactioncurrency", "systemuser"))


class Writer:
    """Writes the rows of one table."""

    def __init__(self, world: World, table: Table) -> None:
        self._world = world
        self._table = table
        self._creating = Planner(table, creating=True)
        self._updating = Planner(table, creating=False)
        self._currency = table.columns.get("transactioncurrencyid") if table.money else None
        self._images = images.names(table)
        self._required = [c for c in table.columns.values() if _is_asked_for(c)]
        self._name = identifier(table.name)
        self._id = identifier(row_column(table))

    def create(self, rows: Sequence[Row]) -> list[str]:
        """Creates rows; their keys (of a table that is not elastic, their ids) in the order given.

        Raises:
            RowRefusal: the first row that is refused.
        """
        ready: list[tuple[Group, Columns]] = []
        self._prepare(grouped(rows), lambda g: ready.append((g, self._new_columns(g))))
        ids = [""] * len(rows)
        for group, columns in ready:
            self._insert(group, columns)
            for position, key in zip(group.positions, self._keys(columns), strict=True):
                ids[position] = key
        self._finish(ids)
        return ids

    def update(self, ids: Sequence[str], rows: Sequence[Row]) -> None:
        """Updates rows that exist, each by the id in the same place.

        Raises:
            RowRefusal: the first row that is refused.
        """
        ready: list[tuple[Group, list[str], Columns]] = []

        def prepare(group: Group) -> None:
            own = [ids[p] for p in group.positions]
            ready.append((group, own, self._changed_columns(group, own)))

        self._prepare(grouped(rows), prepare)
        for group, own, columns in self._in_order(ready):
            if columns:
                self._change(group, own, columns)
        self._finish(ids)

    def _keys(self, columns: Columns) -> list[str]:
        ids = [str(row_id) for row_id in columns[self._table.id_column]]
        if not self._table.elastic:
            return ids
        return [row_key(row_id, partition) for row_id, partition in zip(ids, columns["partitionid"], strict=True)]

    def _in_order(self, ready: list[tuple[Group, list[str], Columns]]) -> list[tuple[Group, list[str], Columns]]:
        """The changes group by group; row by row where the order decides whether a key is taken."""
        keys = {name for key in self._table.keys for name in key.columns}
        if len(ready) == 1 or all(keys.isdisjoint(columns) for _, _, columns in ready):
            return ready
        single = [
            (Group(group.members, [position], []), [own[at]], {name: [v[at]] for name, v in columns.items()})
            for group, own, columns in ready
            for at, position in enumerate(group.positions)
        ]
        return sorted(single, key=lambda change: change[0].positions[0])

    def _prepare(self, groups: Sequence[Group], prepare: Callable[[Group], None]) -> None:
        worst: RowRefusal | None = None
        for group in groups:
            try:
                prepare(group)
            except Refusal as refusal:
                worst = _worse(worst, RowRefusal(group.positions[0], refusal))
            except RowRefusal as found:
                worst = _worse(worst, RowRefusal(group.positions[found.index], found.refusal))
        if worst is not None:
            raise worst

    def _checked(self, plan: Plan, group: Group) -> Columns:
        """The values of the members, checked and converted; money still as it came."""
        columns: Columns = {}
        worst = None if plan.typed is None else self._mistyped(group.values[plan.typed])
        for scalar in plan.scalars:
            try:
                columns[scalar.column.name] = scalar.check.all(group.values[scalar.at])
            except RowRefusal as found:
                worst = _worse(worst, found)
        for link in plan.links:
            try:
                _merge(columns, links.stored(self._world, self._table, link, group.values[link.at]))
            except RowRefusal as found:
                worst = _worse(worst, found)
        if worst is not None:
            raise worst
        return columns

    def _mistyped(self, types: Sequence[object]) -> RowRefusal | None:
        """The refusal of the first row that says it is of another table."""
        name = f"Microsoft.Dynamics.CRM.{self._table.name}"
        others = [at for at, given in enumerate(types) if given not in (name, f"#{name}")]
        return RowRefusal(others[0], refusals.wrong_type(self._table.name, types[others[0]])) if others else None

    def _new_columns(self, group: Group) -> Columns:
        table, count = self._table, len(group.positions)
        columns = self._checked(self._creating.plan(group.members), group)
        fresh = self._world.new_ids(count)
        given = columns.get(table.id_column)
        columns[table.id_column] = list(fresh) if given is None else [g or f for g, f in zip(given, fresh, strict=True)]
        if table.elastic:
            chosen = columns.get("partitionid") or [None] * count
            columns["partitionid"] = [c or i for c, i in zip(chosen, columns[table.id_column], strict=True)]
        self._check_required(columns)
        columns.update(states.at_birth(table, columns.get("statecode"), columns.get("statuscode"), count))
        for name, value in self._defaults():
            if name not in columns:
                columns[name] = [value] * count
        if self._images:
            columns.update(images.beside(table, columns, columns[table.id_column], self._world.clock()))
        self._stamp_new(columns, count)
        self._price_new(columns, count)
        return columns

    def _check_required(self, columns: Columns) -> None:
        """Columns that the system requires; those that are there were checked with their values."""
        for column in self._required:
            if column.name not in columns:
                null(self._table.name, column)

    @cache  # noqa: B019 - a writer lives as long as its world
    def _defaults(self) -> tuple[tuple[str, object], ...]:
        return tuple((c.name, c.default) for c in self._table.columns.values() if c.default is not None)

    def _stamp_new(self, columns: Columns, count: int) -> None:
        now, caller, delegate = self._world.now(), self._world.caller_id or None, self._world.delegate_id
        backdated = columns.pop("overriddencreatedon", None)
        columns["createdon"] = [now] * count
        if backdated is not None:
            columns["overriddencreatedon"] = [now if v else None for v in backdated]
            columns["createdon"] = [v or now for v in backdated]
        columns["modifiedon"] = [now] * count
        columns["createdby"] = columns["modifiedby"] = [caller] * count
        if delegate is not None:
            columns["createdonbehalfby"] = columns["modifiedonbehalfby"] = [delegate] * count
        columns["versionnumber"] = list(self._world.store.versions(count))
        if self._table.has_owner:
            owners = columns.get("ownerid")
            if owners is None:
                columns["ownerid"], columns["ownerid~table"] = [caller] * count, ["systemuser"] * count
            elif None in owners:
                columns["ownerid~table"] = [t or "systemuser" for t in columns["ownerid~table"]]
                columns["ownerid"] = [o or caller for o in owners]

    def _price_new(self, columns: Columns, count: int) -> None:
        amounts = self._amounts(columns)
        if self._currency is None or not (amounts or "transactioncurrencyid" in columns):
            return
        base = self._world.settled.base.row_id
        given = columns.get("transactioncurrencyid") or [None] * count
        columns["transactioncurrencyid"] = [g or base for g in given]
        columns.update(money.stored(self._world, self._table, amounts, columns["transactioncurrencyid"]))

    def _amounts(self, columns: Columns) -> Columns:
        return {c.name: columns[c.name] for c in self._table.money if c.name in columns}

    def _changed_columns(self, group: Group, ids: list[str]) -> Columns:
        columns = self._checked(self._updating.plan(group.members), group)
        if not columns:
            return columns
        if "statecode" in columns or "statuscode" in columns:
            present = self._present(ids, ("statecode", "statuscode"))
            pairs = [(row[0], row[1]) for row in present]
            columns.update(
                states.after_update(self._table, ids, columns.get("statecode"), columns.get("statuscode"), pairs)
            )
        if None in columns.get("ownerid", ()):
            raise RowRefusal(columns["ownerid"].index(None), Refusal(400, "0x80040203", "The owner cannot be null."))
        if self._images:
            columns.update(images.beside(self._table, columns, ids, self._world.clock()))
        self._price_changed(columns, ids)
        columns["modifiedon"] = [self._world.now()] * len(ids)
        columns["modifiedby"] = [self._world.caller_id or None] * len(ids)
        columns["modifiedonbehalfby"] = [self._world.delegate_id] * len(ids)
        columns["versionnumber"] = list(self._world.store.versions(len(ids)))
        return columns

    def _price_changed(self, columns: Columns, ids: list[str]) -> None:
        """A changed currency recomputes the base of every amount of the row, a changed amount its own."""
        amounts = self._amounts(columns)
        moved = "transactioncurrencyid" in columns
        if self._currency is None or not (amounts or moved):
            return
        base = self._world.settled.base.row_id
        if not moved:
            columns["transactioncurrencyid"] = [row[0] for row in self._present(ids, ("transactioncurrencyid",))]
        columns["transactioncurrencyid"] = [c or base for c in columns["transactioncurrencyid"]]
        others = [c.name for c in self._table.money if c.name not in amounts] if moved else []
        if others:
            rows = self._present(ids, others)
            for at, name in enumerate(others):
                amounts[name] = [_amount(row[at]) for row in rows]
        columns.update(money.stored(self._world, self._table, amounts, columns["transactioncurrencyid"]))

    def _present(self, ids: Sequence[str], names: Sequence[str]) -> list[tuple[object, ...]]:
        """Stored columns of rows, in the order of `ids`."""
        terms = ", ".join(identifier(n) for n in names)
        statement = f"SELECT {self._id}, {terms} FROM {self._name} WHERE {self._id} IN (SELECT value FROM json_each(?))"
        found = {row[0]: row[1:] for row in self._world.store.all(statement, (listed(ids),))}
        return [found[row_id] for row_id in ids]

    def _insert(self, group: Group, columns: Columns) -> None:
        names = ", ".join(identifier(name) for name in columns)
        marks = ", ".join("?" for _ in columns)
        self._run(f"INSERT INTO {self._name} ({names}) VALUES ({marks})", group, columns)

    def _change(self, group: Group, ids: list[str], columns: Columns) -> None:
        terms = ", ".join(f"{identifier(name)} = ?" for name in columns)
        self._run(f"UPDATE {self._name} SET {terms} WHERE {self._id} = ?", group, columns, ids)

    def _run(self, statement: str, group: Group, columns: Columns, *last: list[str]) -> None:
        values: list[Sequence[object]] = [*columns.values(), *last]
        first = iter(values[0])
        try:
            self._world.store.run_many(statement, zip(first, *values[1:], strict=True))
        except sqlite3.IntegrityError as cause:
            at = len(values[0]) - length_hint(first) - 1
            row = {name: found[at] for name, found in columns.items()}
            raise RowRefusal(group.positions[at], duplicates.refusal(self._table, str(cause), row)) from None

    def _finish(self, ids: Sequence[str]) -> None:
        if self._table.name == "contact" and "firstname" in self._table.columns:
            self._world.store.run(
                f"UPDATE {self._name} SET fullname = nullif(trim(coalesce(firstname, '') || ' ' || "
                f"coalesce(lastname, '')), '') WHERE {self._id} IN (SELECT value FROM json_each(?))",
                (listed(ids),),
            )
        if self._table.name in _SETTLING:
            self._world.forget()


def _is_asked_for(column: Column) -> bool:
    """Whether a create has to bring the column: required, and nothing fills it by itself."""
    filled = column.primary_id or column.default is not None or column.kind in (Kind.OWNER, Kind.STATE, Kind.STATUS)
    return column.required == "SystemRequired" and column.creatable and not filled


def _merge(columns: Columns, found: Columns) -> None:
    """Adds a lookup; where two navigation properties set one column, setting wins over clearing."""
    first = next(iter(found))
    present = columns.get(first)
    if present is None:
        columns.update(found)
        return
    for name, values in found.items():
        old = columns[name]
        columns[name] = [n if new is not None else o for o, n, new in zip(old, values, found[first], strict=True)]


def _amount(stored: object) -> Decimal | None:
    return None if stored is None else Decimal(str(stored)).scaleb(-MONEY_SCALE)


def _worse(worst: RowRefusal | None, found: RowRefusal) -> RowRefusal:
    return found if worst is None or found.rank < worst.rank else worst
