"""Columns as JSON: rows of Attributes, with the properties of their types.

Source: Microsoft Learn, "AttributeMetadata" and the types that derive from it.
"""

from __future__ import annotations

from functools import cache

from local.dataverse.metadata import optiondocuments
from local.dataverse.metadata.labels import Document, identity, label
from local.dataverse.tables import Column, Kind, OptionSet, Table, Target

PREFIX = "Microsoft.Dynamics.CRM."
TYPES = {
    Kind.TEXT: ("String", "StringType", "StringAttributeMetadata"),
    Kind.MEMO: ("Memo", "MemoType", "MemoAttributeMetadata"),
    Kind.INTEGER: ("Integer", "IntegerType", "IntegerAttributeMetadata"),
    Kind.BIGINT: ("BigInt", "BigIntType", "BigIntAttributeMetadata"),
    Kind.DECIMAL: ("Decimal", "DecimalType", "DecimalAttributeMetadata"),
    Kind.DOUBLE: ("Double", "DoubleType", "DoubleAttributeMetadata"),
    Kind.MONEY: ("Money", "MoneyType", "MoneyAttributeMetadata"),
    Kind.BOOLEAN: ("Boolean", "BooleanType", "BooleanAttributeMetadata"),
    Kind.DATETIME: ("DateTime", "DateTimeType", "DateTimeAttributeMetadata"),
    Kind.CHOICE: ("Picklist", "PicklistType", "PicklistAttributeMetadata"),
    Kind.CHOICES: ("Virtual", "MultiSelectPicklistType", "MultiSelectPicklistAttributeMetadata"),
    Kind.STATE: ("State", "StateType", "StateAttributeMetadata"),
    Kind.STATUS: ("Status", "StatusType", "StatusAttributeMetadata"),
    Kind.LOOKUP: ("Lookup", "LookupType", "LookupAttributeMetadata"),
    Kind.CUSTOMER: ("Customer", "CustomerType", "LookupAttributeMetadata"),
    Kind.OWNER: ("Owner", "OwnerType", "LookupAttributeMetadata"),
    Kind.UNIQUEIDENTIFIER: ("Uniqueidentifier", "UniqueidentifierType", "UniqueIdentifierAttributeMetadata"),
    Kind.FILE: ("Virtual", "FileType", "FileAttributeMetadata"),
    Kind.IMAGE: ("Virtual", "ImageType", "ImageAttributeMetadata"),
}
"""AttributeType, AttributeTypeName and the metadata type of each kind."""
_UNUSED = ("EntityNameAttributeMetadata", "ManagedPropertyAttributeMetadata")
"""Types that can be cast to, and that no column here has."""
CASTS = frozenset((*(cast for _, _, cast in TYPES.values()), *_UNUSED))
OPTIONAL = frozenset((Kind.CHOICE, Kind.CHOICES, Kind.STATE, Kind.STATUS, Kind.BOOLEAN))
"""Kinds that have an option set."""
_SAMPLE = Table("sample", "Sample", "samples", "Sample", "sampleid", "", 0, "None", {})


def column_document(table: Table, column: Column, option_sets: dict[str, OptionSet], number: int) -> Document:
    """One row of Attributes, with the properties of its type and, for options, its option set."""
    found = {**_common(table, column, number), **_own(column)}
    if column.kind in OPTIONAL:
        found |= optiondocuments.column_parts(table, column, option_sets)
    return found


@cache
def properties(cast: str | None) -> frozenset[str]:
    """The properties of a metadata type; of the abstract AttributeMetadata without one."""
    column = Column("sample", "Sample", Kind.TEXT, "Sample")
    known = set(_common(_SAMPLE, column, 1)) - {"@odata.type"}
    for kind, (_, _, name) in TYPES.items():
        if name == cast:
            sample = Column("sample", "Sample", kind, "Sample", targets=(Target("sample", "sample", "sample"),))
            known |= set(column_document(_SAMPLE, sample, {}, 1)) - {"@odata.type"}
    return frozenset(known)


