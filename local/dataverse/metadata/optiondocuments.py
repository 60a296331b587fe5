"""Option sets as JSON: of a column, and global ones."""

from __future__ import annotations

from local.dataverse.metadata.labels import Document, identity, label
from local.dataverse.tables import Column, Kind, Option, OptionSet, Table

_SET_TYPES = {Kind.BOOLEAN: "Boolean", Kind.STATE: "State", Kind.STATUS: "Status"}


def global_set(option_set: OptionSet) -> Document:
    """One row of GlobalOptionSetDefinitions."""
    owner = identity("optionset", option_set.name)
    common = _common(owner, option_set.name, label(option_set.label, option_set.labels), custom=option_set.custom)
    options = [_option(owner, option) for option in option_set.options]
    return {"@odata.type": "#Microsoft.Dynamics.CRM.OptionSetMetadata", **common, "IsGlobal": True, "Options": options}


def column_parts(table: Table, column: Column, option_sets: dict[str, OptionSet]) -> Document:
    """`OptionSet` and `GlobalOptionSet` of a column that has options."""
    found = option_sets.get(column.option_set or "")
    if found is not None:
        shared = {name: value for name, value in global_set(found).items() if name != "@odata.type"}
        return {"OptionSet": shared, "GlobalOptionSet": shared}
    return {"OptionSet": _local(table, column), "GlobalOptionSet": None}


def _local(table: Table, column: Column) -> Document:
    owner = identity(table.name, column.name, "options")
    common = _common(owner, f"{table.name}_{column.name}", label(column.label, column.labels), custom=column.custom)
    common["OptionSetType"] = _SET_TYPES.get(column.kind, "Picklist")
    options = [{**_option(owner, option), **_typed(table, column, option)} for option in column.options]
    if column.kind is Kind.BOOLEAN:
        by_value = {option["Value"]: option for option in options}
        return {**common, "TrueOption": by_value.get(1), "FalseOption": by_value.get(0)}
    return {**common, "Options": options}


def _common(owner: str, name: str, shown: Document, *, custom: bool) -> Document:
    return {
        "MetadataId": owner,
        "Name": name,
        "DisplayName": shown,
        "Description": label(""),
        "IsGlobal": False,
        "IsCustomOptionSet": custom,
        "IsCustomizable": {"Value": True, "CanBeChanged": True, "ManagedPropertyLogicalName": "iscustomizable"},
        "IsManaged": False,
        "ExternalTypeName": "",
        "IntroducedVersion": "1.0.0.0",
        "OptionSetType": "Picklist",
        "HasChanged": None,
    }


def _option(owner: str, option: Option) -> Document:
    return {
        "Value": option.value,
        "Label": label(option.label, option.labels),
        "Description": label(""),
        "Color": None,
        "ExternalValue": "",
        "IsManaged": False,
        "MetadataId": identity(owner, str(option.value)),
        "HasChanged": None,
    }


def _typed(table: Table, column: Column, option: Option) -> Document:
    if column.kind is Kind.STATUS:
        return {"@odata.type": "#Microsoft.Dynamics.CRM.StatusOptionMetadata", "State": option.state}
    if column.kind is not Kind.STATE:
        return {}
    status = table.columns.get("statuscode")
    reasons = status.options if status is not None else ()
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.StateOptionMetadata",
        "DefaultStatus": next((o.value for o in reasons if o.state == option.value), None),
        "InvariantName": option.label,
    }
