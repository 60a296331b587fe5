"""Tables from bodies, as `POST EntityDefinitions` and the action CreateEntities bring them.

Source: Microsoft Learn, "Create and update table definitions using the Web API".
"""

from __future__ import annotations

import re

from local.dataverse import systemcolumns
from local.dataverse.metadata import newcolumns, refused
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.documents import table_document
from local.dataverse.tables import Column, Key, Kind, Table, Tables

_SAMPLE = Table("sample", "Sample", "samples", "Sample", "sampleid", "", 0, "None", {})
_KNOWN = frozenset(
    (
        *table_document(_SAMPLE),
        "Attributes",
        "HasFeedback",
        "HasEmailAddresses",
        "ActivityTypeMask",
        "IsAvailableOffline",
        "IsBusinessProcessEnabled",
        "IsConnectionsEnabled",
        "IsDocumentManagementEnabled",
        "IsDuplicateDetectionEnabled",
        "IsEnabledForCharts",
        "IsKnowledgeManagementEnabled",
        "IsMailMergeEnabled",
        "IsMappable",
        "IsOfflineInMobileClient",
        "IsQuickCreateEnabled",
        "IsReadOnlyInMobileClient",
        "IsRenameable",
        "IsSLAEnabled",
        "IsStateModelAware",
        "IsValidForQueue",
        "IsVisibleInMobile",
        "IsVisibleInMobileClient",
        "AutoCreateAccessTeams",
        "EntityColor",
        "EntityHelpUrl",
        "EntityHelpUrlEnabled",
        "IconLargeName",
        "IconMediumName",
        "IconSmallName",
        "IconVectorName",
        "PrimaryAttribute",
        "SettingOf",
        "SyncToExternalSearchIndex",
    )
)
_FIRST_CODE = 10_000


def new_table(tables: Tables, body: Body) -> Table:
    """The table that a definition describes, with the columns that every table has.

    Raises:
        Refusal: it is malformed, its name is taken, or its primary name column is missing.
    """
    body.only(_KNOWN)
    schema = body.schema_name("Entity")
    name = schema.lower()
    entity_set = body.text("EntitySetName") or plural(name)
    taken = {pair.intersect for pair in tables.pairs}
    if name in tables.by_name or name in taken or entity_set in tables.by_set:
        raise refused.name_taken("Entity", schema)
    owned = body.text("OwnershipType", "UserOwned")
    if owned not in ("UserOwned", "OrganizationOwned"):
        raise refused.bad_ownership()
    elastic = body.one_of("TableType", ("Standard", "Elastic"), "Standard") == "Elastic"
    shown, plural_label = body.texts("DisplayName", schema), body.texts("DisplayCollectionName", schema)
    table = Table(
        name=name,
        schema_name=schema,
        entity_set=entity_set,
        label=shown.base,
        id_column=f"{name}id",
        name_column="",
        type_code=max((_FIRST_CODE, *(t.type_code for t in tables.by_name.values() if t.custom))) + 1,
        ownership=owned,
        columns={},
        optimistic=True,
        change_tracking=body.flag("ChangeTrackingEnabled"),
        custom=True,
        elastic=elastic,
        keys=(_partition_key(name),) if elastic else (),
        collection_label=plural_label.base,
        description=body.texts("Description").base,
        labels=shown.others,
    )
    return _with_columns(tables, table, body)


def changed_table(table: Table, body: Body, *, merge: bool) -> Table:
    """A table as a definition changes it: its texts, and change tracking, which cannot be switched off again.

    Raises:
        Refusal: it is malformed, or changes what cannot be changed.
    """
    body.only(_KNOWN)
    if body.text("SchemaName", table.schema_name).lower() != table.name:
        raise refused.argument(f"The SchemaName of entity {table.name} cannot be changed.")
    shown = body.texts("DisplayName", table.label)
    others = tuple(sorted((dict(table.labels) | dict(shown.others)).items())) if merge else shown.others
    if table.change_tracking and not body.flag("ChangeTrackingEnabled", default=True):
        raise refused.argument(f"Change tracking of entity {table.name} cannot be disabled once it is enabled.")
    return table.changed(
        label=shown.base,
        labels=others,
        collection_label=body.texts("DisplayCollectionName", table.collection_label).base,
        description=body.texts("Description", table.description).base,
        change_tracking=body.flag("ChangeTrackingEnabled", default=table.change_tracking),
    )


def plural(name: str) -> str:
    """The name of the set of a table's rows."""
    if re.search(r"(s|x|z|ch|sh)$", name):
        return f"{name}es"
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s"


def _partition_key(name: str) -> Key:
    return systemcolumns.partition_key(f"{name}id")


def _with_columns(tables: Tables, table: Table, body: Body) -> Table:
    attributes = [Body.of("AttributeMetadata", item) for item in body.listed("Attributes")]
    if not attributes:
        raise refused.no_columns()
    columns = [newcolumns.new_column(tables, attribute) for attribute in attributes]
    primary = _primary(table, columns, body)
    with_id = table.changed(name_column=primary.name, columns={table.id_column: _id_column(table)})
    full = newcolumns.with_columns(with_id, *columns)
    extra = systemcolumns.of(table.name, set(full.columns), columns, owned=table.ownership, status=None)
    extra += systemcolumns.elastic(set(full.columns)) if table.elastic else []
    return full.changed(columns=dict(full.columns) | {c.name: c for c in extra})


def _primary(table: Table, columns: list[Column], body: Body) -> Column:
    found = [column for column in columns if column.primary_name]
    if not found:
        raise refused.no_primary_name(table.name)
    if len(found) > 1:
        raise refused.second_primary_name(table.name, found[0].name, found[1].name)
    if found[0].kind is not Kind.TEXT:
        raise refused.primary_name_no_text()
    if body.text("PrimaryNameAttribute", found[0].name).lower() != found[0].name:
        raise refused.no_primary_name(table.name)
    return found[0]


def _id_column(table: Table) -> Column:
    name = f"{table.schema_name}Id"
    return Column(
        table.id_column,
        name,
        Kind.UNIQUEIDENTIFIER,
        table.label,
        required="SystemRequired",
        primary_id=True,
        updatable=False,
        custom=True,
    )