def _common(table: Table, column: Column, number: int) -> Document:
    attribute, type_name, cast = TYPES[column.kind]
    level = {
        "Value": column.required,
        "CanBeChanged": column.required != "SystemRequired",
        "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
    }
    return {
        "@odata.type": f"#{PREFIX}{cast}",
        "MetadataId": identity(table.name, column.name),
        "LogicalName": column.name,
        "SchemaName": column.schema_name,
        "EntityLogicalName": table.name,
        "AttributeType": attribute,
        "AttributeTypeName": {"Value": type_name},
        "AttributeOf": column.attribute_of,
        "DisplayName": label(column.label, column.labels),
        "Description": label(column.description),
        "RequiredLevel": level,
        "IsPrimaryId": column.primary_id,
        "IsPrimaryName": column.primary_name,
        "IsValidForCreate": column.creatable,
        "IsValidForRead": True,
        "IsValidForUpdate": column.updatable,
        "IsValidODataAttribute": True,
        "IsLogical": False,
        "IsManaged": False,
        "IsCustomAttribute": column.custom,
        "IsCustomizable": _managed("iscustomizable"),
        "IsRenameable": _managed("isrenameable"),
        "IsValidForAdvancedFind": _managed("canmodifysearchsettings"),
        "IsAuditEnabled": {**_managed("canmodifyauditsettings"), "Value": False},
        "IsFilterable": column.kind not in (Kind.FILE, Kind.IMAGE),
        "IsRetrievable": True,
        "IsSecured": False,
        "SourceType": 0 if column.kind not in (Kind.FILE, Kind.IMAGE) else None,
        "IntroducedVersion": "1.0.0.0",
        "DeprecatedVersion": None,
        "ExternalName": None,
        "ColumnNumber": number,
        "HasChanged": None,
    }


def _managed(name: str) -> Document:
    return {"Value": True, "CanBeChanged": True, "ManagedPropertyLogicalName": name}


def _own(column: Column) -> Document:
    if column.kind in (Kind.TEXT, Kind.MEMO):
        return _of_text(column)
    if column.kind is Kind.DATETIME:
        only_day = column.behaviour == "DateOnly" or column.date_only_format
        behaviour = {"Value": column.behaviour or "UserLocal"}
        format_name = "DateOnly" if only_day else "DateAndTime"
        return {
            "Format": format_name,
            "DateTimeBehavior": behaviour,
            "ImeMode": "Auto",
            "CanChangeDateTimeBehavior": None,
        }
    if column.is_lookup:
        return {"Targets": [target.table for target in column.targets], "Format": "None"}
    if column.kind in OPTIONAL:
        default = -1 if column.default is None else column.default
        return {"DefaultValue": bool(column.default)} if column.kind is Kind.BOOLEAN else {"DefaultFormValue": default}
    if column.kind in (Kind.FILE, Kind.IMAGE):
        image = {"IsPrimaryImage": column.creatable, "CanStoreFullImage": True} if column.kind is Kind.IMAGE else {}
        return {"MaxSizeInKB": column.max_size_kb, **image}
    return _of_number(column)


def _of_text(column: Column) -> Document:
    longest = column.max_length or 0
    found: Document = {
        "MaxLength": longest,
        "Format": column.text_format if column.text_format not in ("Json", "RichText") else "Text",
        "FormatName": {"Value": column.text_format or ("Text" if column.kind is Kind.TEXT else "TextArea")},
        "ImeMode": "Auto",
        "IsLocalizable": False,
    }
    if column.kind is Kind.TEXT:
        found |= {"DatabaseLength": longest * 2, "AutoNumberFormat": "", "YomiOf": None, "FormulaDefinition": ""}
    return found


def _of_number(column: Column) -> Document:
    if column.kind not in (Kind.INTEGER, Kind.BIGINT, Kind.DECIMAL, Kind.DOUBLE, Kind.MONEY):
        return {}
    found: Document = {"MinValue": _number(column.low), "MaxValue": _number(column.high)}
    if column.kind is Kind.INTEGER:
        found |= {"Format": "None", "FormulaDefinition": ""}
    if column.kind in (Kind.DECIMAL, Kind.DOUBLE, Kind.MONEY):
        found |= {"Precision": column.precision, "ImeMode": "Auto"}
    if column.kind is Kind.MONEY:
        found |= {
            "PrecisionSource": column.precision_source,
            "IsBaseCurrency": column.base_of is not None,
            "CalculationOf": column.base_of,
        }
    return found


def _number(value: object) -> int | float | None:
    if value is None:
        return None
    number = float(str(value))
    return int(str(value)) if number.is_integer() and "." not in str(value) and "E" not in str(value) else number
