"""CreateMultiple, UpdateMultiple, UpsertMultiple, DeleteMultiple.

On a standard table each is one transaction, refused as a whole by the first bad row; on an elastic one every row stands
for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from local.dataverse import addresses, refusals
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import Table, Tables
from local.dataverse.values import GUID
from local.dataverse.world import World
from local.dataverse.writes import elastic
from local.dataverse.writes.deletes import delete_row
from local.dataverse.writes.links import relative
from local.dataverse.writes.nested import Nested
from local.dataverse.writes.rows import Writer

BULK = frozenset(("CreateMultiple", "UpdateMultiple", "UpsertMultiple", "DeleteMultiple"))
Target = dict[str, object]


class Bulk:
    """The bulk messages of one table; the caller holds the transaction."""

    def __init__(self, world: World, table: Table, writer: Writer, nested: Nested) -> None:
        self._world = world
        self._table = table
        self._writer = writer
        self._nested = nested

    def run(self, message: str, targets: Sequence[Target]) -> list[str]:
        """Does what a message says to its targets; the ids of CreateMultiple in target order.

        Raises:
            Refusal: the targets as a whole cannot be used.
            RowRefusal: the first row that is refused; of an elastic table, the others are written all the same.
        """
        if self._table.elastic:
            return elastic.each(self._table, targets, lambda target: self._one(message, target))
        verbs = {"CreateMultiple": self.create, "UpdateMultiple": self.update, "UpsertMultiple": self.upsert}
        return verbs[message](targets)

    def create(self, targets: Sequence[Target]) -> list[str]:
        """CreateMultiple; the ids in target order."""
        return self._nested.create(self._table, targets)

    def update(self, targets: Sequence[Target]) -> list[str]:
        """UpdateMultiple; of a row that comes twice only the first target counts."""
        first: dict[str, Target] = {}
        for target in targets:
            address = self._address(target)
            row_id = address.row_id or addresses.find(self._world.store, address)
            if row_id is None:
                raise addresses.missing(address)
            first.setdefault(row_id, self._found(address, target))
        self._must_exist(list(first))
        self._writer.update(list(first), list(first.values()))
        return []

    def upsert(self, targets: Sequence[Target]) -> list[str]:
        """UpsertMultiple; a row that comes twice sinks the call."""
        known: dict[int, tuple[str, Target]] = {}
        fresh: dict[int, Target] = {}
        seen: set[object] = set()
        for index, target in enumerate(targets):
            address = self._address(target)
            row_id = addresses.find(self._world.store, address)
            mark: object = row_id or address.row_id or self._key_mark(address)
            if mark in seen:
                raise Refusal(412, "0x80040237", "Cannot insert duplicate key: two targets are the same record.")
            seen.add(mark)
            if row_id is None:
                fresh[index] = self._born(address, target)
            else:
                known[index] = row_id, self._found(address, target)
        updates = list(known.values())
        _first_refused(
            (list(known), lambda: self._writer.update([row_id for row_id, _ in updates], [row for _, row in updates])),
            (list(fresh), lambda: self._nested.create(self._table, list(fresh.values()))),
        )
        return []

    def _one(self, message: str, target: Target) -> tuple[str, int]:
        """One row of an elastic table: its id, and what the partition's database says."""
        with self._world.store.step():
            if message == "CreateMultiple":
                return self.create([target])[0], elastic.CREATED
            address = self._address(target)
            row_id = addresses.find(self._world.store, address)
            if row_id is None:
                if message != "UpsertMultiple":
                    raise addresses.missing(address)
                return self._nested.create(self._table, [self._born(address, target)])[0], elastic.CREATED
            if message == "DeleteMultiple":
                delete_row(self._world, self._table, row_id)
                return row_id, elastic.DONE
            body = self._found(address, target)
            self._writer.update(
                [row_id], [elastic.replacing(self._table, body) if message == "UpsertMultiple" else body]
            )
            return row_id, elastic.REPLACED

    def _found(self, address: addresses.Address, target: Target) -> Target:
        """A target that updates: what is part of its address cannot be changed through it."""
        return {k: v for k, v in target.items() if k not in address.key} if address.key else target

    def _key_mark(self, address: addresses.Address) -> object:
        return tuple(
            self._world.store.value("SELECT fold(?)", (value,)) if isinstance(value, str) else value
            for _, value in sorted(address.key.items())
        )

    def _address(self, target: Target) -> addresses.Address:
        given = target.get(self._table.id_column)
        if given is not None:
            if not isinstance(given, str) or GUID.fullmatch(given) is None:
                raise refusals.bad_literal(self._table.name, given, "Edm.Guid")
            partition = target.get("partitionid") if self._table.elastic else None
            return addresses.Address(
                self._table, given, given.lower(), partition=None if partition is None else str(partition)
            )
        named = target.get("@odata.id")
        if not isinstance(named, str):
            raise Refusal(400, "0x80040203", f"A target of '{self._table.name}' names neither its id nor '@odata.id'.")
        address = addresses.parse(self._world.tables, relative(named))
        if address.table is not self._table:
            raise refusals.payload(self._table.name, f"The target '{address.text}' is of another table.")
        return address

    def _born(self, address: addresses.Address, target: Target) -> Target:
        """A target that creates: a key column in its body is refused, as the service does."""
        if any(name in target for name in address.key):
            raise Refusal(400, "0x80040216", "An unexpected error occurred.")
        return born(self._world.tables, address, target)

    def _must_exist(self, ids: Sequence[str]) -> None:
        present = addresses.present(self._world.store, self._table, ids)
        absent = [row_id for row_id in ids if row_id not in present]
        if absent:
            text = f"{self._table.schema_name} With Ids = {', '.join(absent[:10])} Do Not Exist"
            raise Refusal(404, "0x80040217", text)


