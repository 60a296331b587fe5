"""Metadata as JSON rows: tables, columns with their types' own properties, keys, relationships, option sets.

Source: Microsoft Learn, "Query table definitions using the Web API" and the metadata entity types it links.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid5

from local.dataverse.tables import Column, Key, Kind, Option, Table, Target

_SPACE = UUID("0d000000-0000-4000-8000-0000000000ff")
LANGUAGE = 1033
Document = dict[str, object]

_TYPES = {
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
}
CASTS = frozenset(cast for _, _, cast in _TYPES.values()) | frozenset(
    (
        "ImageAttributeMetadata",
        "FileAttributeMetadata",
        "EntityNameAttributeMetadata",
        "ManagedPropertyAttributeMetadata",
    )
)


def identity(*parts: str) -> str:
    """The stable id of a piece of metadata."""
    return str(uuid5(_SPACE, "/".join(parts)))


def label(text: str) -> Document:
    """A label in the base language."""
    one = {
        "Label": text,
        "LanguageCode": LANGUAGE,
        "IsManaged": False,
        "MetadataId": identity("label", text),
        "HasChanged": None,
    }
    return {"LocalizedLabels": [one], "UserLocalizedLabel": one}


def table_document(table: Table) -> Document:
    """One row of EntityDefinitions."""
    return {
        "MetadataId": identity(table.name),
        "LogicalName": table.name,
        "SchemaName": table.schema_name,
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "CollectionSchemaName": table.schema_name + "s",
        "DisplayName": label(table.label),
        "DisplayCollectionName": label(table.label + "s"),
        "Description": label(""),
        "PrimaryIdAttribute": table.id_column,
        "PrimaryNameAttribute": table.name_column,
        "ObjectTypeCode": table.type_code,
        "OwnershipType": table.ownership,
        "TableType": "Elastic" if table.elastic else "Standard",
        "IsCustomEntity": table.custom,
        "IsManaged": False,
        "IsActivity": False,
        "IsIntersect": False,
        "IsPrivate": False,
        "IsValidForAdvancedFind": True,
        "ChangeTrackingEnabled": table.change_tracking,
        "IsOptimisticConcurrencyEnabled": table.optimistic,
        "DataProviderId": None,
        "HasChanged": None,
    }


def column_document(table: Table, column: Column) -> Document:
    """One row of Attributes, with the properties of its type and, for options, its option set."""
    attribute, type_name, cast = _TYPES[column.kind]
    common: Document = {
        "@odata.type": f"#Microsoft.Dynamics.CRM.{cast}",
        "MetadataId": identity(table.name, column.name),
        "LogicalName": column.name,
        "SchemaName": column.schema_name,
        "EntityLogicalName": table.name,
        "AttributeType": attribute,
        "AttributeTypeName": {"Value": type_name},
        "DisplayName": label(column.label),
        "Description": label(""),
        "RequiredLevel": {
            "Value": column.required,
            "CanBeChanged": column.required != "SystemRequired",
            "ManagedPropertyLogicalName": "canmodifyrequirementlevelsettings",
        },
        "IsPrimaryId": column.primary_id,
        "IsPrimaryName": column.primary_name,
        "IsValidForCreate": column.creatable,
        "IsValidForRead": True,
        "IsValidForUpdate": column.updatable,
        "IsLogical": False,
        "IsManaged": False,
        "IsCustomAttribute": column.custom,
        "IsSecured": False,
        "ColumnNumber": list(table.columns).index(column.name) + 1,
        "HasChanged": None,
    }
    common["AttributeOf"] = None
    return {**common, **_own(column), **_options(table, column)}


def key_document(table: Table, key: Key) -> Document:
    """One row of Keys."""
    return {
        "MetadataId": identity(table.name, "key", key.name),
        "SchemaName": key.schema_name,
        "LogicalName": key.name,
        "EntityLogicalName": table.name,
        "DisplayName": label(key.label),
        "KeyAttributes": list(key.columns),
        "EntityKeyIndexStatus": key.state,
        "IsManaged": False,
        "AsyncJob": None,
        "HasChanged": None,
    }


def relationship_document(tables: Mapping[str, Table], table: Table, column: Column, target: Target) -> Document:
    """One row of ManyToOneRelationships."""
    key = "ownerid" if target.table == "owner" else tables[target.table].id_column
    name = f"owner_{table.entity_set}" if target.table == "owner" else target.relationship
    delete = "Restrict" if target.restrict else "Cascade" if target.cascade else "RemoveLink"
    return {
        "MetadataId": identity(table.name, "relationship", column.name, target.table),
        "SchemaName": name,
        "RelationshipType": "OneToManyRelationship",
        "ReferencingEntity": table.name,
        "ReferencingAttribute": column.name,
        "ReferencingEntityNavigationPropertyName": target.navigation,
        "ReferencedEntity": target.table,
        "ReferencedAttribute": key,
        "ReferencedEntityNavigationPropertyName": name,
        "IsCustomRelationship": column.custom,
        "IsManaged": False,
        "CascadeConfiguration": {
            "Assign": "NoCascade",
            "Delete": delete,
            "Merge": "NoCascade",
            "Reparent": "NoCascade",
            "Share": "NoCascade",
            "Unshare": "NoCascade",
            "RollupView": "NoCascade",
        },
        "HasChanged": None,
    }


def _own(column: Column) -> Document:
    if column.kind is Kind.TEXT:
        return {
            "MaxLength": column.max_length,
            "DatabaseLength": (column.max_length or 0) * 2,
            "Format": "Text",
            "FormatName": {"Value": "Text"},
            "IsLocalizable": False,
        }
    if column.kind is Kind.MEMO:
        return {"MaxLength": column.max_length, "Format": "TextArea", "FormatName": {"Value": "TextArea"}}
    if column.kind is Kind.DATETIME:
        only_day = column.behaviour == "DateOnly" or column.date_only_format
        return {"Format": "DateOnly" if only_day else "DateAndTime", "DateTimeBehavior": {"Value": column.behaviour}}
    if column.is_lookup:
        return {"Targets": [target.table for target in column.targets], "Format": "None"}
    if column.options:
        return _own_default(column)
    return _numbers(column)


def _own_default(column: Column) -> Document:
    if column.kind is Kind.BOOLEAN:
        return {"DefaultValue": bool(column.default)}
    return {"DefaultFormValue": -1 if column.default is None else column.default}


def _numbers(column: Column) -> Document:
    if column.low is None or column.high is None:
        return {}
    whole = column.kind in (Kind.INTEGER, Kind.BIGINT)
    found: Document = {"MinValue": _number(column.low), "MaxValue": _number(column.high)}
    if column.kind is Kind.INTEGER:
        found["Format"] = "None"
    if not whole:
        found["Precision"] = column.precision
    if column.kind is Kind.MONEY:
        found |= {
            "PrecisionSource": column.precision_source,
            "IsBaseCurrency": column.base_of is not None,
            "CalculationOf": column.base_of,
        }
    return found


def _number(value: object) -> int | float:
    number = float(str(value))
    return int(str(value)) if number.is_integer() and "." not in str(value) and "E" not in str(value) else number


def _options(table: Table, column: Column) -> Document:
    if not column.options:
        return {}
    return {"OptionSet": _option_set(table, column), "GlobalOptionSet": None}


def _option_set(table: Table, column: Column) -> Document:
    kinds = {Kind.BOOLEAN: "Boolean", Kind.STATE: "State", Kind.STATUS: "Status"}
    common: Document = {
        "MetadataId": identity(table.name, column.name, "options"),
        "Name": f"{table.name}_{column.name}",
        "DisplayName": label(column.label),
        "Description": label(""),
        "IsGlobal": False,
        "IsCustomOptionSet": column.custom,
        "IsManaged": False,
        "OptionSetType": kinds.get(column.kind, "Picklist"),
        "HasChanged": None,
    }
    options = [_option(table, column, option) for option in column.options]
    if column.kind is Kind.BOOLEAN:
        by_value = {option["Value"]: option for option in options}
        return {**common, "TrueOption": by_value.get(1), "FalseOption": by_value.get(0)}
    return {**common, "Options": options}


def _option(table: Table, column: Column, option: Option) -> Document:
    found: Document = {
        "Value": option.value,
        "Label": label(option.label),
        "Description": label(""),
        "Color": None,
        "ExternalValue": "",
        "IsManaged": False,
        "MetadataId": identity(table.name, column.name, str(option.value)),
        "HasChanged": None,
    }
    if column.kind is Kind.STATUS:
        found |= {"@odata.type": "#Microsoft.Dynamics.CRM.StatusOptionMetadata", "State": option.state}
    if column.kind is Kind.STATE:
        default = next((o.value for o in table.columns["statuscode"].options if o.state == option.value), None)
        found |= {
            "@odata.type": "#Microsoft.Dynamics.CRM.StateOptionMetadata",
            "DefaultStatus": default,
            "InvariantName": option.label,
        }
    return found
