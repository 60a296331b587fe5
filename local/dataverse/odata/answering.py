"""GET on entity sets and rows: queries, single rows, a row's columns, what it points at and what points at it."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from local.dataverse import addresses, refusals
from local.dataverse.changes.answering import Changes
from local.dataverse.collation import Fold
from local.dataverse.fetchxml.answering import METADATA, OVER, TOTAL, Fetches
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.odata import applying
from local.dataverse.odata import options as query_options
from local.dataverse.odata.links import next_link
from local.dataverse.odata.options import Options, Preferences
from local.dataverse.odata.queries import Asked, Page, Reader, Within
from local.dataverse.odata.scope import collection
from local.dataverse.odata.shapes import JsonRow
from local.dataverse.partitions import id_of, row_column
from local.dataverse.properties import found
from local.dataverse.tables import Column, Kind, Table
from local.dataverse.world import World
from shared.sql import identifier


class Queries:
    """Every GET under an entity set."""

    def __init__(self, world: World, fold: Fold) -> None:
        self.world = world
        self.reader = Reader(world, fold)
        self._changes = Changes(self.reader)
        self._fetches = Fetches(self.reader)

    def of_set(self, table: Table, request: Request) -> Reply:
        """Answers `GET accounts?…`, whichever language the query is in.

        Raises:
            Refusal: the query cannot be understood.
        """
        asked = asked_of(request, rows=True)
        options, wishes = asked.options, asked.preferences
        _check_alone(options)
        if options.delta is not None or wishes.track_changes:
            return applied(self._changes.answer(table, asked, request), wishes)
        if options.fetch is not None:
            return applied(self._fetches.fetch(table, options.fetch, asked), wishes)
        if options.saved is not None or options.own is not None:
            return applied(self._fetches.saved(table, asked), wishes)
        if options.sql is not None:
            return applied(self._fetches.sql(table, options.sql, asked, request), wishes)
        if options.apply is not None:
            return applied(applying.answer(self.reader, table, asked), wishes)
        page = self.reader.page(table, asked)
        reply = self._page_reply(table, page, asked, table.entity_set, request)
        return applied(reply, wishes)

    def count(self, table: Table, request: Request, within: Within | None = None) -> Reply:
        """Answers `GET accounts/$count`.

        Raises:
            Refusal: the query cannot be understood.
        """
        asked = asked_of(request, rows=within is None)
        if asked.options.delta is not None:
            number = self._changes.count(table, asked.options.delta)
        else:
            number = self.reader.count(table, asked.options, within)
        body = b"\xef\xbb\xbf" + str(number).encode()
        return Reply(200, body, content_type="text/plain", message="RetrieveMultiple")

    def row(self, table: Table, row_id: str, request: Request) -> Reply:
        """Answers `GET accounts(…)`; 304 when the caller knows the row.

        Raises:
            Refusal: there is no such row, or the query cannot be understood.
        """
        asked = asked_of(request)
        row, shown = self.reader.row(table, row_id, asked)
        known = request.headers.get("if-none-match", "")
        plain = not (asked.options.expand or asked.preferences.annotations)
        if known not in ("", "null") and known in ("*", row["@odata.etag"]) and plain:
            return Reply(304, headers=[("ETag", str(row["@odata.etag"]))], message="Retrieve")
        return applied(_row_reply(table, row, shown, request), asked.preferences)

    def below(self, address: addresses.Address, segments: list[str], request: Request) -> Reply:
        """Answers a path below a row: a column, what a lookup points at, or a collection.

        Raises:
            Refusal: there is no such thing, or no such row.
        """
        table, name = address.table, segments[0]
        row_id = found(self.world, address)
        column = table.readable.get(name)
        if column is not None and segments[1:] in ([], ["$value"]):
            return self._column(table, row_id, column, request, plain=len(segments) == 2)
        many = collection(self.world.tables, table, name)
        if name in table.navigations:
            return self._pointed(table, row_id, segments, request)
        if many is None:
            raise refusals.no_segment(name)
        within = Within(many, id_of(row_id))
        if segments[1:] == ["$count"]:
            return self.count(many.table, request, within)
        if segments[1:] not in ([], ["$ref"]):
            raise refusals.no_segment(segments[-1])
        asked = asked_of(request)
        links = segments[1:] == ["$ref"]
        page = self.reader.page(many.table, asked, within)
        if links:
            page = Page(_links(many.table, page.rows, request), page.next_token, page.count, page.over_cap, ())
        address_text = f"{table.entity_set}({id_of(row_id)})/{'/'.join(segments)}"
        reply = self._page_reply(many.table, page, asked, address_text, request, links=links)
        return applied(reply, asked.preferences)

    def _page_reply(
        self, table: Table, page: Page, asked: Asked, address: str, request: Request, *, links: bool = False
    ) -> Reply:
        context = "Collection($ref)" if links else f"{table.entity_set}{_shown(page.shown)}"
        document: JsonRow = {"@odata.context": f"{request.root}$metadata#{context}"}
        if page.count is not None:
            document["@odata.count"] = page.count
        if asked.preferences.wants(TOTAL):
            document[f"@{TOTAL}"] = -1 if page.count is None else page.count
        if asked.preferences.wants(OVER):
            document[f"@{OVER}"] = page.over_cap
        if asked.preferences.wants(METADATA):
            document[f"@{METADATA}"] = self.world.store.metadata_version
        document["value"] = page.rows
        if page.next_token is not None:
            document["@odata.nextLink"] = next_link(request, address, page.next_token)
        return json_reply(document, message="RetrieveMultiple", rows=len(page.rows))

    def _column(self, table: Table, row_id: str, column: Column, request: Request, *, plain: bool) -> Reply:
        """One value: in JSON, or as plain text (`/$value`)."""
        name = column.read_name
        row, _ = self.reader.row(table, row_id, Asked(Options(select=(name,)), Preferences()))
        value = row[name]
        if value is None:
            return Reply(204, message="Retrieve")
        if plain:
            return Reply(200, _plain(value, column), content_type="text/plain", message="Retrieve", rows=1)
        context = f"{request.root}$metadata#{table.entity_set}({id_of(row_id)})/{name}"
        return json_reply({"@odata.context": context, "value": value}, message="Retrieve", rows=1)

    def _pointed(self, table: Table, row_id: str, segments: list[str], request: Request) -> Reply:
        """The row that a lookup points at, or its link; 204 when it points at none."""
        name, rest = segments[0], segments[1:]
        if rest not in ([], ["$ref"]):
            raise refusals.no_segment(rest[-1])
        target, target_id = self._target(table, row_id, name)
        if target is None:
            return Reply(204, message="Retrieve")
        if rest:
            link = f"{request.root}{target.entity_set}({target_id})"
            return json_reply(
                {"@odata.context": f"{request.root}$metadata#$ref", "@odata.id": link}, message="Retrieve", rows=1
            )
        return self.row(target, target_id, request)

    def _target(self, table: Table, row_id: str, navigation: str) -> tuple[Table | None, str]:
        """The table and the id that a lookup of a row holds, when it is of the navigation property's table."""
        column, targets = table.navigations[navigation]
        name, key = identifier(table.name), identifier(row_column(table))
        terms = [identifier(column.name)]
        if column.is_polymorphic:
            terms.append(identifier(f"{column.name}~table"))
        values = self.world.store.all(f"SELECT {', '.join(terms)} FROM {name} WHERE {key} = ?", (row_id,))[0]
        kind = str(values[-1]) if column.is_polymorphic else column.targets[0].table
        if values[0] is None or kind not in {target.table for target in targets}:
            return None, ""
        return self.world.tables.by_name[kind], str(values[0])


