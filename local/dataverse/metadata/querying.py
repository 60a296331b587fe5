"""RetrieveMetadataChanges: tables, columns, keys and relationships by criteria, in one answer.

Every answer is a whole one: there is no client version stamp to tell the changes since.
Source: Microsoft Learn, "RetrieveMetadataChanges Function", "Query schema definitions".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote

import orjson

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.metadata import refused
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.catalogue import Catalogue
from local.dataverse.metadata.labels import Document
from local.dataverse.odata import options as query_options

_PARAMETERS = ("Query", "ClientVersionStamp", "DeletedMetadataFilters", "AppModuleId")
_PARTS = {
    "AttributeQuery": ("Attributes",),
    "KeyQuery": ("Keys",),
    "RelationshipQuery": ("ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships"),
}
_OPERATORS: dict[str, Callable[[object, object], bool]] = {
    "Equals": lambda found, wanted: found == wanted,
    "NotEquals": lambda found, wanted: found != wanted,
    "In": lambda found, wanted: isinstance(wanted, list) and found in wanted,
    "NotIn": lambda found, wanted: isinstance(wanted, list) and found not in wanted,
    "GreaterThan": lambda found, wanted: _number(found) > _number(wanted),
    "LessThan": lambda found, wanted: _number(found) < _number(wanted),
}


def answer(catalogue: Catalogue, segment: str, request: Request) -> Reply:
    """The answer to `RetrieveMetadataChanges(Query=@p1)`.

    Raises:
        Refusal: the query cannot be understood.
    """
    if request.method != "GET":
        raise refusals.no_resource()
    query = Body.of("EntityQueryExpression", _query(segment, request))
    query.only(("Properties", "Criteria", "LabelQuery", *_PARTS))
    properties = _properties(query)
    found = []
    for row in catalogue.entities():
        if _fits(_filter(query), row):
            found.append(_with_parts(catalogue, query, properties, row))
    document: Document = {
        "@odata.context": f"{request.root}$metadata#Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse",
        "ServerVersionStamp": "",
        "DeletedMetadata": None,
        "EntityMetadata": found,
    }
    return json_reply(document, message="Metadata", rows=len(found))


def _query(segment: str, request: Request) -> object:
    inner = segment.partition("(")[2].removesuffix(")")
    text = ""
    for part in inner.split(","):
        name, _, alias = part.strip().partition("=")
        if name not in _PARAMETERS:
            raise refusals.no_segment(unquote(segment)[:200])
        if name == "Query":
            text = query_options.pairs(request.query).get(alias.strip(), alias)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise refusals.query(f"The Query of RetrieveMetadataChanges is no JSON: {cause}.") from None


def _with_parts(catalogue: Catalogue, query: Body, properties: list[str] | None, row: Document) -> Document:
    found = _shaped(row, properties)
    for asked, parts in _PARTS.items():
        inner = query.part(asked, "MetadataQueryExpression")
        inner.only(("Properties", "Criteria"))
        wanted = _properties(inner)
        for part in parts:
            if properties is None or part in properties:
                listed = [item for item in catalogue.part(str(row["LogicalName"]), part) if _fits(_filter(inner), item)]
                found[part] = [_shaped(item, wanted) for item in listed]
    return found


def _properties(query: Body) -> list[str] | None:
    """The names that are asked for; None for all."""
    inner = query.part("Properties", "MetadataPropertiesExpression")
    inner.only(("AllProperties", "PropertyNames"))
    if inner.flag("AllProperties"):
        return None
    return [str(name) for name in inner.listed("PropertyNames")]


def _shaped(row: Document, names: list[str] | None) -> Document:
    if names is None:
        return dict(row)
    kept = ("@odata.type", "MetadataId", "LogicalName", *names)
    return {name: value for name, value in row.items() if name in kept}


def _filter(query: Body) -> Body:
    return query.part("Criteria", "MetadataFilterExpression")


def _fits(criteria: Body, row: Mapping[str, object]) -> bool:
    criteria.only(("FilterOperator", "Conditions", "Filters"))
    tests = [_holds(Body.of("MetadataConditionExpression", item), row) for item in criteria.listed("Conditions")]
    tests += [_fits(Body.of(criteria.kind, item), row) for item in criteria.listed("Filters")]
    return any(tests) if criteria.text("FilterOperator") == "Or" and tests else all(tests)


def _holds(condition: Body, row: Mapping[str, object]) -> bool:
    condition.only(("PropertyName", "ConditionOperator", "Value"))
    operator, name = condition.text("ConditionOperator", "Equals"), condition.text("PropertyName")
    if operator not in _OPERATORS:
        raise refused.wrong_member(condition.kind, "ConditionOperator", f"one of {', '.join(_OPERATORS)}")
    given = condition.members.get("Value")
    wanted = _read(given.get("Value")) if isinstance(given, dict) else given
    found = row.get(name)
    return _OPERATORS[operator](found.get("Value") if isinstance(found, dict) and "Value" in found else found, wanted)


def _read(value: object) -> object:
    """A value as it was written: alone, or as JSON inside a text."""
    if not isinstance(value, str):
        return value
    plain = {"true": True, "false": False, "True": True, "False": False}
    if value.startswith("["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return plain.get(value, value)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise refusals.query(f"'{str(value)[:50]}' is no number that can be compared.") from None
