"""Batches of Microsoft's client: rows, tables, queries and change sets in one request."""

from __future__ import annotations

import pandas as pd
import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.relationship import (
    LookupAttributeMetadata,
    ManyToManyRelationshipMetadata,
    OneToManyRelationshipMetadata,
)

from local.dataverse import LocalDataverse
from tests.contract.microsoft.operations import passes


@passes(
    "batch.new",
    "batch.new().execute",
    "batch.new().records.create",
    "batch.new().records.update",
    "batch.new().records.upsert",
    "batch.new().records.retrieve",
    "batch.new().records.get",
    "batch.new().records.list",
    "batch.new().records.delete",
    "batch.new().query.sql",
)
def test_rows_in_a_batch(client: DataverseClient, server: LocalDataverse) -> None:
    """Each operation has its answer, in order."""
    first = client.records.create("account", {"name": "A", "accountnumber": "1"})
    batch = client.batch.new()
    batch.records.create("account", {"name": "B"})
    batch.records.create("account", [{"name": "C"}, {"name": "D"}])
    batch.records.update("account", first, {"telephone1": "555"})
    batch.records.upsert("account", [{"alternate_key": {"accountnumber": "9"}, "record": {"name": "E"}}])
    batch.records.retrieve("account", first, select=["name", "telephone1"])
    with pytest.warns(DeprecationWarning):
        batch.records.get("account", first, select=["name"])
    batch.records.list("account", filter="name ge 'B'", select=["name"], orderby=["name"])
    batch.query.sql("SELECT name FROM account WHERE name = 'E'")
    batch.records.delete("account", first)
    result = batch.execute()
    assert not result.has_errors, result.failed
    assert result.responses[4].data["telephone1"] == "555"
    assert [row["name"] for row in result.responses[6].data["value"]] == ["B", "C", "D", "E"]
    assert [row["name"] for row in result.responses[7].data["value"]] == ["E"]
    assert sorted(str(row["name"]) for row in server.rows("account")) == ["B", "C", "D", "E"]


def test_an_error_in_a_batch_is_told(client: DataverseClient, server: LocalDataverse) -> None:
    """The first failure ends a batch, unless it shall go on."""
    batch = client.batch.new()
    batch.records.create("account", {"name": "x" * 200})
    batch.records.create("account", {"name": "B"})
    assert [answer.status_code for answer in batch.execute().responses] == [400]
    result = batch.execute(continue_on_error=True)
    assert [answer.error_code for answer in result.failed] == ["0x80044331"]
    assert [row["name"] for row in server.rows("account")] == ["B"]


@passes(
    "batch.new().changeset",
    "batch.new().changeset().create",
    "batch.new().changeset().update",
    "batch.new().changeset().delete",
)
def test_a_change_set_is_all_or_nothing(client: DataverseClient, server: LocalDataverse) -> None:
    """Its operations refer to rows it made; one refusal undoes them all."""
    old = client.records.create("account", {"name": "Old"})
    batch = client.batch.new()
    with batch.changeset() as changes:
        account = changes.records.create("account", {"name": "Contoso"})
        changes.records.update("account", account, {"telephone1": "555"})
        changes.records.create("contact", {"lastname": "Ann", "parentcustomerid_account@odata.bind": account})
        changes.records.delete("account", old)
    assert not batch.execute().has_errors
    assert [(row["name"], row["telephone1"]) for row in server.rows("account")] == [("Contoso", "555")]
    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": "Lost"})
        changes.records.create("account", {"name": "x" * 200})
    assert batch.execute().has_errors
    assert len(server.rows("account")) == 1


@passes(
    "batch.new().tables.create",
    "batch.new().tables.get",
    "batch.new().tables.list",
    "batch.new().tables.add_columns",
    "batch.new().tables.remove_columns",
    "batch.new().tables.delete",
)
def test_tables_in_a_batch(client: DataverseClient) -> None:
    """Made, changed and deleted."""
    batch = client.batch.new()
    batch.tables.create("new_Product", {"new_Code": "string", "new_Price": "decimal"}, display_name="Product")
    batch.tables.get("new_Product")
    batch.tables.list(select=["LogicalName"])
    result = batch.execute()
    assert not result.has_errors, result.failed
    assert result.responses[1].data["value"][0]["EntitySetName"] == "new_products"
    batch = client.batch.new()
    batch.tables.add_columns("new_Product", {"new_Colour": "string", "new_Count": "int"})
    batch.tables.remove_columns("new_Product", "new_Code")
    assert not batch.execute().has_errors
    names = {column["LogicalName"] for column in client.tables.list_columns("new_Product", select=["LogicalName"])}
    assert {"new_colour", "new_count", "new_price"} <= names
    assert "new_code" not in names
    batch = client.batch.new()
    batch.tables.delete("new_Product")
    assert not batch.execute().has_errors
    assert client.tables.get("new_Product") is None


@passes(
    "batch.new().tables.create_lookup_field",
    "batch.new().tables.create_one_to_many_relationship",
    "batch.new().tables.create_many_to_many_relationship",
    "batch.new().tables.get_relationship",
    "batch.new().tables.delete_relationship",
)
def test_relationships_in_a_batch(client: DataverseClient) -> None:
    """Made, found and deleted."""
    lookup = LookupAttributeMetadata("new_CityId", Label([LocalizedLabel("City", 1033)]))
    batch = client.batch.new()
    batch.tables.create_lookup_field("contact", "new_CountryId", "new_country")
    batch.tables.create_one_to_many_relationship(
        lookup, OneToManyRelationshipMetadata("new_city_contact", "new_city", "contact", "new_cityid")
    )
    batch.tables.create_many_to_many_relationship(
        ManyToManyRelationshipMetadata("new_contact_product", "contact", "product")
    )
    batch.tables.get_relationship("new_contact_product")
    result = batch.execute()
    assert not result.has_errors, result.failed
    batch = client.batch.new()
    for made in result.responses[:3]:
        batch.tables.delete_relationship(made.entity_id)
    assert not batch.execute().has_errors
    assert client.tables.get_relationship("new_city_contact") is None
    assert client.tables.get_column("contact", "new_CityId") is None


@passes("batch.new().dataframe.create", "batch.new().dataframe.update", "batch.new().dataframe.delete")
def test_data_frames_in_a_batch(client: DataverseClient, server: LocalDataverse) -> None:
    """Rows of frames are created, changed and deleted."""
    ids = client.records.create("account", [{"name": "A"}, {"name": "B"}])
    batch = client.batch.new()
    batch.dataframe.create("account", pd.DataFrame([{"name": "C"}]))
    batch.dataframe.update("account", pd.DataFrame({"accountid": [ids[0]], "name": ["Z"]}), "accountid")
    batch.dataframe.delete("account", pd.Series(ids[1:]), use_bulk_delete=False)
    result = batch.execute()
    assert not result.has_errors, result.failed
    assert sorted(str(row["name"]) for row in server.rows("account")) == ["C", "Z"]