def asked_of(request: Request, *, rows: bool = False) -> Asked:
    """What a request asks for.

    Raises:
        Refusal: an option is unknown, unsupported or malformed.
    """
    wishes = query_options.preferences(request.headers.get("prefer", ""))
    return Asked(query_options.read(request.query, rows=rows), wishes, request.root)


def applied(reply: Reply, wishes: Preferences) -> Reply:
    """The reply with the preferences that were heeded."""
    if wishes.applied:
        reply.headers.append(("Preference-Applied", wishes.applied))
    return reply


def row_context(table: Table, shown: tuple[str, ...], request: Request) -> str:
    """The context URL of one row."""
    return f"{request.root}$metadata#{table.entity_set}{_shown(shown)}/$entity"


def _check_alone(options: Options) -> None:
    """FetchXML, SQL and queries that are kept say everything by themselves."""
    whole = {"fetchXml": options.fetch, "sql": options.sql, "savedQuery": options.saved, "userQuery": options.own}
    given = [name for name, value in whole.items() if value is not None]
    others: list[tuple[str, Callable[[Options], object]]] = [
        ("$select", lambda o: o.select),
        ("$filter", lambda o: o.filter),
        ("$orderby", lambda o: o.orderby),
        ("$expand", lambda o: o.expand),
        ("$apply", lambda o: o.apply),
        ("$top", lambda o: o.top),
    ]
    for name in [*given[1:], *(name for name, value in others if given and value(options))]:
        raise refusals.query(f"The query parameter {name} cannot be used together with {given[0]}.")


def _row_reply(table: Table, row: JsonRow, shown: tuple[str, ...], request: Request, status: int = 200) -> Reply:
    reply = json_reply(
        {"@odata.context": row_context(table, shown, request), **row}, status, message="Retrieve", rows=1
    )
    reply.headers.append(("ETag", str(row["@odata.etag"])))
    return reply


def _links(table: Table, rows: list[JsonRow], request: Request) -> list[JsonRow]:
    return [{"@odata.id": f"{request.root}{table.entity_set}({row[table.id_column]})"} for row in rows]


def _plain(value: object, column: Column) -> bytes:
    """A value as text, as XML writes it."""
    text = orjson.dumps(value).decode()
    return orjson.loads(text).encode() if column.kind is not Kind.CHOICES and text.startswith('"') else text.encode()


def _shown(names: tuple[str, ...]) -> str:
    return f"({','.join(names)})" if names else ""
