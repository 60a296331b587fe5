"""Metadata as JSON rows: tables, keys and relationships. Columns are `columndocuments`', options `optiondocuments`'.

Source: Microsoft Learn, "Query table definitions using the Web API" and the metadata entity types it links.
"""

from __future__ import annotations

from collections.abc import Mapping

from local.dataverse.metadata.labels import Document, identity, label
from local.dataverse.tables import Column, Key, ManyToMany, Table, Target

_PRIVILEGES = ("Create", "Read", "Write", "Delete", "Append", "AppendTo")
_CASCADED = ("Assign", "Merge", "Reparent", "Share", "Unshare", "RollupView", "Archive")


def table_document(table: Table) -> Document:
    """One row of EntityDefinitions."""
    return {
        "MetadataId": identity(table.name),
        "LogicalName": table.name,
        "SchemaName": table.schema_name,
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "CollectionSchemaName": table.schema_name + "s",
        "DisplayName": label(table.label, table.labels),
        "DisplayCollectionName": label(table.collection_label or table.label + "s"),
        "Description": label(table.description),
        "PrimaryIdAttribute": table.id_column,
        "PrimaryNameAttribute": table.name_column or None,
        "PrimaryImageAttribute": None,
        "ObjectTypeCode": table.type_code,
        "OwnershipType": table.ownership,
        "TableType": "Elastic" if table.elastic else "Standard",
        "IsCustomEntity": table.custom,
        "IsCustomizable": _managed("iscustomizable"),
        "CanCreateAttributes": _managed("cancreateattributes"),
        "CanTriggerWorkflow": True,
        "HasActivities": False,
        "HasNotes": False,
        "IsManaged": False,
        "IsActivity": False,
        "IsIntersect": False,
        "IsLogicalEntity": False,
        "IsPrivate": False,
        "IsValidForAdvancedFind": True,
        "ChangeTrackingEnabled": table.change_tracking,
        "IsOptimisticConcurrencyEnabled": table.optimistic,
        "IsAuditEnabled": {**_managed("canmodifyauditsettings"), "Value": False},
        "DataProviderId": None,
        "DataSourceId": None,
        "ExternalName": None,
        "IntroducedVersion": "1.0.0.0",
        "HasChanged": None,
        "Privileges": table_privileges(table),
    }


def table_privileges(table: Table) -> list[Document]:
    """The privileges of a table; those of one that no user or team owns are given for the whole organization only."""
    owned = table.ownership == "UserOwned"
    kinds = (*_PRIVILEGES, *(("Assign", "Share") if owned else ()))
    depths = {f"CanBe{depth}": owned or depth == "Global" for depth in ("Basic", "Local", "Deep", "Global")}
    return [
        {
            **depths,
            "CanBeEntityReference": False,
            "CanBeParentEntityReference": False,
            "CanBeRecordFilter": False,
            "Name": f"prv{kind}{table.schema_name}",
            "PrivilegeId": identity("privilege", table.name, kind),
            "PrivilegeType": kind,
        }
        for kind in kinds
    ]


def intersect_document(pair: ManyToMany) -> Document:
    """The row of EntityDefinitions for the table that keeps the pairs of a relationship of many to many."""
    name = pair.intersect
    table = Table(name, name, f"{name}set", pair.schema_name, f"{name}id", "", 10_000, "None", {}, custom=pair.custom)
    return {
        **table_document(table),
        "IsIntersect": True,
        "IsOptimisticConcurrencyEnabled": False,
        "Privileges": [],
    }


def key_document(table: Table, key: Key) -> Document:
    """One row of Keys."""
    return {
        "MetadataId": identity(table.name, "key", key.name),
        "SchemaName": key.schema_name,
        "LogicalName": key.name,
        "EntityLogicalName": table.name,
        "DisplayName": label(key.label, key.labels),
        "KeyAttributes": list(key.columns),
        "EntityKeyIndexStatus": key.state,
        "IsCustomizable": _managed("iscustomizable"),
        "IsExportKey": False,
        "IsSynchronous": False,
        "IsManaged": False,
        "IntroducedVersion": "1.0.0.0",
        "AsyncJob": None,
        "HasChanged": None,
    }


def relationship_id(name: str) -> str:
    """The id of a relationship."""
    return identity("relationship", name)


def lookup_document(tables: Mapping[str, Table], table: Table, column: Column, target: Target) -> Document:
    """A one-to-many relationship: a row of ManyToOneRelationships, of OneToManyRelationships on the other side."""
    owner = target.table == "owner"
    name = f"owner_{table.entity_set}" if owner else target.relationship
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        **_relationship(name, "OneToManyRelationship", custom=target.custom),
        "ReferencingEntity": table.name,
        "ReferencingAttribute": column.name,
        "ReferencingEntityNavigationPropertyName": target.navigation,
        "ReferencedEntity": target.table,
        "ReferencedAttribute": "ownerid" if owner else tables[target.table].id_column,
        "ReferencedEntityNavigationPropertyName": name if owner else target.collection_name,
        "IsHierarchical": False,
        "EntityKey": None,
        "RelationshipAttributes": [],
        "AssociatedMenuConfiguration": _menu(),
        "CascadeConfiguration": {**dict.fromkeys(_CASCADED, "NoCascade"), "Delete": target.delete},
    }


def pair_document(pair: ManyToMany) -> Document:
    """A many-to-many relationship: a row of ManyToManyRelationships on both sides."""
    found = {
        "@odata.type": "#Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
        **_relationship(pair.schema_name, "ManyToManyRelationship", custom=pair.custom),
        "IntersectEntityName": pair.intersect,
    }
    for number, side in ((1, pair.first), (2, pair.second)):
        found |= {
            f"Entity{number}LogicalName": side.table,
            f"Entity{number}IntersectAttribute": side.column,
            f"Entity{number}NavigationPropertyName": side.navigation,
            f"Entity{number}AssociatedMenuConfiguration": _menu(),
        }
    return found


def _relationship(name: str, kind: str, *, custom: bool) -> Document:
    return {
        "MetadataId": relationship_id(name),
        "SchemaName": name,
        "RelationshipType": kind,
        "SecurityTypes": "Append" if kind == "OneToManyRelationship" else "None",
        "IsCustomRelationship": custom,
        "IsCustomizable": _managed("iscustomizable"),
        "IsValidForAdvancedFind": True,
        "IsManaged": False,
        "IntroducedVersion": "1.0.0.0",
        "HasChanged": None,
    }


def _menu() -> Document:
    return {"Behavior": "UseCollectionName", "Group": "Details", "Order": None, "Label": label("")}


def _managed(name: str) -> Document:
    return {"Value": True, "CanBeChanged": True, "ManagedPropertyLogicalName": name}
