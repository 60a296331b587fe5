"""The OpenAPI 3.1 document, made from the same table as the routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import TypeAdapter

from shared.permissions import NEEDS, Scope
from shared.web import idempotency, preconditions
from shared.web.forms import FORM_FIELD
from shared.web.problems import CONTENT_TYPE, ProblemDocument
from shared.web.routing import Route

_NAME = {"type": "string", "minLength": 1}
_PATH = {"number": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999}}
"""What stands in a path and is no name."""
_REF = "#/components/schemas/{model}"
_REASONS = {
    400: "The call cannot be understood.",
    401: "Nobody is signed in.",
    403: "The caller may not do that.",
    404: "There is no such thing, or the caller may not know of it.",
    409: "The state of the job, or of the definition, does not allow that.",
    412: "Somebody else has changed it since it was read.",
    413: "The call is too large.",
    415: "The body has a type that is not taken.",
    422: "The call holds what is not allowed.",
    428: "The call does not say which revision it changes.",
    500: "A fault of the program.",
    502: "Another system refused.",
    503: "Not now; try again after a while.",
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The whole document."""
    found = tuple(routes)
    names, schemas = _schemas(found)
    paths: dict[str, dict[str, Any]] = {}
    for route in found:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, names, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dynamics Sync",
            "version": version,
            "description": "Keeps Dynamics 365 / Dataverse tables in step with other systems.",
        },
        "security": [{"entra": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "entra": {"type": "http", "scheme": "bearer", "description": "A token of Entra for this app."},
                "key": {"type": "apiKey", "in": "header", "name": "x-functions-key", "description": "A function key."},
            },
        },
    }


Schemas = Mapping[tuple[str, str], Any]


def _schemas(routes: tuple[Route, ...]) -> tuple[Schemas, dict[str, Any]]:
    """The schema of every route's body, query and answer, by route and use; and all that they refer to."""
    wanted: list[tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]] = [
        ("problem", "serialization", TypeAdapter(ProblemDocument))
    ]
    for route in routes:
        wanted.append((_id(route, "gives"), "serialization", TypeAdapter(route.gives)))
        if route.takes is not None:
            wanted.append((_id(route, "takes"), "validation", TypeAdapter(route.takes)))
        if route.query is not None:
            wanted.append((_id(route, "query"), "validation", TypeAdapter(route.query)))
    found, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REF)
    return {(key, mode): schema for (key, mode), schema in found.items()}, definitions.get("$defs", {})


def _id(route: Route, use: str) -> str:
    return f"{route.method} {route.path} {use}"


def _operation(route: Route, schemas: Schemas, definitions: Mapping[str, Any]) -> dict[str, Any]:
    need = NEEDS[route.operation]
    told: dict[str, Any] = {
        "operationId": route.id or route.does.__name__,
        "summary": route.summary,
        "description": _right(route),
        "parameters": _parameters(route, schemas, definitions),
        "responses": _responses(route, schemas),
    }
    if route.takes is not None:
        told["requestBody"] = _body(route, schemas)
    if need.scope is Scope.ANYBODY:
        told["security"] = [{}, {"entra": []}]
    elif route.key:
        told["security"] = [{"key": []}]
    return told


def _right(route: Route) -> str:
    need = NEEDS[route.operation]
    rights = " or ".join(sorted(right.value for right in need.any_of))
    more = " What it leads to may need more." if route.notes else ""
    return f"Needs {rights} on {need.scope.value}.{more}" if rights else f"For {need.scope.value}."


def _parameters(route: Route, schemas: Schemas, definitions: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": dict(_PATH.get(name, _NAME))} for name in route.names
    ]
    if route.query is not None:
        model = definitions[route.query.__name__]
        for name, schema in model["properties"].items():
            plain = {key: value for key, value in schema.items() if key != "description"}
            parameter = {"name": name, "in": "query", "required": name in model.get("required", ()), "schema": plain}
            if "description" in schema:
                parameter["description"] = schema["description"]
            if schema.get("type") == "array":
                parameter |= {"style": "form", "explode": False}
            found.append(parameter)
    if route.takes is not None and route.files:
        found.append(dict(idempotency.PARAMETER))
    if route.conditional:
        found.append(dict(preconditions.PARAMETER))
    return found


def _body(route: Route, schemas: Schemas) -> dict[str, Any]:
    model = schemas[_id(route, "takes"), "validation"]
    content: dict[str, Any] = {"application/json": {"schema": model}}
    if route.files:
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {FORM_FIELD: model},
                "required": [FORM_FIELD],
                "additionalProperties": {"type": "string", "contentMediaType": "application/octet-stream"},
                "description": f"`{FORM_FIELD}` is the JSON; every other part is a file, named by its variable.",
            },
            "encoding": {FORM_FIELD: {"contentType": "application/json"}},
        }
    return {"required": True, "content": content}


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": "As asked.",
        "content": {media: {"schema": schemas[_id(route, "gives"), "serialization"]} for media in route.media},
    }
    if route.status == 202:
        answer["headers"] = {"Location": {"description": "Where the job is.", "schema": {"type": "string"}}}
    if route.tagged:
        answer["headers"] = {"ETag": dict(preconditions.TAG)}
    found: dict[str, Any] = {str(route.status): answer}
    problem = {CONTENT_TYPE: {"schema": schemas["problem", "serialization"]}}
    for status in sorted(refusals(route)):
        found[str(status)] = {"description": _REASONS[status], "content": problem}
    if NEEDS[route.operation].scope is Scope.ANYBODY and route.path.endswith("health"):
        found["503"] = {**answer, "description": "The app is down."}
    return found


def refusals(route: Route) -> frozenset[int]:
    """The statuses with which a route may refuse: those of every route, of its right, its form, and its own."""
    found = {500, 422, 503, *route.refuses}
    if NEEDS[route.operation].scope is not Scope.ANYBODY:
        found |= {401, 403}
    if route.names or route.asks:
        found |= {404}
    if route.takes is not None:
        found |= {400, 413, 415}
    if route.conditional:
        found |= {412, 428}
    return frozenset(found)
