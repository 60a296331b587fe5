"""`EntityDefinitions` and what hangs below it, the service document, and the probe for bulk messages."""

from __future__ import annotations

import re

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.metadata import asked, csdl, documents
from local.dataverse.metadata.documents import Document
from local.dataverse.odata import options as query_options
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Kind, Table, Tables, Target

_SINGLE = re.compile(r"(\w+)\((?:(LogicalName|SchemaName|MetadataId)=)?'?([\w-]+)'?\)")
_PREFIX = "Microsoft.Dynamics.CRM."
_OWNERS = (Target("owner", "ownerid", "owner"),)
"""An owner is shown as one reference to the abstract table of users and teams."""
_MESSAGES = ("Create", "Update", "Delete", "Retrieve", "RetrieveMultiple")


class Definitions:
    """Metadata of the tables; the rows are made once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: dict[str, Document] = {}
        self._filters: list[Document] | None = None

    def service_document(self, request: Request) -> Reply:
        """The entity sets."""
        sets = [{"name": t.entity_set, "kind": "EntitySet", "url": t.entity_set} for t in self._tables.by_name.values()]
        return json_reply({"@odata.context": f"{request.root}$metadata", "value": sets}, message="Metadata")

    def model(self, request: Request) -> Reply:
        """`$metadata`."""
        text = csdl.document(self._tables, annotated="annotations=true" in request.query)
        return Reply(200, text.encode(), content_type="application/xml", message="Metadata")

    def message_filters(self, request: Request) -> Reply:
        """`sdkmessagefilters`: which messages a table takes."""
        if self._filters is None:
            self._filters = [
                _message_filter(t, m)
                for t in self._tables.by_name.values()
                for m in (*_MESSAGES, *(("CreateMultiple", "UpdateMultiple") if t.bulk else ()))
            ]
        listed = asked.rows(self._filters, request.query, id_name="sdkmessagefilterid")
        context = f"{request.root}$metadata#sdkmessagefilters"
        return json_reply({"@odata.context": context, "value": listed}, message="RetrieveMultiple", rows=len(listed))

    def answer(self, segments: list[str], request: Request) -> Reply:
        """A request on `EntityDefinitions…`.

        Raises:
            Refusal: there is no such table, column, key or property.
        """
        if request.method != "GET":
            raise refusals.not_built("Changing table definitions")
        root = f"{request.root}$metadata#EntityDefinitions"
        if segments[0] == "EntityDefinitions" and len(segments) == 1:
            listed = [self._table(t) for t in self._tables.by_name.values()]
            return _listed(listed, request, root)
        table = self._named(segments[0])
        if len(segments) == 1:
            options = query_options.read(request.query)
            found = asked.shaped(self._with_parts(table, {e.navigation for e in options.expand}), options)
            return json_reply({"@odata.context": f"{root}/$entity", **found}, message="Metadata", rows=1)
        return self._below(table, segments[1:], request, f"{root}('{table.name}')")

    def _below(self, table: Table, segments: list[str], request: Request, root: str) -> Reply:
        parts = self._with_parts(table, {"Attributes", "Keys", "ManyToOneRelationships"})
        name, rest = segments[0], segments[1:]
        single = _SINGLE.fullmatch(name)
        part = single[1] if single else name
        rows = parts.get(part)
        if part not in ("Attributes", "Keys", "ManyToOneRelationships") or not isinstance(rows, list):
            raise refusals.no_segment(part)
        if rest and part == "Attributes":
            rows = _cast(rows, rest[0])
            rest = rest[1:]
        if single:
            return self._single(rows, single, rest, request, f"{root}/{part}")
        if rest:
            raise refusals.no_segment(rest[0])
        return _listed(rows, request, f"{root}/{part}")

    def _single(
        self, rows: list[Document], single: re.Match[str], rest: list[str], request: Request, root: str
    ) -> Reply:
        name = single[2] or "MetadataId"
        row = next((r for r in rows if str(r.get(name, "")).lower() == single[3].lower()), None)
        if row is None:
            raise Refusal(404, "0x80060888", f"Could not find an {single[1]} row with {name} '{single[3]}'.")
        options = query_options.read(request.query)
        if rest in (["OptionSet"], ["GlobalOptionSet"]):
            part = row.get(rest[0])
            row = part if isinstance(part, dict) else {}
        elif rest:
            raise refusals.no_segment(rest[0])
        return json_reply(
            {"@odata.context": f"{root}/$entity", **asked.shaped(row, options)}, message="Metadata", rows=1
        )

    def _named(self, segment: str) -> Table:
        found = _SINGLE.fullmatch(segment)
        if found is None or found[1] != "EntityDefinitions":
            raise refusals.no_segment(segment)
        name, value = found[2] or "MetadataId", found[3].lower()
        for table in self._tables.by_name.values():
            if str(self._table(table)[name]).lower() == value:
                return table
        raise Refusal(404, "0x80060888", f"Could not find an entity with specified entity name: {found[3]}")

    def _table(self, table: Table) -> Document:
        if table.name not in self._rows:
            self._rows[table.name] = documents.table_document(table)
        return self._rows[table.name]

    def _with_parts(self, table: Table, names: set[str]) -> Document:
        columns = table.columns.values()
        found = dict(self._table(table))
        if "Attributes" in names:
            found["Attributes"] = [documents.column_document(table, column) for column in columns]
        if "Keys" in names:
            found["Keys"] = [documents.key_document(table, key) for key in table.keys]
        if "ManyToOneRelationships" in names:
            found["ManyToOneRelationships"] = [
                documents.relationship_document(self._tables.by_name, table, column, target)
                for column in columns
                for target in (_OWNERS if column.kind is Kind.OWNER else column.targets)
            ]
        return found


def _cast(rows: list[Document], segment: str) -> list[Document]:
    name = segment.removeprefix(_PREFIX)
    if name == segment or name not in documents.CASTS:
        raise refusals.no_segment(segment)
    return [row for row in rows if row["@odata.type"] == f"#{_PREFIX}{name}"]


def _listed(rows: list[Document], request: Request, root: str) -> Reply:
    found = asked.rows(rows, request.query)
    return json_reply({"@odata.context": root, "value": found}, message="Metadata", rows=len(found))


def _message_filter(table: Table, message: str) -> Document:
    message_id = documents.identity("message", message)
    return {
        "sdkmessagefilterid": documents.identity("filter", table.name, message),
        "primaryobjecttypecode": table.name,
        "_sdkmessageid_value": message_id,
        "sdkmessageid": {"name": message, "sdkmessageid": message_id},
        "isvalid": True,
    }
