"""Columns from attribute metadata. Everything from the service is looked at, nothing is trusted to be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.dataverse.metadata.json import Json, flag, inner, label, number, objects, text, whole
from shared.values.tables import Column, ColumnKind, DateBehaviour, LookupTarget, Option

KINDS: Mapping[str, ColumnKind] = {
    "StringType": ColumnKind.TEXT,
    "MemoType": ColumnKind.MEMO,
    "IntegerType": ColumnKind.INTEGER,
    "BigIntType": ColumnKind.BIGINT,
    "DecimalType": ColumnKind.DECIMAL,
    "DoubleType": ColumnKind.DOUBLE,
    "MoneyType": ColumnKind.MONEY,
    "BooleanType": ColumnKind.BOOLEAN,
    "DateTimeType": ColumnKind.DATETIME,
    "PicklistType": ColumnKind.CHOICE,
    "MultiSelectPicklistType": ColumnKind.CHOICES,
    "StateType": ColumnKind.STATE,
    "StatusType": ColumnKind.STATUS,
    "LookupType": ColumnKind.LOOKUP,
    "CustomerType": ColumnKind.LOOKUP,
    "OwnerType": ColumnKind.OWNER,
    "UniqueidentifierType": ColumnKind.UNIQUEIDENTIFIER,
}
"""By `AttributeTypeName`; every other (images, files, party lists, virtual …) is not supported."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The part of a column that only its own metadata type tells: a segment and what to ask of it."""

    segment: str
    query: str


def _cast(name: str, query: str) -> Cast:
    return Cast(f"Microsoft.Dynamics.CRM.{name}AttributeMetadata", query)


_OPTIONS = "$select=LogicalName&$expand=OptionSet"
_LOOKUPS = _cast("Lookup", "$select=LogicalName,Targets")
CASTS: Mapping[ColumnKind, Cast] = {
    ColumnKind.TEXT: _cast("String", "$select=LogicalName,MaxLength"),
    ColumnKind.MEMO: _cast("Memo", "$select=LogicalName,MaxLength"),
    ColumnKind.INTEGER: _cast("Integer", "$select=LogicalName,MinValue,MaxValue"),
    ColumnKind.DECIMAL: _cast("Decimal", "$select=LogicalName,MinValue,MaxValue,Precision"),
    ColumnKind.DOUBLE: _cast("Double", "$select=LogicalName,MinValue,MaxValue,Precision"),
    ColumnKind.MONEY: _cast("Money", "$select=LogicalName,MinValue,MaxValue,Precision,PrecisionSource"),
    ColumnKind.DATETIME: _cast("DateTime", "$select=LogicalName,Format,DateTimeBehavior"),
    ColumnKind.CHOICE: _cast("Picklist", f"{_OPTIONS},GlobalOptionSet"),
    ColumnKind.CHOICES: _cast("MultiSelectPicklist", f"{_OPTIONS},GlobalOptionSet"),
    ColumnKind.STATE: _cast("State", _OPTIONS),
    ColumnKind.STATUS: _cast("Status", _OPTIONS),
    ColumnKind.BOOLEAN: _cast("Boolean", _OPTIONS),
    ColumnKind.LOOKUP: _LOOKUPS,
    ColumnKind.OWNER: _LOOKUPS,
}
"""One request per cast, and only for kinds that occur. Source: Microsoft Learn, "Query table definitions"."""


def kind_of(attribute: Json) -> ColumnKind:
    """The kind of a column; companions of another column (`…name`, `…_url`) are not supported."""
    if text(attribute, "AttributeOf"):
        return ColumnKind.UNSUPPORTED
    return KINDS.get(type_name(attribute), ColumnKind.UNSUPPORTED)


def type_name(attribute: Json) -> str:
    """`StringType` and so on; the older `AttributeType` shows choices and images as `Virtual`."""
    return text(inner(attribute, "AttributeTypeName"), "Value") or f"{text(attribute, 'AttributeType')}Type"


def read_column(attribute: Json, detail: Json, targets: tuple[LookupTarget, ...]) -> Column:
    """One column from its attribute, the members of its cast, and what it may point at."""
    kind = kind_of(attribute)
    supported = kind is not ColumnKind.UNSUPPORTED
    return Column(
        name=text(attribute, "LogicalName"),
        schema_name=text(attribute, "SchemaName"),
        kind=kind,
        type_name=type_name(attribute),
        label=label(attribute, "DisplayName"),
        required=text(inner(attribute, "RequiredLevel"), "Value") == "SystemRequired",
        readable=supported and flag(attribute, "IsValidForRead", default=True),
        creatable=supported and flag(attribute, "IsValidForCreate", default=True),
        updatable=supported and flag(attribute, "IsValidForUpdate", default=True),
        primary_id=flag(attribute, "IsPrimaryId"),
        targets=targets,
        **_details(kind, detail),
    )


def _details(kind: ColumnKind, detail: Json) -> dict[str, Any]:
    return {
        "max_length": whole(detail, "MaxLength"),
        "min_value": number(detail, "MinValue"),
        "max_value": number(detail, "MaxValue"),
        "precision": whole(detail, "Precision"),
        "precision_source": whole(detail, "PrecisionSource"),
        "date_behaviour": _date_behaviour(detail) if kind is ColumnKind.DATETIME else None,
        "options": _options(detail),
    }


def _date_behaviour(detail: Json) -> DateBehaviour:
    value = text(inner(detail, "DateTimeBehavior"), "Value")
    known = value in DateBehaviour.__members__.values()
    return DateBehaviour(value) if known else DateBehaviour.USER_LOCAL


def _options(detail: Json) -> tuple[Option, ...]:
    own, shared = inner(detail, "OptionSet"), inner(detail, "GlobalOptionSet")
    option_set = own or shared
    rows = objects(own, "Options") or objects(shared, "Options")
    pair = [inner(option_set, "FalseOption"), inner(option_set, "TrueOption")]
    return tuple(option for option in map(_option, rows or pair) if option is not None)


def _option(row: Json) -> Option | None:
    value = whole(row, "Value")
    if value is None:
        return None
    return Option(value, label(row, "Label"), whole(row, "State"), whole(row, "DefaultStatus"))
