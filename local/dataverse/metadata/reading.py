"""Reads of metadata: what a path below the service root leads to, and the rows or the row that it gives.

Source: Microsoft Learn, "Query table definitions using the Web API".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.metadata import asked, columndocuments
from local.dataverse.metadata.catalogue import PARTS, Catalogue
from local.dataverse.metadata.labels import Document
from local.dataverse.odata import options as query_options
from local.dataverse.refusals import Refusal

ENTITIES, RELATIONSHIPS, OPTION_SETS = "EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions"
ROOTS = (ENTITIES, RELATIONSHIPS, OPTION_SETS)
_KEYED = re.compile(r"(\w+)\(\s*(?:(\w+)\s*=\s*)?('(?:[^']|'')*'|[^'()=]+?)\s*\)")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TYPES = {
    ENTITIES: "EntityMetadata",
    "Attributes": "AttributeMetadata",
    "Keys": "EntityKeyMetadata",
    RELATIONSHIPS: "RelationshipMetadataBase",
    OPTION_SETS: "OptionSetMetadataBase",
    "ManyToOneRelationships": "OneToManyRelationshipMetadata",
    "OneToManyRelationships": "OneToManyRelationshipMetadata",
    "ManyToManyRelationships": "ManyToManyRelationshipMetadata",
}
_NAMES = {
    ENTITIES: "LogicalName",
    "Attributes": "LogicalName",
    "Keys": "LogicalName",
    OPTION_SETS: "Name",
}
"""The property that addresses a row by name; relationships go by SchemaName."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a path: `Attributes`, or `Attributes(LogicalName='name')` with the key's property and value."""

    name: str
    key: str = ""
    value: str = ""


def segment_of(text: str) -> Segment:
    """A segment, read.

    Raises:
        Refusal: it cannot be, or the key is none of its type.
    """
    if re.fullmatch(r"[\w.]+", text):
        return Segment(text)
    found = _KEYED.fullmatch(text)
    if found is None:
        raise refusals.no_segment(text)
    name, raw = found[1], found[3]
    key = found[2] or "MetadataId"
    quoted = raw.startswith("'")
    if key not in ("MetadataId", _NAMES.get(name, "SchemaName")) or (key != "MetadataId" and not quoted):
        raise refusals.no_key(_TYPES.get(name, name))
    value = raw[1:-1].replace("''", "'") if quoted else raw
    if key == "MetadataId" and (quoted or not _GUID.fullmatch(value)):
        raise refusals.no_key(_TYPES.get(name, name))
    return Segment(name, key, value)


def one_of(rows: list[Document], segment: Segment) -> Document:
    """The row that a keyed segment addresses.

    Raises:
        Refusal: there is none.
    """
    wanted = segment.value.lower()
    for row in rows:
        if str(row.get(segment.key, "")).lower() == wanted:
            return row
    what = {ENTITIES: "an entity", "Attributes": "an attribute", "Keys": "an entity key"}.get(segment.name, "metadata")
    shown = segment.value[:100]
    raise Refusal(404, "0x80060888", f"Could not find {what} with specified {segment.key}: {shown}.")


def read(catalogue: Catalogue, segments: list[str], request: Request) -> Reply:
    """The answer to a read of EntityDefinitions, RelationshipDefinitions or GlobalOptionSetDefinitions.

    Raises:
        Refusal: there is no such table, column, key, relationship, option set or property.
    """
    path = [segment_of(part) for part in segments]
    context = f"{request.root}$metadata#{path[0].name}"
    options = query_options.read(request.query)
    if options.orderby:  # not documented as supported here; the plausible answer is that of other such options
        raise refusals.query("The query parameter $orderby is not supported")
    first = path[0]
    if first.name == OPTION_SETS and not first.key and (options.filter is not None or options.select):
        raise refusals.wrong_verb()
    rows = _rows(catalogue, first.name)
    if first.name != ENTITIES or not first.key:
        if not first.key and first.name == ENTITIES:
            parts = {expand.navigation for expand in options.expand}
            rows = [catalogue.with_parts(row, parts) for row in rows] if parts else rows
        return _answer(rows, path, options, context)
    table = one_of(rows, first)
    if len(path) == 1:
        parts = {expand.navigation for expand in options.expand}
        return _one(catalogue.with_parts(table, parts), options, _known(ENTITIES, rows, None), context)
    if path[1].name not in PARTS:
        return _property(table, path[1:], context)
    part = catalogue.part(str(table["LogicalName"]), path[1].name)
    return _answer(part, path[1:], options, f"{context}('{table['LogicalName']}')/{path[1].name}")


