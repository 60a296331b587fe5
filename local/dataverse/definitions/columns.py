"""One column of the table-definition file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from local.dataverse.definitions import bounds
from local.dataverse.definitions.forms import ColumnForm, TargetForm
from local.dataverse.definitions.names import prefixed
from local.dataverse.tables import CONTENTS, Column, Kind, Option, OptionSet, Target

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
_FORMAT = {Kind.TEXT: "text", Kind.MEMO: "textarea"}


@dataclass(frozen=True, slots=True)
class Place:
    """The column that is read: its table, its name, and the option sets that it may have."""

    table: str
    name: str
    primary_name: bool
    option_sets: Mapping[str, OptionSet]


def column(place: Place, form: ColumnForm) -> Column:
    """A column of the file."""
    kind, behaviour, date_only = kind_of(form)
    low, high, precision = _bounds(kind, form)
    custom = prefixed(place.name) if form.custom is None else form.custom
    schema = form.schema_name or place.name
    return Column(
        name=place.name,
        schema_name=schema,
        kind=kind,
        label=form.label or schema,
        required=_REQUIRED[form.required],
        creatable=kind not in CONTENTS if form.create is None else form.create,
        updatable=kind is not Kind.FILE if form.update is None else form.update,
        max_length=_size(bounds.LENGTH, kind, form),
        low=low,
        high=high,
        precision=precision,
        precision_source=_source(kind, form),
        behaviour=behaviour,
        date_only_format=date_only,
        options=_options(kind, form, place),
        default=False if kind is Kind.BOOLEAN and form.default is None else form.default,
        targets=_targets(kind, form, place, custom=custom),
        primary_name=place.primary_name,
        custom=custom,
        text_format=_FORMATS[form.text_format or _FORMAT[kind]] if kind in _FORMAT else None,
        option_set=form.option_set,
        description=form.description,
        max_size_kb=_size(bounds.MAX_SIZE_KB, kind, form),
    )


def kind_of(form: ColumnForm) -> tuple[Kind, str | None, bool]:
    """The kind of a column; of a date and time how it behaves and whether it is shown as a date."""
    if form.kind in _EXTRA_TYPES:
        return Kind.DATETIME, *_EXTRA_TYPES[form.kind]
    return Kind(form.kind), None, False


def _size(defaults: Mapping[Kind, int], kind: Kind, form: ColumnForm) -> int | None:
    if kind not in defaults:
        return None
    return defaults[kind] if form.high is None else int(form.high)


def _bounds(kind: Kind, form: ColumnForm) -> tuple[Decimal | None, Decimal | None, int | None]:
    if kind not in bounds.WIDEST:
        return None, None, None
    low, high = bounds.WIDEST[kind]
    precision = bounds.PRECISION.get(kind) if form.precision is None else form.precision
    return low if form.low is None else form.low, high if form.high is None else form.high, precision


def _source(kind: Kind, form: ColumnForm) -> int | None:
    if kind is not Kind.MONEY:
        return None
    return 2 if form.precision_source is None else form.precision_source


def _options(kind: Kind, form: ColumnForm, place: Place) -> tuple[Option, ...]:
    if form.option_set is not None:
        shared = place.option_sets.get(form.option_set)
        return () if shared is None else shared.options
    if form.options is None:
        return (Option(0, "No"), Option(1, "Yes")) if kind is Kind.BOOLEAN else ()
    return tuple(Option(value, label) for value, label in form.options.items())


def _targets(kind: Kind, form: ColumnForm, place: Place, *, custom: bool) -> tuple[Target, ...]:
    if kind not in (Kind.LOOKUP, Kind.CUSTOMER):
        return ()
    both = {"account": TargetForm(), "contact": TargetForm()} if kind is Kind.CUSTOMER else {}
    listed = both if form.targets is None else form.targets
    schema = (form.schema_name or place.name) if "_" in place.name else place.name
    return tuple(
        Target(
            table,
            navigation=given.navigation or (f"{schema}_{table}" if len(listed) > 1 else schema),
            relationship=given.relationship or f"{place.table}_{place.name}_{table}",
            restrict=given.delete == "restrict",
            cascade=given.delete == "cascade",
            collection=given.collection or "",
            custom=custom,
        )
        for table, given in listed.items()
    )
