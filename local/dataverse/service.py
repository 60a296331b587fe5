"""The Web API: finds the part that answers a request, and turns refusals into error replies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import unquote

import orjson

from local.dataverse import addresses, batch, callers, refusals
from local.dataverse.bulk import BULK
from local.dataverse.collation import Fold
from local.dataverse.entities import Entities
from local.dataverse.jobs.bulkdelete import BulkDeletes
from local.dataverse.jobs.expiry import remove_expired
from local.dataverse.logic.calls import Calls
from local.dataverse.messages import Reply, Request, error_reply, json_reply
from local.dataverse.metadata.definitions import Definitions
from local.dataverse.metadata.reading import ROOTS as METADATA
from local.dataverse.odata import options as query_options
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.rights import BUSINESS_UNIT, Rights
from local.dataverse.world import World
from shared.sql import identifier

MAX_URL = 32 * 1024
MAX_URL_IN_BATCH = 64 * 1024
_BULK = re.compile(r"Microsoft\.Dynamics\.CRM\.(\w+)$")
_TYPED = {"prefer": 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'}
_NAMES = re.compile(r"'([^']+)'")


class _Stopped(Exception):  # noqa: N818 - ends a request in its midst, nothing more
    pass


def _stop() -> NoReturn:
    raise _Stopped


class Service:
    """One environment's Web API, without the network."""

    def __init__(self, world: World, fold: Fold) -> None:
        self.world = world
        self.entities = Entities(world, fold)
        self.inner_refusal: Callable[[Request], Refusal | None] = lambda _: None
        self._operations = 0
        self._outer = Request("GET", "", "", {}, b"", "")
        self._stop_after: int | None = None
        self.calls = Calls(world, self.entities)
        world.steps.bind(self._image, self._written)
        self._definitions = Definitions(world)
        self.rights = Rights(world)
        self._definitions.secured = self.rights.secured
        self._bulk_deletes = BulkDeletes(world, self.entities)
        self._documents: dict[str, Callable[[Request], Reply]] = {
            "": self._definitions.service_document,
            "$metadata": self._definitions.model,
            "sdkmessagefilters": self._definitions.message_filters,
        }

    def answer(self, request: Request, *, in_batch: bool = False) -> Reply:
        """The reply to a request; a refused one has changed nothing."""
        if not in_batch:
            self._bulk_deletes.advance()
            remove_expired(self.world)
        try:
            with self.world.acting_as(callers.impersonated(self.world, request.headers)):
                self._begin(request, in_batch=in_batch)
                return self._counted(self._route(request, in_batch=in_batch))
        except RowRefusal as found:
            refusal = found.refusal
        except Refusal as found:
            refusal = found
        except (UnicodeEncodeError, RecursionError) as cause:
            refusal = Refusal(400, "0x80048d19", f"The request cannot be read: {type(cause).__name__}.")
        self.world.forget()
        wishes = query_options.preferences(request.headers.get("prefer", ""))
        reply = error_reply(refusal, wishes.wants)
        reply.message = message_of(request.method, request.path)
        return self._counted(reply)

    def stopped(self, request: Request, after: int) -> Reply:
        """Does a request up to the `after`-th operation of its batch, then nothing more; a request without operations,
        and a change set in its midst, is rolled back. The reply is for nobody."""
        self._stop_after = after
        try:
            if message_of(request.method, request.path) == "Batch":
                return self.answer(request)
            with self.world.store.transaction():
                self.answer(request)
                _stop()
        except _Stopped:
            self.world.forget()
            return Reply(500)
        finally:
            self._stop_after = None

    def _image(self, table: str, row_id: str) -> dict[str, object] | None:
        """A row as a step sees it."""
        request = Request("GET", "", "", _TYPED, b"", "")
        address = addresses.Address(self.world.tables.by_name[table], "", row_id=row_id)
        try:
            reply = self.entities.answer_row(address, [], request)
        except Refusal:
            return None
        found: dict[str, object] = orjson.loads(reply.body)
        return {name: value for name, value in found.items() if not name.startswith("@")}

    def _written(self, message: str, table: str, row_id: str, row: Mapping[str, object]) -> str:
        """A row written by a step."""
        writer = self.entities.writer(self.world.tables.by_name[table])
        if message == "Create":
            return writer.create([row])[0]
        writer.update([row_id], [row])
        return row_id

    def _begin(self, request: Request, *, in_batch: bool) -> None:
        """Before a request, or an operation of a batch, which a fault may stop or refuse."""
        self._outer = self._outer if in_batch else request
        if self.world.steps.registered or not in_batch:
            headers = {**self._outer.headers, **request.headers} if in_batch else request.headers
            tag = _tag(request) or _tag(self._outer)
            self.world.steps.begin((self.world.settled.caller_id, self.world.caller_id), tag, headers)
        self.world.steps.sized(len(request.body))
        if not in_batch:
            self._definitions.changing.indexes.advance()
            return
        if self._stop_after is not None:
            if self._stop_after == 0:
                raise _Stopped
            self._stop_after -= 1
        refused = self.inner_refusal(request)
        if refused is not None:
            raise refused

    def table_of(self, path: str) -> str:
        """The logical name of the table that a path behind the root names, '' when it names none."""
        name = re.split(r"[(/?]|%28", path.removeprefix("/"), maxsplit=1)[0]
        table = self.world.tables.by_set.get(name)
        return "" if table is None else table.name

    def take_operations(self) -> int:
        """Creates, reads, updates and deletes since last asked: each in a batch, each target of a bulk message."""
        taken, self._operations = self._operations, 0
        return taken

    def _counted(self, reply: Reply) -> Reply:
        if reply.message != "Batch":
            self._operations += max(1, reply.rows) if reply.message in BULK else 1
        return reply

    def check_caller(self) -> None:
        """Lets the application user pass.

        Raises:
            Refusal: 403, there is none or it is disabled.
        """
        caller = self.world.settled.caller_id
        if not caller:
            raise Refusal(403, "0x80072560", "The user is not a member of the organization.")
        if self.world.settled.caller_disabled:
            raise Refusal(403, "0x80040225", f"The user with id {caller} has been disabled.")

    def _route(self, request: Request, *, in_batch: bool) -> Reply:
        if len(request.path) + len(request.query) > (MAX_URL_IN_BATCH if in_batch else MAX_URL):
            raise Refusal(400 if in_batch else 414, "", "The request URL is too long.")
        segments = [unquote(part) for part in request.path.split("/") if part] or [""]
        first = segments[0]
        if first == "$batch":
            return self._batch(request, in_batch=in_batch)
        if self._definitions.owns(first):
            return self._definitions.answer(segments, request)
        built_in = self._built_in(first, request) if len(segments) == 1 else None
        if built_in is not None:
            return built_in
        called = self.rights.answer(segments, request) or self.calls.answer(segments, request)
        return self._rows(first, segments[1:], request) if called is None else called

    def _built_in(self, segment: str, request: Request) -> Reply | None:
        """The reply of what every environment has beside its rows: documents, functions and an action."""
        document = self._documents.get(segment)
        if document is not None:
            if request.method != "GET":
                raise refusals.wrong_verb()
            return document(request)
        if segment == "BulkDelete":
            return self._bulk_deletes.order(request)
        counts = segment.startswith("RetrieveTotalRecordCount(")
        if not (counts or segment in ("WhoAmI", "WhoAmI()")):
            return None
        if request.method != "GET":
            raise refusals.no_resource()
        return self._record_counts(segment, request) if counts else self._who_am_i(request)

    def _rows(self, first: str, rest: list[str], request: Request) -> Reply:
        table = self.world.tables.by_set.get(first)
        if table is not None:
            return self.entities.answer(table, rest, request)
        return self.entities.answer_row(addresses.parse(self.world.tables, first), rest, request)

    def _batch(self, request: Request, *, in_batch: bool) -> Reply:
        if in_batch:
            raise Refusal(400, "0x80060888", "A batch inside a batch is not supported.")
        if request.method != "POST":
            raise refusals.wrong_verb()
        return batch.answer(self, request)

    def _who_am_i(self, request: Request) -> Reply:
        settled = self.world.settled
        document = {
            "@odata.context": f"{request.root}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
            "BusinessUnitId": BUSINESS_UNIT,
            "UserId": self.world.caller_id,
            "OrganizationId": settled.organization_id,
        }
        return json_reply(document, message="WhoAmI")

    def _record_counts(self, segment: str, request: Request) -> Reply:
        given = query_options.pairs(request.query)
        text = re.sub(r"@\w+", lambda alias: given.get(alias[0], ""), segment)
        names = _NAMES.findall(text.replace('"', "'"))
        unknown = [name for name in names if name not in self.world.tables.by_name]
        if unknown or not names:
            raise Refusal(400, "0x80040203", f"The entity with a name = '{(unknown or [''])[0]}' was not found.")
        counts = [self.world.store.value(f"SELECT count(*) FROM {identifier(name)}") for name in names]
        document = {
            "@odata.context": f"{request.root}$metadata#Microsoft.Dynamics.CRM.RetrieveTotalRecordCountResponse",
            "EntityRecordCountCollection": {"Count": len(names), "IsReadOnly": False, "Keys": names, "Values": counts},
        }
        return json_reply(document, message="RetrieveTotalRecordCount")


def _tag(request: Request) -> str | None:
    return query_options.pairs(request.query).get("tag") if "tag=" in request.query else None


def message_of(method: str, path: str) -> str:
    """What a request asks for, by its URL alone: the word that faults and the log use."""
    last = path.rstrip("/").rpartition("/")[2]
    bulk = _BULK.search(unquote(last))
    if bulk:
        return bulk[1]
    first = path.split("/", maxsplit=1)[0]
    if first == "$batch":
        return "Batch"
    if first in ("", "$metadata") or first.partition("(")[0] in METADATA:
        return "Metadata"
    if first.startswith(("WhoAmI", "RetrieveTotalRecordCount", "BulkDelete")):
        return first.partition("(")[0]
    by_row = "(" in first or "%28" in first
    row = {"GET": "Retrieve", "PATCH": "Upsert", "DELETE": "Delete", "PUT": "Update"}
    return row.get(method, method) if by_row else {"GET": "RetrieveMultiple", "POST": "Create"}.get(method, method)
