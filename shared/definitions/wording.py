"""Pydantic's findings in plain words: where, what was found, what is allowed. Never a value in a secret's place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from shared.definitions.document import Document, Path
from shared.definitions.part import Part
from shared.values.problems import Problem

SECRET_PLACES = frozenset(
    {"tenant_id", "client_id", "client_secret", "certificate", "credentials", "auth", "connection", "headers", "bearer"}
    | {"sas", "secret", "signature"}
)
"""Keys under which somebody may have typed a secret; what stands there, keys included, is never shown."""
_SHOWABLE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}")
_TAG = re.compile(r"<[a-z_]+>")


def secret_place(path: Path) -> Path | None:
    """The path down to the first key in a secret's place, when it passes one."""
    for position, step in enumerate(path):
        if step in SECRET_PLACES:
            return path[: position + 1]
    return None


def showable_key(key: str) -> bool:
    """Whether an unknown key may be shown: `client_secret:hunter2` without a blank is a key that holds a secret."""
    lower = key.lower()
    return bool(_SHOWABLE_KEY.fullmatch(key)) and not any(
        lower.startswith(place) and len(lower) > len(place) + 1 for place in SECRET_PLACES
    )


def shown(value: object) -> str:
    """A value for a message: short texts quoted, containers by their kind."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:39] + "…")
    return "a mapping" if isinstance(value, Mapping) else "a list"


@dataclass(frozen=True, slots=True)
class _Place:
    """The model that a path leads into, and the field it ends at, where they can be told."""

    model: type[Part] | None
    field: FieldInfo | None

    @property
    def keys(self) -> list[str]:
        if self.model is None:
            return []
        return [setting.alias or name for name, setting in self.model.model_fields.items()]

    @property
    def meaning(self) -> str:
        return (self.field.description or "") if self.field is not None else ""


def model_parts(annotation: Any, tag: str | None = None) -> Iterator[tuple[str | None, type[Part]]]:
    """Every model inside an annotation, with the tag that chooses it."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield tag, annotation
        return
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        own = next((part.tag for part in arguments[1:] if isinstance(part, Tag)), tag)
        yield from model_parts(arguments[0], own)
        return
    for argument in arguments:
        yield from model_parts(argument, tag)


