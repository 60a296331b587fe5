"""`$metadata`: the entity model as CSDL."""

from __future__ import annotations

from html import escape  # as XML has it; the one for XML takes long to import

from local.dataverse.tables import Column, Kind, Table, Tables

_EDM = {
    Kind.TEXT: "Edm.String",
    Kind.MEMO: "Edm.String",
    Kind.INTEGER: "Edm.Int32",
    Kind.BIGINT: "Edm.Int64",
    Kind.DECIMAL: "Edm.Decimal",
    Kind.DOUBLE: "Edm.Double",
    Kind.MONEY: "Edm.Decimal",
    Kind.BOOLEAN: "Edm.Boolean",
    Kind.CHOICE: "Edm.Int32",
    Kind.CHOICES: "Edm.String",
    Kind.STATE: "Edm.Int32",
    Kind.STATUS: "Edm.Int32",
    Kind.LOOKUP: "Edm.Guid",
    Kind.CUSTOMER: "Edm.Guid",
    Kind.OWNER: "Edm.Guid",
    Kind.UNIQUEIDENTIFIER: "Edm.Guid",
    Kind.FILE: "Edm.Guid",
    Kind.IMAGE: "Edm.Binary",
}


def document(tables: Tables, *, annotated: bool) -> str:
    """The whole model; `annotated` adds what is computed or read-only and whether changes are tracked."""
    listed = tables.by_name.values()
    types = "".join(_entity_type(tables, table, annotated=annotated) for table in listed)
    sets = "".join(_entity_set(tables, table, annotated=annotated) for table in listed)
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        '<EntityType Name="crmbaseentity" Abstract="true"/>'
        '<EntityType Name="principal" BaseType="mscrm.crmbaseentity"><Key><PropertyRef Name="ownerid"/></Key>'
        '<Property Name="ownerid" Type="Edm.Guid"/></EntityType>'
        f'{types}<EntityContainer Name="System">{sets}</EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )


def _entity_type(tables: Tables, table: Table, *, annotated: bool) -> str:
    properties = "".join(_property(column, annotated=annotated) for column in table.columns.values())
    navigations = "".join(
        _navigation(tables, name, column, [t.table for t in targets])
        for name, (column, targets) in table.navigations.items()
    )
    navigations += "".join(
        f"<NavigationProperty Name={_attribute(name)} Type={_attribute(f'Collection(mscrm.{found.table})')}/>"
        for name, found in tables.collections.get(table.name, {}).items()
    )
    return (
        f'<EntityType Name={_attribute(table.name)} BaseType="mscrm.crmbaseentity">'
        f"<Key><PropertyRef Name={_attribute(table.id_column)}/></Key>{properties}{navigations}</EntityType>"
    )


def _property(column: Column, *, annotated: bool) -> str:
    edm = _EDM.get(column.kind) or ("Edm.Date" if column.behaviour == "DateOnly" else "Edm.DateTimeOffset")
    inner = ""
    if annotated and (column.is_lookup or not (column.creatable or column.updatable)):
        inner = (
            '<Annotation Term="Org.OData.Core.V1.Permissions"><EnumMember>Org.OData.Core.V1.PermissionType/Read'
            '</EnumMember></Annotation><Annotation Term="Org.OData.Core.V1.Computed" Bool="true"/>'
        )
    longest = f' MaxLength="{column.max_length}"' if column.max_length else ""
    start = f'<Property Name={_attribute(column.read_name)} Type="{edm}"{longest}'
    return f"{start}>{inner}</Property>" if inner else f"{start}/>"


def _navigation(tables: Tables, name: str, column: Column, targets: list[str]) -> str:
    target = targets[0] if len(targets) == 1 else "principal"
    key = tables.by_name[target].id_column if len(targets) == 1 else "ownerid"
    return (
        f"<NavigationProperty Name={_attribute(name)} Type={_attribute('mscrm.' + target)}>"
        f"<ReferentialConstraint Property={_attribute(column.read_name)} ReferencedProperty={_attribute(key)}/>"
        "</NavigationProperty>"
    )


def _entity_set(tables: Tables, table: Table, *, annotated: bool) -> str:
    bindings = "".join(
        f"<NavigationPropertyBinding Path={_attribute(name)} Target={_attribute(entity_set)}/>"
        for name, entity_set in _single_targets(tables, table)
    )
    tracked = (
        '<Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record><PropertyValue Property="Supported" '
        'Bool="true"/></Record></Annotation>'
        if annotated and table.change_tracking
        else ""
    )
    kind = _attribute(f"Microsoft.Dynamics.CRM.{table.name}")
    return f"<EntitySet Name={_attribute(table.entity_set)} EntityType={kind}>{bindings}{tracked}</EntitySet>"


def _single_targets(tables: Tables, table: Table) -> list[tuple[str, str]]:
    return [
        (name, tables.by_name[targets[0].table].entity_set)
        for name, (_, targets) in table.navigations.items()
        if len(targets) == 1
    ]


def _attribute(text: str) -> str:
    """A text as the value of an attribute."""
    return f'"{escape(text)}"'
