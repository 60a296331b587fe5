"""The entity sets: query, create, read, update, upsert, delete, single columns, and the bulk messages."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from local.dataverse import addresses, refusals
from local.dataverse.bulk import BULK, Bulk, born, targets_of
from local.dataverse.collation import Fold
from local.dataverse.messages import Reply, Request, body_object, json_reply
from local.dataverse.odata import options as query_options
from local.dataverse.odata.options import Options, Preferences
from local.dataverse.odata.queries import JsonRow, Reader
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.deletes import delete_row
from local.dataverse.writes.rows import Writer
from shared.sql import identifier

_DANGEROUS = frozenset("<>*%&:\\?+/")
_URL_LIMIT = 32 * 1024
_BATCH_URL_LIMIT = 64 * 1024


class Entities:
    """Everything under an entity set."""

    def __init__(self, world: World, fold: Fold) -> None:
        self.world = world
        self._reader = Reader(world, fold)
        self._writers: dict[str, tuple[Table, Writer]] = {}

    def writer(self, table: Table) -> Writer:
        """What writes the rows of a table; another one after its definition has changed."""
        found = self._writers.get(table.name)
        if found is None or found[0] is not table:
            found = self._writers[table.name] = (table, Writer(self.world, table))
        return found[1]

    def answer(self, table: Table, segments: list[str], request: Request) -> Reply:
        """Answers a request on a set (`segments` behind it).

        Raises:
            Refusal: it cannot be done.
        """
        if not segments:
            return self._set(table, request)
        if segments == ["$count"]:
            count = self._reader.count(table, query_options.read(request.query))
            return Reply(
                200, b"\xef\xbb\xbf" + str(count).encode(), content_type="text/plain", message="RetrieveMultiple"
            )
        name = segments[0].removeprefix("Microsoft.Dynamics.CRM.")
        if len(segments) == 1 and name in BULK and name != segments[0]:
            return self._bulk(table, name, request)
        if segments[0] == "Microsoft.Dynamics.CRM.DeleteMultiple":
            raise Refusal(501, "0x80048d1b", "DeleteMultiple has not yet been implemented.")
        raise refusals.no_segment(segments[0])

    def answer_row(self, address: addresses.Address, segments: list[str], request: Request) -> Reply:
        """Answers a request on one row.

        Raises:
            Refusal: it cannot be done.
        """
        _check_key(address)
        if segments:
            return self._property(address, segments, request)
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
            return self._query(table, request)
        if request.method != "POST":
            raise refusals.wrong_verb()
        options, wishes = query_options.read(request.query), _wishes(request)
        with self.world.store.transaction():
            row_id = self._create(table, body_object(request))
            if wishes.representation:
                return self._represented(table, row_id, options, wishes, request, status=201)
        return _no_content(f"{request.root}{table.entity_set}({row_id})", "Create")

    def _create(self, table: Table, body: JsonRow) -> str:
        return _single(lambda: self.writer(table).create([body])[0])

    def _query(self, table: Table, request: Request) -> Reply:
        options, wishes = query_options.read(request.query), _wishes(request)
        if wishes.track_changes:
            raise refusals.not_built("Change tracking")
        page = self._reader.page(table, options, wishes)
        document: JsonRow = {"@odata.context": f"{request.root}$metadata#{table.entity_set}{_shown(page.shown)}"}
        if page.count is not None:
            document["@odata.count"] = page.count
        if wishes.wants("Microsoft.Dynamics.CRM.totalrecordcount"):
            document["@Microsoft.Dynamics.CRM.totalrecordcount"] = -1 if page.count is None else page.count
            document["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] = page.over_cap
        document["value"] = page.rows
        if page.next_token is not None:
            document["@odata.nextLink"] = _next_link(table, request, page.next_token)
        reply = json_reply(document, message="RetrieveMultiple", rows=len(page.rows))
        return _applied(reply, wishes)

    def _retrieve(self, address: addresses.Address, request: Request) -> Reply:
        options, wishes = query_options.read(request.query), _wishes(request)
        row_id = self._found(address)
        row, shown = self._reader.row(address.table, row_id, options, wishes)
        known = request.headers.get("if-none-match", "")
        if (
            known not in ("", "null")
            and known in ("*", row["@odata.etag"])
            and not (options.expand or wishes.annotations)
        ):
            return Reply(304, headers=[("ETag", str(row["@odata.etag"]))], message="Retrieve")
        document = {"@odata.context": _row_context(address.table, shown, request), **row}
        reply = json_reply(document, message="Retrieve", rows=1)
        reply.headers.append(("ETag", str(row["@odata.etag"])))
        return _applied(reply, wishes)

    def _patch(self, address: addresses.Address, request: Request) -> Reply:
        """Upsert; `If-Match` makes it an update, `If-None-Match: *` a create."""
        body, options, wishes = body_object(request), query_options.read(request.query), _wishes(request)
        table, match = address.table, request.headers.get("if-match", "")
        with self.world.store.transaction():
            row_id = addresses.find(self.world.store, address)
            created = row_id is None
            if row_id is None:
                if match:
                    raise addresses.missing(address)
                row_id = self._create(table, born(self.world.tables, address, body))
            else:
                if request.headers.get("if-none-match", "").strip() == "*":
                    raise Refusal(412, "0x80040237", "A record with matching key values already exists.")
                self._check_version(table, row_id, match)
                self._update(table, row_id, {k: v for k, v in body.items() if k not in address.key})
            if wishes.representation:
                return self._represented(table, row_id, options, wishes, request, status=201 if created else 200)
        return _no_content(f"{request.root}{address.text}", "Upsert" if not match else "Update")

    def _update(self, table: Table, row_id: str, body: JsonRow) -> None:
        _single(lambda: self.writer(table).update([row_id], [body]))

    def _delete(self, address: addresses.Address, request: Request) -> Reply:
        with self.world.store.transaction():
            row_id = self._found(address)
            self._check_version(address.table, row_id, request.headers.get("if-match", ""))
            delete_row(self.world, address.table, row_id)
        return Reply(204, message="Delete", rows=1)

    def _property(self, address: addresses.Address, segments: list[str], request: Request) -> Reply:
        """One column (`/name`), or one lookup (`/primarycontactid/$ref`)."""
        table, name = address.table, segments[0]
        if segments[1:] == ["$ref"] and name in table.navigations:
            return self._reference(address, name, request)
        column = table.readable.get(name)
        if column is None or len(segments) > 1:
            raise refusals.no_segment(segments[-1])
        if request.method == "GET":
            return self._value(address, name, request)
        if request.method not in ("PUT", "DELETE") or column.is_lookup:
            raise refusals.wrong_verb()
        value = body_object(request).get("value") if request.method == "PUT" else None
        return self._set_member(address, {name: value})

    def _value(self, address: addresses.Address, name: str, request: Request) -> Reply:
        row_id = self._found(address)
        row, _ = self._reader.row(address.table, row_id, Options(select=(name,)), Preferences())
        if row[name] is None:
            return Reply(204, message="Retrieve")
        context = f"{request.root}$metadata#{address.table.entity_set}({row_id})/{name}"
        return json_reply({"@odata.context": context, "value": row[name]}, message="Retrieve", rows=1)

    def _reference(self, address: addresses.Address, name: str, request: Request) -> Reply:
        if request.method == "DELETE":
            return self._set_member(address, {f"{name}@odata.bind": None})
        if request.method != "PUT":
            raise refusals.wrong_verb()
        return self._set_member(address, {f"{name}@odata.bind": body_object(request).get("@odata.id")})

    def _set_member(self, address: addresses.Address, body: JsonRow) -> Reply:
        with self.world.store.transaction():
            self._update(address.table, self._found(address), body)
        return Reply(204, message="Update", rows=1)

    def _bulk(self, table: Table, name: str, request: Request) -> Reply:
        if request.method != "POST":
            raise Refusal(404, "0x8006088a", "No HTTP resource was found that matches the request URI.")
        if not table.bulk:
            raise refusals.no_segment(f"Microsoft.Dynamics.CRM.{name}")
        targets = targets_of(table, body_object(request))
        bulk = Bulk(self.world, table, self.writer(table))
        with self.world.store.transaction():
            if name == "CreateMultiple":
                ids = _single(lambda: bulk.create(targets))
                context = f"{request.root}$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
                return json_reply({"@odata.context": context, "Ids": ids}, message=name, rows=len(targets))
            _single(lambda: (bulk.update if name == "UpdateMultiple" else bulk.upsert)(targets))
        return Reply(204, message=name, rows=len(targets))

    def _represented(
        self, table: Table, row_id: str, options: Options, wishes: Preferences, request: Request, *, status: int
    ) -> Reply:
        row, shown = self._reader.row(table, row_id, options, wishes)
        document = {"@odata.context": _row_context(table, shown, request), **row}
        reply = json_reply(document, status, message="Create" if status == 201 else "Update", rows=1)
        reply.headers.append(("ETag", str(row["@odata.etag"])))
        return _applied(reply, wishes)

    def _found(self, address: addresses.Address) -> str:
        row_id = addresses.find(self.world.store, address)
        if row_id is None:
            raise addresses.missing(address)
        return row_id

    def _check_version(self, table: Table, row_id: str, match: str) -> None:
        if match in ("", "*", "null"):
            return
        if not table.optimistic:
            raise Refusal(
                400,
                "0x8006088d",
                f"Optimistic concurrency isn't enabled for entity type {table.name}. "
                "The IfVersionMatches value of ConcurrencyBehavior can only be used if optimistic "
                "concurrency is enabled.",
            )
        statement = f"SELECT versionnumber FROM {identifier(table.name)} WHERE {identifier(table.id_column)} = ?"
        if match != f'W/"{self.world.store.value(statement, (row_id,))}"':
            raise Refusal(
                412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."
            )


def _single[T](write: Callable[[], T]) -> T:
    """Writes; the refusal of the row is the refusal of the request."""
    try:
        return write()
    except RowRefusal as found:
        raise found.refusal from None


def _check_key(address: addresses.Address) -> None:
    """A key value with one of these characters breaks the address in the web server, before Dataverse sees it."""
    for value in address.key.values():
        bad = _DANGEROUS & set(value) if isinstance(value, str) else set()
        if bad:
            sign = sorted(bad)[0]
            raise Refusal(400, "", f"A potentially dangerous Request.Path value was detected from the client ({sign}).")


def _wishes(request: Request) -> Preferences:
    return query_options.preferences(request.headers.get("prefer", ""))


def _applied(reply: Reply, wishes: Preferences) -> Reply:
    if wishes.applied:
        reply.headers.append(("Preference-Applied", wishes.applied))
    return reply


def _no_content(url: str, message: str) -> Reply:
    return Reply(204, headers=[("OData-EntityId", url), ("Location", url)], message=message, rows=1)


def _shown(names: tuple[str, ...]) -> str:
    return f"({','.join(names)})" if names else ""


def _row_context(table: Table, shown: tuple[str, ...], request: Request) -> str:
    return f"{request.root}$metadata#{table.entity_set}{_shown(shown)}/$entity"


def _next_link(table: Table, request: Request, token: str) -> str:
    kept = [part for part in request.query.split("&") if part and unquote(part.partition("=")[0]) != "$skiptoken"]
    return f"{request.root}{table.entity_set}?{'&'.join([*kept, '$skiptoken=' + token])}"