def _first_refused(*writes: tuple[list[int], Callable[[], object]]) -> None:
    """Does writes, each of the targets at some indexes.

    Raises:
        RowRefusal: the first target that any of them refuses.
    """
    refused: list[RowRefusal] = []
    for indexes, write in writes:
        try:
            write()
        except RowRefusal as found:
            refused.append(RowRefusal(indexes[found.index], found.refusal))
    if refused:
        raise min(refused, key=lambda found: found.rank)


def born(tables: Tables, address: addresses.Address, body: Target) -> Target:
    """The body of an upsert that creates: the address fills what the body lacks."""
    table = address.table
    filled = dict(body)
    if address.row_id is not None:
        filled[table.id_column] = address.row_id
    for name, value in address.key.items():
        column = table.columns[name]
        if column.is_lookup:
            target = column.targets[0]
            bind = f"{target.navigation}@odata.bind"
            if bind not in filled and target.navigation not in filled:
                filled[bind] = f"{tables.by_name[target.table].entity_set}({value})"
        else:
            filled.setdefault(name, value)
    return filled


def targets_of(table: Table, document: Target) -> list[Target]:
    """The targets of a bulk body, each a row of `table`.

    Raises:
        Refusal: there are none, something stands beside them, or one does not say its type.
    """
    targets = document.get("Targets")
    for name in document:
        if name != "Targets" and "@" not in name:
            raise refusals.payload(
                table.name, f"The parameter '{name[:100]}' in the request payload is not a valid parameter."
            )
    if not isinstance(targets, list) or not targets:
        raise Refusal(400, "0x80040203", "Required parameter 'Targets' is missing or empty.")
    wanted = f"Microsoft.Dynamics.CRM.{table.name}"
    for target in targets:
        if not isinstance(target, dict):
            raise refusals.payload(table.name, "A target needs to be a JSON object.")
        found = target.get("@odata.type")
        if found != wanted:
            _check_type(table, found, wanted)
    return targets


def _check_type(table: Table, found: object, wanted: str) -> None:
    if found is None:
        raise refusals.payload(
            table.name,
            "The property '@odata.type' is missing: 'Targets' holds an abstract type, so each item needs to say which.",
        )
    if str(found).removeprefix("#") != wanted:
        raise refusals.wrong_type(table.name, found)
