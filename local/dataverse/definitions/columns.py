"""One column of the table-definition file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from local.dataverse.definitions import bounds
from local.dataverse.definitions.mistakes import TableFileError, one_of, only
from local.dataverse.tables import CONTENTS, Column, Kind, Option, OptionSet, Target

_WORDS = frozenset(
    [
        "schema",
        "type",
        "label",
        "description",
        "required",
        "max",
        "min",
        "precision",
        "precision_source",
        "behaviour",
        "date_only",
        "format",
        "options",
        "option_set",
        "default",
        "targets",
        "create",
        "update",
    ]
)
_TARGET_WORDS = frozenset(("navigation", "relationship", "delete", "collection"))
_EXTRA_TYPES = {
    "date": ("DateOnly", True),
    "date_user_local": ("UserLocal", True),
    "datetime": ("UserLocal", False),
    "datetime_independent": ("TimeZoneIndependent", False),
}
_REQUIRED = {
    "system": "SystemRequired",
    "application": "ApplicationRequired",
    "recommended": "Recommended",
    "none": "None",
}
_DELETES = {word: word for word in ("restrict", "cascade", "remove_link")}
_FORMATS = {
    "text": "Text",
    "email": "Email",
    "url": "Url",
    "phone": "Phone",
    "textarea": "TextArea",
    "ticker": "TickerSymbol",
    "json": "Json",
    "richtext": "RichText",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The column that is read: its table, its name, and what it may refer to."""

    table: str
    name: str
    primary_name: bool
    option_sets: Mapping[str, OptionSet]

    def __str__(self) -> str:
        return f"table {self.table}, column {self.name}"


def column(place: Place, spec: dict[str, Any]) -> Column:
    """A column of the file.

    Raises:
        TableFileError: a part of it is not as described.
    """
    only(spec, _WORDS, str(place))
    kind, behaviour, date_only = _kind(spec, place)
    low, high, precision = _bounds(kind, spec, place)
    return Column(
        name=place.name,
        schema_name=str(spec.get("schema", place.name)),
        kind=kind,
        label=str(spec.get("label", spec.get("schema", place.name))),
        required=one_of(_REQUIRED, spec.get("required", "none"), f"{place}: required"),
        creatable=bool(spec.get("create", kind not in CONTENTS)),
        updatable=bool(spec.get("update", kind not in CONTENTS)),
        max_length=int(spec.get("max", bounds.LENGTH[kind])) if kind in bounds.LENGTH else None,
        low=low,
        high=high,
        precision=precision,
        precision_source=int(spec.get("precision_source", 2)) if kind is Kind.MONEY else None,
        behaviour=behaviour,
        date_only_format=date_only,
        options=_options(kind, spec, place),
        default=spec.get("default", False if kind is Kind.BOOLEAN else None),
        targets=_targets(kind, spec, place),
        primary_name=place.primary_name,
        custom=place.name.startswith("new_"),
        text_format=_format(kind, spec, place),
        option_set=spec.get("option_set"),
        description=str(spec.get("description", "")),
        max_size_kb=int(spec.get("max", bounds.MAX_SIZE_KB[kind])) if kind in bounds.MAX_SIZE_KB else None,
    )


def _kind(spec: Mapping[str, Any], place: Place) -> tuple[Kind, str | None, bool]:
    word = str(spec.get("type", "text"))
    if word in _EXTRA_TYPES:
        behaviour, date_only = _EXTRA_TYPES[word]
        return Kind.DATETIME, behaviour, date_only
    try:
        return Kind(word), None, False
    except ValueError:
        allowed = ", ".join([*Kind, *_EXTRA_TYPES])
        raise TableFileError(f"{place}: type {word!r} is none of {allowed}") from None


def _bounds(kind: Kind, spec: Mapping[str, Any], place: Place) -> tuple[Decimal | None, Decimal | None, int | None]:
    if kind not in bounds.WIDEST:
        return None, None, None
    low, high = bounds.WIDEST[kind]
    precision = spec.get("precision", bounds.PRECISION.get(kind))
    least, most = Decimal(str(spec.get("min", low))), Decimal(str(spec.get("max", high)))
    if bounds.too_many_digits(kind, least, most, precision):
        raise TableFileError(f"{place}: min, max and precision need more than 18 digits; state narrower ones")
    return least, most, None if precision is None else int(precision)


def _format(kind: Kind, spec: Mapping[str, Any], place: Place) -> str | None:
    default = {Kind.TEXT: "text", Kind.MEMO: "textarea"}.get(kind)
    return None if default is None else one_of(_FORMATS, spec.get("format", default), f"{place}: format")


def _options(kind: Kind, spec: Mapping[str, Any], place: Place) -> tuple[Option, ...]:
    name = spec.get("option_set")
    if name is not None:
        if name not in place.option_sets:
            raise TableFileError(
                f"{place}: option set {name!r} is none of {', '.join(place.option_sets) or 'the file'}"
            )
        return place.option_sets[name].options
    listed = spec.get("options")
    if listed is None:
        return (Option(0, "No"), Option(1, "Yes")) if kind is Kind.BOOLEAN else ()
    return tuple(Option(int(value), str(label)) for value, label in listed.items())


def _targets(kind: Kind, spec: Mapping[str, Any], place: Place) -> tuple[Target, ...]:
    if kind is Kind.OWNER:
        return tuple(
            Target(t, "ownerid", f"{prefix}_{place.table}s") for t, prefix in (("systemuser", "user"), ("team", "team"))
        )
    if kind not in (Kind.LOOKUP, Kind.CUSTOMER):
        return ()
    listed = spec.get("targets", {"account": {}, "contact": {}} if kind is Kind.CUSTOMER else {})
    several = len(listed) > 1
    schema = str(spec.get("schema", place.name)) if "_" in place.name else place.name
    targets = []
    for target, given in listed.items():
        settings = given or {}
        only(settings, _TARGET_WORDS, f"{place}, target {target}")
        delete = one_of(_DELETES, settings.get("delete", "remove_link"), f"{place}, target {target}: delete")
        targets.append(
            Target(
                target,
                navigation=str(settings.get("navigation", f"{schema}_{target}" if several else schema)),
                relationship=str(settings.get("relationship", f"{place.table}_{place.name}_{target}")),
                restrict=delete == "restrict",
                cascade=delete == "cascade",
                collection=str(settings.get("collection", "")),
                custom=place.name.startswith("new_"),
            )
        )
    return tuple(targets)
