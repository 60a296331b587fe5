"""The image of a row by its own address; in the body of a row it is a column like others.

Every image is kept and given back as it was sent: there are no thumbnails.
Source: Microsoft Learn, "Use image column data".
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable

from local.dataverse import refusals
from local.dataverse.addresses import Address
from local.dataverse.messages import Reply, Request, body_object, json_reply
from local.dataverse.partitions import row_column
from local.dataverse.properties import check_version, single
from local.dataverse.tables import Column, Table
from local.dataverse.world import World
from local.dataverse.writes.rows import Writer
from shared.sql import identifier

_BINARY = "application/octet-stream"


class Images:
    """The images of one environment."""

    def __init__(self, world: World, writer_of: Callable[[Table], Writer]) -> None:
        self._world = world
        self._writer_of = writer_of

    def answer(self, address: Address, row_id: str, column: Column, rest: list[str], request: Request) -> Reply:
        """Answers a request on the image of a row.

        Raises:
            Refusal: it cannot be done.
        """
        if rest not in ([], ["$value"]):
            raise refusals.no_segment(rest[-1])
        if request.method == "GET":
            return self._read(address, row_id, column, request, plain=bool(rest))
        if rest or request.method not in ("PATCH", "PUT", "DELETE"):
            raise refusals.wrong_verb()
        check_version(self._world, address.table, row_id, request.headers.get("if-match", ""))
        value = None if request.method == "DELETE" else _sent(address, request)
        with self._world.store.transaction():
            single(lambda: self._writer_of(address.table).update([row_id], [{column.name: value}]))
        return Reply(204, message="Update", rows=1)

    def _read(self, address: Address, row_id: str, column: Column, request: Request, *, plain: bool) -> Reply:
        table = address.table
        value = self._world.store.value(
            f"SELECT {identifier(column.name)} FROM {identifier(table.name)} WHERE {identifier(row_column(table))} = ?",
            (row_id,),
        )
        if value is None:
            return Reply(204, message="Retrieve")
        if plain:
            return Reply(200, b64decode(str(value)), content_type=_BINARY, message="Retrieve", rows=1)
        context = f"{request.root}$metadata#{table.entity_set}({row_id})/{column.name}"
        return json_reply({"@odata.context": context, "value": value}, message="Retrieve", rows=1)


def _sent(address: Address, request: Request) -> object:
    """The image as text: from bytes, or from the member `value` of a JSON body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _BINARY:
        return b64encode(request.body).decode()
    body = body_object(request)
    if "value" not in body:
        raise refusals.payload(address.table.name, "The new value of a column is given as the member 'value'.")
    return body["value"]
