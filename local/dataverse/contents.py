"""Files in file columns: sent whole or in parts, read, deleted. What the column itself holds is the file's id.

Source: Microsoft Learn, "Use file column data".
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import uuid4

from local.dataverse import refusals
from local.dataverse.addresses import Address
from local.dataverse.messages import Reply, Request
from local.dataverse.odata import options as query_options
from local.dataverse.partitions import row_column
from local.dataverse.properties import check_version
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Column
from local.dataverse.world import World
from shared.sql import identifier

PART_BYTES = 4 * 1024 * 1024
"""How large a part may be; the service asks for this in `x-ms-chunk-size`."""
_SESSIONS = 100
_RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})")


@dataclass(slots=True)
class _Upload:
    """A file that comes in parts."""

    row_id: str
    column: Column
    name: str
    body: bytearray = field(default_factory=bytearray)


class Contents:
    """The files of one environment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._uploads: dict[str, _Upload] = {}
        world.store.run(
            'CREATE TABLE IF NOT EXISTS "~content" (id TEXT PRIMARY KEY, owner TEXT, body BLOB NOT NULL) WITHOUT ROWID'
        )

    def answer(self, address: Address, row_id: str, column: Column, rest: list[str], request: Request) -> Reply:
        """Answers a request on the file of a row.

        Raises:
            Refusal: it cannot be done, or there is no file.
        """
        if rest not in ([], ["$value"]):
            raise refusals.no_segment(rest[-1])
        if request.method == "GET":
            return self._read(address, row_id, column)
        if rest or request.method not in ("PATCH", "PUT", "DELETE"):
            raise refusals.wrong_verb()
        check_version(self._world, address.table, row_id, request.headers.get("if-match", ""))
        if request.method == "DELETE":
            self._put(address, row_id, column, None, b"")
            return Reply(204, message="Update", rows=1)
        return self._write(address, row_id, column, request)

    def _read(self, address: Address, row_id: str, column: Column) -> Reply:
        table = address.table
        named = identifier(f"{column.name}_name")
        listed = self._world.store.all(
            f'SELECT {named}, body FROM {identifier(table.name)} JOIN "~content" ON id = {identifier(column.name)} '
            f"WHERE {identifier(row_column(table))} = ?",
            (row_id,),
        )
        if not listed:
            raise Refusal(
                404, "0x80060888", f"No file attachment found for attribute: {column.name} EntityId: {row_id}."
            )
        name, body = str(listed[0][0]), listed[0][1]
        content = body if isinstance(body, bytes) else b""
        headers = [("x-ms-file-name", quote(name)), ("x-ms-file-size", str(len(content)))]
        return Reply(200, content, headers, "application/octet-stream", message="Retrieve", rows=1)

    def _write(self, address: Address, row_id: str, column: Column, request: Request) -> Reply:
        given = query_options.pairs(request.query)
        if "sessiontoken" in given:
            return self._part(address, row_id, given["sessiontoken"], request)
        name = given.get("x-ms-file-name") or request.headers.get("x-ms-file-name", "")
        if not name:
            raise Refusal(400, "0x80040203", "The name of the file is missing: x-ms-file-name.")
        if request.headers.get("x-ms-transfer-mode", "").lower() == "chunked":
            return self._begin(address, row_id, column, name, request)
        self._put(address, row_id, column, name, request.body)
        return Reply(204, message="Update", rows=1)

    def _begin(self, address: Address, row_id: str, column: Column, name: str, request: Request) -> Reply:
        if len(self._uploads) >= _SESSIONS:
            self._uploads.pop(next(iter(self._uploads)))
        token = secrets.token_urlsafe(24)
        self._uploads[token] = _Upload(row_id, column, name)
        url = f"{request.root}{address.table.entity_set}({row_id})/{column.name}?sessiontoken={token}"
        headers = [("Location", url), ("x-ms-chunk-size", str(PART_BYTES)), ("Accept-Ranges", "bytes")]
        return Reply(200, headers=headers, message="Update")

    def _part(self, address: Address, row_id: str, token: str, request: Request) -> Reply:
        upload = self._uploads.get(token)
        found = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if upload is None or upload.row_id != row_id:
            raise Refusal(400, "0x80040203", "The session token of the upload is unknown or was used up.")
        first, last, total = (int(number) for number in found.groups()) if found else (0, 0, 0)
        if first != len(upload.body) or last - first + 1 != len(request.body) or not last < total:
            raise Refusal(400, "0x80040203", "The Content-Range is missing, or is not the part that comes next.")
        if len(request.body) > PART_BYTES:
            raise Refusal(413, "", "The part is larger than x-ms-chunk-size.")
        upload.body += request.body
        if len(upload.body) < total:
            return Reply(206, message="Update")
        del self._uploads[token]
        self._put(address, row_id, upload.column, upload.name, bytes(upload.body))
        return Reply(204, message="Update", rows=1)

    def _put(self, address: Address, row_id: str, column: Column, name: str | None, body: bytes) -> None:
        """Puts a file into a row, or takes it away, with every file of the column that has no row any more."""
        if len(body) > (column.max_size_kb or 0) * 1024:
            raise Refusal(413, "0x80040203", f"The file is larger than the {column.max_size_kb} KB of {column.name}.")
        table, own, store = address.table, identifier(column.name), self._world.store
        content_id = None if name is None else str(uuid4())
        owner = f"{table.name}.{column.name}"
        changed = (
            f"{own} = ?, {identifier(column.name + '_name')} = ?, modifiedon = ?, modifiedby = ?, versionnumber = ?"
        )
        values = (content_id, name, self._world.now(), self._world.caller_id, store.versions(1)[0], row_id)
        with store.transaction():
            if content_id is not None:
                store.run('INSERT INTO "~content" VALUES (?, ?, ?)', (content_id, owner, body))
            store.run(
                f"UPDATE {identifier(table.name)} SET {changed} WHERE {identifier(row_column(table))} = ?", values
            )
            kept = f"SELECT {own} FROM {identifier(table.name)} WHERE {own} IS NOT NULL"
            store.run(f'DELETE FROM "~content" WHERE owner = ? AND id NOT IN ({kept})', (owner,))
