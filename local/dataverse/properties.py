"""What stands behind a row's address: one column (`/name`), one lookup (`/primarycontactid/$ref`), one collection."""

from __future__ import annotations

import re
from collections.abc import Callable

from local.dataverse import addresses, refusals
from local.dataverse.addresses import Address
from local.dataverse.messages import Reply, Request, body_object
from local.dataverse.odata import options as query_options
from local.dataverse.partitions import id_of, row_column
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.relationships import Collection
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.associations import Associations, WriterOf, named_row
from local.dataverse.writes.nested import Nested
from shared.sql import identifier

_MEMBER = re.compile(r"(\w+)\((.+)\)")


def found(world: World, address: Address) -> str:
    """The id of the addressed row.

    Raises:
        Refusal: there is none.
    """
    row_id = addresses.find(world.store, address)
    if row_id is None:
        raise addresses.missing(address)
    return row_id


def check_version(world: World, table: Table, row_id: str, match: str) -> None:
    """Holds a row against `If-Match`.

    Raises:
        Refusal: it has another version, or the table has no versions to hold against.
    """
    if match in ("", "*", "null"):
        return
    if not table.optimistic:
        raise Refusal(
            400,
            "0x8006088d",
            f"Optimistic concurrency isn't enabled for entity type {table.name}. The IfVersionMatches value of "
            "ConcurrencyBehavior can only be used if optimistic concurrency is enabled.",
        )
    statement = f"SELECT versionnumber FROM {identifier(table.name)} WHERE {identifier(row_column(table))} = ?"
    if match != f'W/"{world.store.value(statement, (row_id,))}"':
        raise Refusal(
            412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."
        )


def single[T](write: Callable[[], T]) -> T:
    """Writes; the refusal of the row is the refusal of the request."""
    try:
        return write()
    except RowRefusal as problem:
        raise problem.refusal from None


class Properties:
    """Writes the parts of a row; they are read by `odata.answering`."""

    def __init__(self, world: World, writer_of: WriterOf, nested: Nested) -> None:
        self._world = world
        self._writer_of = writer_of
        self._nested = nested
        self._associations = Associations(world, writer_of)

    def answer(self, address: Address, segments: list[str], request: Request) -> Reply:
        """Answers a request on `segments` behind a row.

        Raises:
            Refusal: there is no such part, or it cannot be done.
        """
        table, name, reference = address.table, segments[0], segments[1:] == ["$ref"]
        if reference and name in table.navigations:
            return self._lookup(address, name, request)
        member = _MEMBER.fullmatch(name) if reference else None
        collection = self._world.tables.collections[table.name].get(member[1] if member else name)
        if collection is not None and reference and request.method != "GET":
            return self._association(address, collection, member[2] if member else None, request)
        if collection is not None and len(segments) == 1 and request.method == "POST":
            return self._create_in(address, collection, request)
        return self._column(address, segments, request)

    def _column(self, address: Address, segments: list[str], request: Request) -> Reply:
        column = address.table.readable.get(segments[0])
        if column is None or len(segments) > 1:
            raise refusals.no_segment(segments[-1])
        if request.method not in ("PUT", "DELETE") or column.is_lookup:
            raise refusals.wrong_verb()
        return self._change(address, {column.name: _new_value(address, request)}, request)

    def _lookup(self, address: Address, name: str, request: Request) -> Reply:
        if request.method == "DELETE":
            return self._change(address, {f"{name}@odata.bind": None}, request)
        if request.method != "PUT":
            raise refusals.wrong_verb()
        url = body_object(request).get("@odata.id")
        if not isinstance(url, str):
            raise refusals.payload(address.table.name, "The entity reference needs '@odata.id' with the URL of a row.")
        return self._change(address, {f"{name}@odata.bind": url}, request)

    def _change(self, address: Address, body: dict[str, object], request: Request) -> Reply:
        table = address.table
        with self._world.store.transaction():
            row_id = found(self._world, address)
            check_version(self._world, table, row_id, request.headers.get("if-match", ""))
            single(lambda: self._writer_of(table).update([row_id], [body]))
        return Reply(204, message="Update", rows=1)

    def _association(self, address: Address, collection: Collection, member: str | None, request: Request) -> Reply:
        child = self._world.tables.by_name[collection.table]
        if request.method == "POST" and member is None:
            url, change = body_object(request).get("@odata.id"), self._associations.add
        elif request.method == "DELETE":
            named = f"{child.entity_set}({member})" if member else query_options.pairs(request.query).get("$id")
            url, change = named, self._associations.remove
        else:
            raise refusals.wrong_verb()
        with self._world.store.transaction():
            row_id = id_of(found(self._world, address))
            other_id = named_row(self._world, child, url)
            single(lambda: change(address.table, row_id, collection, other_id))
        return Reply(204, message="Associate" if request.method == "POST" else "Disassociate", rows=1)

    def _create_in(self, address: Address, collection: Collection, request: Request) -> Reply:
        """Creates a row that is related to this one."""
        child = self._world.tables.by_name[collection.table]
        with self._world.store.transaction():
            row_id = id_of(found(self._world, address))
            other_id = id_of(single(lambda: self._nested.create(child, [body_object(request)])[0]))
            single(lambda: self._associations.add(address.table, row_id, collection, other_id))
        url = f"{request.root}{child.entity_set}({other_id})"
        return Reply(204, headers=[("OData-EntityId", url), ("Location", url)], message="Create", rows=1)


def _new_value(address: Address, request: Request) -> object:
    if request.method == "DELETE":
        return None
    body = body_object(request)
    if "value" not in body:
        raise refusals.payload(address.table.name, "The new value of a column is given as the member 'value'.")
    return body["value"]
