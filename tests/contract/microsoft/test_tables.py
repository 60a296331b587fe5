"""Tables, columns, relationships and keys, as Microsoft's client makes, reads and deletes them."""

from __future__ import annotations

from enum import IntEnum

import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.relationship import (
    CascadeConfiguration,
    LookupAttributeMetadata,
    ManyToManyRelationshipMetadata,
    OneToManyRelationshipMetadata,
)

from local.dataverse import LocalDataverse
from tests.contract.microsoft.conftest import Clock
from tests.contract.microsoft.operations import passes


class Size(IntEnum):
    """An option set of the client, with a second language."""

    SMALL = 1
    LARGE = 2

    __labels__ = {1033: {"SMALL": "Small", "LARGE": "Large"}, 1036: {"SMALL": "Petit", "LARGE": "Grand"}}  # noqa: RUF012


COLUMNS = {
    "new_Code": "string",
    "new_Notes": "memo",
    "new_Count": "int",
    "new_Price": "decimal",
    "new_Weight": "float",
    "new_Due": "date",
    "new_Active": "bool",
    "new_Document": "file",
    "new_Rank": {"type": "int", "min_value": 1, "max_value": 5, "required": "Recommended", "display_name": "Rank!"},
}


@pytest.fixture
def product(client: DataverseClient) -> str:
    """A table of the test."""
    client.tables.create("new_Product", COLUMNS)
    return "new_Product"


@passes("tables.create", "tables.get", "tables.delete")
def test_a_table_is_made_used_and_deleted(client: DataverseClient, server: LocalDataverse) -> None:
    """It takes rows at once, is told with its names, cannot be made twice, and is gone when deleted."""
    made = client.tables.create("new_Product", COLUMNS, display_name="Product")
    assert (made.logical_name, made.entity_set_name) == ("new_product", "new_products")
    assert (made.primary_id_attribute, made.primary_name_attribute) == ("new_productid", "new_name")
    row = client.records.create("new_Product", {"new_Name": "Bolt", "new_Count": 3, "new_Active": True})
    assert client.records.retrieve("new_Product", row)["new_count"] == 3
    assert client.tables.get("new_product").schema_name == "new_Product"
    with pytest.raises(MetadataError, match="already exists"):
        client.tables.create("new_Product", {})
    client.tables.delete("new_Product")
    assert client.tables.get("new_Product") is None
    assert requests_of(server, "DELETE") == 1


def requests_of(server: LocalDataverse, method: str) -> int:
    """How many requests of a method were answered well."""
    return sum(request.method == method and request.status < 300 for request in server.requests)


@passes("tables.list")
def test_tables_are_listed(client: DataverseClient) -> None:
    """All tables, filtered, and with chosen properties."""
    names = {table["LogicalName"] for table in client.tables.list()}
    assert {"account", "contact", "new_city"} <= names
    (account,) = client.tables.list(filter="SchemaName eq 'Account'", select=["LogicalName", "EntitySetName"])
    assert account["EntitySetName"] == "accounts"


@passes("tables.add_columns", "tables.remove_columns", "tables.list_columns", "tables.get_column")
def test_columns_come_and_go(client: DataverseClient, product: str) -> None:
    """On a table with rows, of every type that the client can make."""
    row = client.records.create(product, {"new_Name": "Bolt"})
    added = client.tables.add_columns(product, {"new_Colour": "string", "new_Size": Size})
    assert added == ["new_Colour", "new_Size"]
    client.records.update(product, row, {"new_Colour": "red", "new_Size": "Grand"})
    assert client.records.retrieve(product, row)["new_size"] == 2
    listed = {column["LogicalName"]: column["AttributeType"] for column in client.tables.list_columns(product)}
    assert (listed["new_size"], listed["new_weight"], listed["new_due"]) == ("Picklist", "Double", "DateTime")
    (rank,) = client.tables.list_columns(product, filter="SchemaName eq 'new_Rank'", select=["LogicalName"])
    assert rank["LogicalName"] == "new_rank"
    column = client.tables.get_column(product, "new_Rank", typed=True)
    assert column is not None
    assert (column["MinValue"], column["MaxValue"], column["RequiredLevel"]["Value"]) == (1, 5, "Recommended")
    assert client.tables.get_column(product, "new_Nothing") is None
    assert len(client.tables.list_columns(product, typed=True)) == len(listed)
    assert client.tables.remove_columns(product, ["new_Colour", "new_Size"]) == ["new_Colour", "new_Size"]
    assert client.tables.get_column(product, "new_Colour") is None
    assert client.records.retrieve(product, row)["new_name"] == "Bolt"