def _rows(catalogue: Catalogue, name: str) -> list[Document]:
    found = {
        ENTITIES: catalogue.entities,
        RELATIONSHIPS: catalogue.relationships,
        OPTION_SETS: catalogue.option_sets,
    }
    return found[name]()


def _answer(rows: list[Document], path: list[Segment], options: query_options.Options, context: str) -> Reply:
    """A collection or one of its rows; a cast may stand behind either."""
    first, rest = path[0], path[1:]
    row = one_of(rows, first) if first.key else None
    cast = None
    if rest and rest[0].name.startswith(columndocuments.PREFIX) and not rest[0].key:
        cast, rest = rest[0].name.removeprefix(columndocuments.PREFIX), rest[1:]
        rows = _cast(first.name, rows if row is None else [row], cast)
        if row is not None and not rows:
            raise Refusal(404, "0x80060888", f"Could not find metadata of the type {cast} with that key.")
    if row is not None and rest:
        return _property(row, rest, context)
    if rest:
        raise refusals.no_segment(rest[0].name)
    known = _known(first.name, rows, cast)
    if row is not None:
        return _one(row, options, None if first.name == "Attributes" and cast is None else known, context)
    found = asked.rows([_plain(first.name, r) for r in rows], options, known)
    return json_reply({"@odata.context": context, "value": found}, message="Metadata", rows=len(found))


def _known(name: str, rows: list[Document], cast: str | None) -> frozenset[str] | None:
    """The properties that may be selected; None where rows of several types stand together."""
    if name == "Attributes":
        return columndocuments.properties(cast)
    if name in (RELATIONSHIPS, OPTION_SETS) or not rows:
        return None
    return frozenset(rows[0]) | {"MetadataId"}


def _plain(name: str, row: Document) -> Document:
    """A row of a collection whose type is told by the collection carries no type."""
    if name not in PARTS or name == "Attributes":
        return row
    return {member: value for member, value in row.items() if member != "@odata.type"}


def _cast(name: str, rows: list[Document], cast: str) -> list[Document]:
    allowed = {
        "Attributes": columndocuments.CASTS,
        RELATIONSHIPS: {"OneToManyRelationshipMetadata", "ManyToManyRelationshipMetadata"},
        OPTION_SETS: {"OptionSetMetadata", "BooleanOptionSetMetadata"},
    }
    if cast not in allowed.get(name, ()):
        raise refusals.no_segment(columndocuments.PREFIX + cast)
    return [row for row in rows if row["@odata.type"] == f"#{columndocuments.PREFIX}{cast}"]


def _one(row: Document, options: query_options.Options, known: frozenset[str] | None, context: str) -> Reply:
    asked.check(options, known)
    document = {"@odata.context": f"{context}/$entity", **asked.shaped(row, options)}
    return json_reply(document, message="Metadata", rows=1)


def _property(row: Document, path: list[Segment], context: str) -> Reply:
    """One property of a row: `…/OptionSet`, `…/DisplayName`, `…/SchemaName`, and what stands inside it."""
    value: object = row
    for segment in path:
        if segment.key or not isinstance(value, dict) or segment.name not in value:
            raise refusals.no_segment(segment.name)
        value = value[segment.name]
        context = f"{context}/{segment.name}"
    if value is None:
        return Reply(204, message="Metadata")
    document = value if isinstance(value, dict) else {"value": value}
    return json_reply({"@odata.context": context, **document}, message="Metadata", rows=1)
