"""The entity sets: query, create, read, update, upsert, delete, single columns, and the bulk messages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from local.dataverse import addresses, refusals
from local.dataverse.bulk import BULK, Bulk, born, targets_of
from local.dataverse.collation import Fold
from local.dataverse.contents import Contents
from local.dataverse.images import Images
from local.dataverse.logic.writer import SteppedWriter
from local.dataverse.messages import Reply, Request, body_object, json_reply
from local.dataverse.odata import options as query_options
from local.dataverse.odata.answering import Queries, applied, row_context
from local.dataverse.odata.options import Options, Preferences
from local.dataverse.odata.queries import Asked
from local.dataverse.odata.shapes import JsonRow
from local.dataverse.partitions import id_of
from local.dataverse.properties import Properties, check_version, found, single
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import CONTENTS, Kind, Table
from local.dataverse.world import World
from local.dataverse.writes import elastic
from local.dataverse.writes.deletes import delete_row
from local.dataverse.writes.nested import Nested
from local.dataverse.writes.rows import Writer

_DANGEROUS = frozenset("<>*%&:\\?+/")
_URL_LIMIT = 32 * 1024
_BATCH_URL_LIMIT = 64 * 1024


class Entities:
    """Everything under an entity set."""

    def __init__(self, world: World, fold: Fold) -> None:
        self.world = world
        self._queries = Queries(world, fold)
        self._writers: dict[str, tuple[Table, Writer]] = {}
        self._nested = Nested(world, self.writer)
        self._properties = Properties(world, self.writer, self._nested)
        self._contents = Contents(world)
        self._images = Images(world, self.writer)

    def writer(self, table: Table) -> Writer:
        """What writes the rows of a table as it is defined now."""
        known = self._writers.get(table.name)
        if known is None or known[0] is not table:
            known = self._writers[table.name] = (table, SteppedWriter(self.world, table))
        return known[1]

    def answer(self, table: Table, segments: list[str], request: Request) -> Reply:
        """Answers a request on a set (`segments` behind it).

        Raises:
            Refusal: it cannot be done.
        """
        if not segments:
            return self._set(table, request)
        if segments == ["$count"]:
            if request.method != "GET":
                raise refusals.wrong_verb()
            return self._queries.count(table, request)
        name = segments[0].removeprefix("Microsoft.Dynamics.CRM.")
        if len(segments) == 1 and name in BULK and name != segments[0]:
            return self._bulk(table, name, request)
        raise refusals.no_segment(segments[0])

    def answer_row(self, address: addresses.Address, segments: list[str], request: Request) -> Reply:
        """Answers a request on one row.

        Raises:
            Refusal: it cannot be done.
        """
        _check_key(address)
        if address.table.elastic and request.method in ("GET", "DELETE"):
            address = replace(address, partition=query_options.pairs(request.query).get("partitionId"))
        column = address.table.columns.get(segments[0]) if segments else None
        if column is not None and column.kind in CONTENTS:
            row_id = found(self.world, address)
            content = self._images if column.kind is Kind.IMAGE else self._contents
            return content.answer(address, row_id, column, segments[1:], request)
        if segments and request.method == "GET":
            return self._queries.below(address, segments, request)
        if segments:
            return self._properties.answer(address, segments, request)
        verbs: dict[str, Callable[[addresses.Address, Request], Reply]] = {
            "GET": self._retrieve,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        if request.method not in verbs:
            raise refusals.wrong_verb()
        return verbs[request.method](address, request)

    def _set(self, table: Table, request: Request) -> Reply:
        if request.method == "GET":
            return self._queries.of_set(table, request)
        if request.method != "POST":
            raise refusals.wrong_verb()
        options, wishes = query_options.read(request.query), _wishes(request)
        with self.world.store.transaction():
            row_id = self._create(table, body_object(request))
            if wishes.representation:
                return self._represented(table, row_id, options, wishes, request, status=201)
        return self._no_content(table, f"{request.root}{table.entity_set}({id_of(row_id)})", "Create")

    def _create(self, table: Table, body: JsonRow) -> str:
        return single(lambda: self._nested.create(table, [body])[0])

    def _retrieve(self, address: addresses.Address, request: Request) -> Reply:
        return self._queries.row(address.table, found(self.world, address), request)

    def _patch(self, address: addresses.Address, request: Request) -> Reply:
        """Upsert; `If-Match` makes it an update, `If-None-Match: *` a create."""
        body, options, wishes = body_object(request), query_options.read(request.query), _wishes(request)
        table, match = address.table, request.headers.get("if-match", "")
        replaces = table.elastic and not match
        with self.world.store.transaction(), self._unseen(table, replaces=replaces):
            row_id = addresses.find(self.world.store, address)
            created = row_id is None
            if row_id is None:
                if match:
                    raise addresses.missing(address)
                row_id = self._create(table, born(self.world.tables, address, body))
            else:
                if request.headers.get("if-none-match", "").strip() == "*":
                    raise Refusal(412, "0x80040237", "A record with matching key values already exists.")
                check_version(self.world, table, row_id, match)
                body = {k: v for k, v in body.items() if k not in address.key}
                self._update(table, row_id, elastic.replacing(table, body) if replaces else body)
            if wishes.representation:
                return self._represented(table, row_id, options, wishes, request, status=201 if created else 200)
        return self._no_content(table, f"{request.root}{address.text}", "Upsert" if not match else "Update")

    def _unseen(self, table: Table, *, replaces: bool) -> AbstractContextManager[None]:
        """An upsert of an elastic table's row raises neither Create nor Update."""
        return self.world.steps.silenced(table.name) if replaces else nullcontext()

    def _update(self, table: Table, row_id: str, body: JsonRow) -> None:
        single(lambda: self.writer(table).update([row_id], [body]))

    def _delete(self, address: addresses.Address, request: Request) -> Reply:
        with self.world.store.transaction():
            row_id = found(self.world, address)
            check_version(self.world, address.table, row_id, request.headers.get("if-match", ""))
            delete_row(self.world, address.table, row_id)
        return Reply(204, message="Delete", rows=1)

    def _bulk(self, table: Table, name: str, request: Request) -> Reply:
        if request.method != "POST":
            raise refusals.no_resource()
        if name == "DeleteMultiple" and not table.elastic:
            raise refusals.not_built("DeleteMultiple")
        if not table.bulk:
            raise refusals.no_segment(f"Microsoft.Dynamics.CRM.{name}")
        targets = targets_of(table, body_object(request))
        ids = self._run(table, name, targets)
        reply = Reply(204, message=name, rows=len(targets))
        if name == "CreateMultiple":
            context = f"{request.root}$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
            reply = json_reply({"@odata.context": context, "Ids": ids}, message=name, rows=len(targets))
        return reply if name == "DeleteMultiple" else self._with_session(table, reply)

    def _run(self, table: Table, name: str, targets: list[JsonRow]) -> list[str]:
        """Runs a bulk message; on an elastic table a refusal leaves what was written."""
        refused: RowRefusal | None = None
        ids: list[str] = []
        bulk = Bulk(self.world, table, self.writer(table), self._nested)
        upserts = table.elastic and name == "UpsertMultiple"
        with self.world.store.transaction(), self._unseen(table, replaces=upserts):
            try:
                ids = bulk.run(name, targets)
            except RowRefusal as first:
                if elastic.DETAILS not in first.refusal.details:
                    raise
                refused = first
        if refused is not None:
            raise refused
        return ids

    def _represented(
        self, table: Table, row_id: str, options: Options, wishes: Preferences, request: Request, *, status: int
    ) -> Reply:
        row, shown = self._queries.reader.row(table, row_id, Asked(options, wishes, request.root))
        document = {"@odata.context": row_context(table, shown, request), **row}
        reply = json_reply(document, status, message="Create" if status == 201 else "Update", rows=1)
        reply.headers.append(("ETag", str(row["@odata.etag"])))
        return applied(reply, wishes)

    def _no_content(self, table: Table, url: str, message: str) -> Reply:
        headers = [("OData-EntityId", url), ("Location", url)]
        return self._with_session(table, Reply(204, headers=headers, message=message, rows=1))

    def _with_session(self, table: Table, reply: Reply) -> Reply:
        if table.elastic:
            reply.headers.append(("x-ms-session-token", elastic.session_token(self.world.store.version)))
        return reply


def _check_key(address: addresses.Address) -> None:
    """A key value with one of these characters breaks the address in the web server, before Dataverse sees it."""
    for value in address.key.values():
        bad = _DANGEROUS & set(value) if isinstance(value, str) else set()
        if bad:
            sign = sorted(bad)[0]
            raise Refusal(400, "", f"A potentially dangerous Request.Path value was detected from the client ({sign}).")


def _wishes(request: Request) -> Preferences:
    return query_options.preferences(request.headers.get("prefer", ""))