@passes("tables.update_column", "tables.update_columns")
def test_columns_are_changed(client: DataverseClient, product: str) -> None:
    """Bounds and texts change, the rest of the definition stays."""
    client.tables.update_column(product, "new_Rank", {"max_value": 9, "display_name": "Place"})
    client.tables.update_columns(product, {"new_Code": {"max_length": 20}, "new_Price": {"precision": 4}})
    rank = client.tables.get_column(product, "new_Rank", typed=True)
    assert rank is not None
    assert (rank["MinValue"], rank["MaxValue"]) == (1, 9)
    assert rank["DisplayName"]["UserLocalizedLabel"]["Label"] == "Place"
    client.records.create(product, {"new_Name": "Bolt", "new_Rank": 9})
    with pytest.raises(HttpError) as refused:
        client.records.create(product, {"new_Name": "Nut", "new_Code": "x" * 21})
    assert refused.value.details["service_error_code"] == "0x80044331"


@passes("tables.create_lookup_field", "tables.create_one_to_many_relationship", "tables.get_relationship")
def test_lookups_come_with_relationships(client: DataverseClient, product: str) -> None:
    """A lookup binds rows, and its relationship is found by name."""
    made = client.tables.create_lookup_field(product, "new_AccountId", "account", display_name="Account")
    account = client.records.create("account", {"name": "Contoso"})
    bound = {"new_Name": "Bolt", "new_AccountId@odata.bind": f"/accounts({account})"}
    row = client.records.create(product, bound)
    assert client.records.retrieve(product, row)["_new_accountid_value"] == account
    found = client.tables.get_relationship(made.relationship_schema_name)
    assert found is not None
    assert (found.referenced_entity, found.referencing_entity) == ("account", "new_product")
    lookup = LookupAttributeMetadata("new_OwnerCity", Label([LocalizedLabel("City", 1033)]))
    relationship = OneToManyRelationshipMetadata(
        "new_city_product", "new_city", "new_product", "new_cityid", CascadeConfiguration(delete="Restrict")
    )
    assert client.tables.create_one_to_many_relationship(lookup, relationship).relationship_id is not None
    city = client.records.create("new_city", {"new_name": "Delft"})
    client.records.update(product, row, {"new_OwnerCity@odata.bind": f"/new_cities({city})"})
    with pytest.raises(HttpError) as refused:
        client.records.delete("new_city", city)
    assert refused.value.details["service_error_code"] == "0x80040227"


@passes(
    "tables.create_many_to_many_relationship",
    "tables.delete_relationship",
    "tables.list_relationships",
    "tables.list_table_relationships",
)
def test_relationships_are_listed_and_deleted(client: DataverseClient, product: str) -> None:
    """Of all tables or of one, of both kinds; deleting one of a lookup takes the lookup with it."""
    lookup = client.tables.create_lookup_field(product, "new_AccountId", "account")
    pairs = client.tables.create_many_to_many_relationship(
        ManyToManyRelationshipMetadata("new_product_contact", "new_product", "contact")
    )
    kind = "Microsoft.Dynamics.CRM.RelationshipType'ManyToManyRelationship'"
    many = {row["SchemaName"] for row in client.tables.list_relationships(filter=f"RelationshipType eq {kind}")}
    assert {"new_product_contact", "new_account_city", "teammembership_association"} == many
    own = {row["SchemaName"] for row in client.tables.list_table_relationships(product, select=["SchemaName"])}
    assert {lookup.relationship_schema_name, pairs.relationship_schema_name} <= own
    assert lookup.relationship_id is not None
    assert pairs.relationship_id is not None
    client.tables.delete_relationship(lookup.relationship_id)
    client.tables.delete_relationship(pairs.relationship_id)
    assert client.tables.get_relationship("new_product_contact") is None
    assert client.tables.get_column(product, "new_AccountId") is None


@passes("tables.create_alternate_key", "tables.get_alternate_keys", "tables.delete_alternate_key")
def test_keys_become_active_and_are_deleted(client: DataverseClient, product: str, clock: Clock) -> None:
    """A key's index is made a little later; then rows are unique by it; deleted, they need not be."""
    client.records.create(product, {"new_Name": "Bolt", "new_Code": "A1"})
    key = client.tables.create_alternate_key(product, "new_CodeKey", ["new_code"])
    states = []
    for _ in range(3):
        (found,) = client.tables.get_alternate_keys(product)
        states.append(found.status)
        clock.forward(0.3)
    assert states == ["Pending", "InProgress", "Active"]
    with pytest.raises(HttpError) as refused:
        client.records.create(product, {"new_Name": "Nut", "new_Code": "a1"})
    assert refused.value.details["service_error_code"] == "0x80060892"
    with pytest.raises(HttpError, match="referenced by 1 other"):
        client.tables.remove_columns(product, "new_Code")
    client.tables.delete_alternate_key(product, key.metadata_id)
    client.records.create(product, {"new_Name": "Nut", "new_Code": "a1"})
    assert client.tables.get_alternate_keys(product) == []