def _is_container(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_container(get_args(annotation)[0])
    if isinstance(origin, type) and issubclass(origin, Sequence | Mapping):
        return True
    return origin is not None and any(_is_container(argument) for argument in get_args(annotation))


def _field(model: type[Part], key: object) -> FieldInfo | None:
    return next((part for name, part in model.model_fields.items() if key == (part.alias or name)), None)


def place_of(root: type[Part], location: Path) -> _Place:
    """Follow a finding's location through the models."""
    choices: list[tuple[str | None, type[Part]]] = [(None, root)]
    setting: FieldInfo | None = None
    skip = False
    for step in location:
        if isinstance(step, str) and _TAG.fullmatch(step):
            choices = [choice for choice in choices if choice[0] == step]
        elif skip:
            skip = False
        else:
            owner = choices[0][1] if len(choices) == 1 else None
            setting = _field(owner, step) if owner is not None else None
            if setting is None:
                return _Place(owner, None)
            choices = list(model_parts(setting.annotation))
            skip = _is_container(setting.annotation)
            if not choices:
                return _Place(owner, setting)
    model = choices[0][1] if len(choices) == 1 else None
    return _Place(model, setting)


def nearest_key(key: str, allowed: Sequence[str]) -> str | None:
    """The allowed key that an unknown one was probably meant to be."""
    near = get_close_matches(key.lower(), allowed, n=1, cutoff=0.6)
    return near[0] if near else None


_BY_ANOTHER_NAME = {
    "delimited": ("csv", "tsv", "text", "txt", "csv file", "semicolon", "tab"),
    "fixed_width": ("fixed", "fwf", "flat", "flat file", "positional"),
    "excel": ("xlsx", "xlsm", "xls", "spreadsheet", "workbook"),
    "json": ("jsonl", "ndjson", "json lines"),
    "sql": ("database", "sqlite", "postgres", "postgresql", "sqlserver", "sql server", "mssql"),
    "rest": ("http", "https", "api", "rest api", "odata"),
    "dataverse": ("dynamics", "dynamics 365", "crm", "d365"),
}
"""What people call a kind beside its name here."""


def nearest_kind(kind: str, allowed: Sequence[str]) -> str | None:
    """The allowed kind that an unknown one was probably meant to be, by another name or by its spelling."""
    plain = kind.lower().strip().replace("-", " ").replace("_", " ")
    named = next((one for one, others in _BY_ANOTHER_NAME.items() if plain in others and one in allowed), None)
    return named or next(iter(get_close_matches(kind.lower(), allowed, n=1)), None)


def words(findings: Sequence[ErrorDetails], root: type[Part], document: Document) -> list[Problem]:
    """The findings as problems, in their order, each once; without those that only follow from another one."""
    meant = {
        (*finding["loc"][:-1], nearest_key(str(finding["loc"][-1]), place_of(root, finding["loc"][:-1]).keys))
        for finding in findings
        if finding["type"] == "extra_forbidden"
    }
    told = (finding for finding in findings if not _follows(finding, meant) and not _in_doubt(finding, document))
    return list(dict.fromkeys(_problem(finding, root, document) for finding in told))


def _in_doubt(finding: ErrorDetails, document: Document) -> bool:
    """Whether it lies where a key stands twice: the other one may be meant."""
    path = _path(finding, document)
    return any(path[: len(other)] == other for other in document.doubtful)


def _follows(finding: ErrorDetails, meant: Collection[tuple[str | int | None, ...]]) -> bool:
    """A key is missing because it is misspelt; a list is too short because an item of it is broken."""
    if finding["type"] == "missing":
        return finding["loc"] in meant
    value = finding["input"]
    return finding["type"] == "too_short" and isinstance(value, list) and len(value) >= finding["ctx"]["min_length"]


def _child(value: object, step: str | int) -> tuple[bool, object]:
    """Whether the step leads into the value, and to what."""
    if isinstance(value, dict) and step in value:
        return True, value[step]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return True, value[step]
    return False, value


def _path(finding: ErrorDetails, document: Document) -> Path:
    """The finding's path in the document: without tags and whatever else pydantic puts in between."""
    value, path = document.value, list[str | int]()
    last = len(finding["loc"]) - 1
    for position, step in enumerate(finding["loc"]):
        inside, child = _child(value, step)
        if inside or (position == last and finding["type"] == "missing"):
            path.append(step)
            value = child
    return tuple(path)


def _problem(finding: ErrorDetails, root: type[Part], document: Document) -> Problem:
    path = _path(finding, document)
    hidden = secret_place(path)
    place = place_of(root, finding["loc"])
    if hidden is not None and (len(path) > len(hidden) or finding["type"] != "missing"):
        return _located(hidden, _NOT_SHOWN, _IN_SECRET_PLACE.get(str(hidden[-1]), _REFERENCE), document)
    if finding["type"] == "extra_forbidden":
        return _located(*_unknown_key(finding, path, place_of(root, finding["loc"][:-1])), document)
    if finding["loc"][-1] == "[key]":
        names = _SYNC_NAMES if path[:-1] == ("secrets",) else _NAMES
        return _located(path[:-1], "holds a name that is not allowed", names, document)
    found, remedy = _found(finding, place)
    return _located(path, found, remedy, document)


_NAMES = "names begin with a letter or underscore and hold letters, digits and underscores, at most 64"
_SYNC_NAMES = "write a sync's name: lower-case letters, digits and single hyphens"
_NOT_SHOWN = "is not what may stand here (what was found is not shown, for it may be a secret)"
_REFERENCE = "write a reference such as { secret: <name of a Key Vault secret> }, never the value"
_IN_SECRET_PLACE = {
    "auth": "write client_secret, certificate or managed_identity",
    "credentials": "write a list of { client_id: { secret: <name> }, client_secret: { secret: <name> } }, with "
    "names of Key Vault secrets, never their values",
    "headers": "write a name and a text for each header, or a name and a reference such as { secret: <name> }",
    "secret": "write the name of a Key Vault secret (letters, digits and hyphens), never its value",
}
"""What to write in a secret's place, where that is not a reference."""


def _located(path: Path, found: str, remedy: str, document: Document) -> Problem:
    line = document.line(path)
    return Problem(".".join(map(str, path)), f"{found} (line {line})" if line is not None else found, remedy)


def _unknown_key(finding: ErrorDetails, path: Path, place: _Place) -> tuple[Path, str, str]:
    key = str(finding["loc"][-1])
    near = nearest_key(key, place.keys)
    remedy = (f"did you mean {near!r}? " if near else "") + f"Allowed: {', '.join(place.keys)}"
    if not showable_key(key):
        return path[:-1], "holds an unknown key (not shown, for it may hold a secret)", remedy
    return path, f"unknown key {key!r}", remedy


_KINDS = {
    "string_type": ("a text", "write a text; put it in quotes when it looks like a number, true, false or null"),
    "bool_type": ("true or false", "write true or false"),
    "int_type": ("a whole number", "write a whole number without quotes"),
    "tuple_type": ("a list", "write a list: [a, b]"),
    "dict_type": ("a mapping", "write keys and values"),
    "mapping_type": ("a mapping", "write keys and values"),
    "model_type": ("a mapping", "write keys and values"),
    "model_attributes_type": ("a mapping", "write keys and values"),
}
_BOUNDS = {
    "greater_than_equal": ("ge", "the least allowed is {}"),
    "less_than_equal": ("le", "the most allowed is {}"),
    "string_too_long": ("max_length", "at most {} characters are allowed"),
    "too_long": ("max_length", "at most {} are allowed"),
    "too_short": ("min_length", "at least {} is needed"),
}


def _found(finding: ErrorDetails, place: _Place) -> tuple[str, str]:
    kind, context, value = finding["type"], finding.get("ctx", {}), finding["input"]
    if kind == "missing":
        return "is missing", f"add it: {place.meaning}" if place.meaning else "add it"
    if kind == "value_error":
        return _own_words(str(context["error"]), value)
    if kind.startswith("union_tag"):
        return _no_variant(value, place)
    return _by_kind(kind, context, value, place)


def _by_kind(kind: str, context: Mapping[str, Any], value: object, place: _Place) -> tuple[str, str]:
    if kind == "literal_error":
        return f"{shown(value)} is not allowed", f"write {context['expected']}"
    if kind in _KINDS:
        wanted, remedy = _KINDS[kind]
        keys = f": {', '.join(place.keys)}" if wanted == "a mapping" and place.keys else ""
        return f"{shown(value)} is not {wanted}", remedy + keys
    if kind in _BOUNDS:
        name, sentence = _BOUNDS[kind]
        size = f"{shown(value)} is outside the bounds" if isinstance(value, int | float) else "has the wrong length"
        return size, sentence.format(context[name])
    if kind == "string_pattern_mismatch" and isinstance(value, str) and showable_key(value):
        return f"{shown(value)} is not allowed", place.meaning or "see the settings reference"
    return "has a value that is not allowed", place.meaning or "see the settings reference"


def _own_words(message: str, value: object) -> tuple[str, str]:
    """Our validators write `is …; remedy`, a clause about the value; the value is left out where it may be anything."""
    found, _, remedy = message.partition("; ")
    named = isinstance(value, str | int | float) and found.startswith("is ") and found != "is empty"
    return (f"{shown(value)} {found}" if named else found), remedy


def _no_variant(value: object, place: _Place) -> tuple[str, str]:
    kinds = _kinds(place)
    if kinds and isinstance(value, Mapping):
        if "type" not in value:
            return "has no type", f"add type: {', '.join(kinds)}"
        near = nearest_kind(str(value["type"]), kinds)
        meant = f"did you mean {near!r}? " if near else ""
        return f"type {shown(value['type'])} is not known", f"{meant}Allowed: {', '.join(kinds)}"
    wrong = (
        "is not one of the forms that are allowed" if isinstance(value, Mapping) else f"{shown(value)} is not allowed"
    )
    return wrong, place.meaning


def _kinds(place: _Place) -> list[str]:
    """The values of `type` that the variants at a place are told apart by."""
    variants = [model for _, model in model_parts(place.field.annotation)] if place.field is not None else []
    types = [get_args(model.model_fields["type"].annotation) for model in variants if "type" in model.model_fields]
    return [kind for (kind,) in types] if len(types) > 1 else []
