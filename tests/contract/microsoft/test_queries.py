"""Queries of Microsoft's client: its builder, FetchXML, SQL, and what it finds out about columns and relationships."""

from __future__ import annotations

import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.models.filters import col, raw
from PowerPlatform.Dataverse.models.query_builder import ExpandOption

from tests.contract.microsoft.operations import passes

FETCH = """
<fetch>
  <entity name="contact">
    <attribute name="fullname" />
    <filter><condition attribute="jobtitle" operator="eq" value="Buyer" /></filter>
    <link-entity name="account" from="accountid" to="parentcustomerid" alias="company" link-type="inner">
      <attribute name="name" />
    </link-entity>
    <order attribute="fullname" />
  </entity>
</fetch>
"""


@pytest.fixture
def company(client: DataverseClient) -> str:
    """An account with three contacts."""
    account = client.records.create("account", {"name": "Contoso", "revenue": 1000, "new_tier": "Gold"})
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({account})"}
    people = [("Ann", "Buyer"), ("Bob", "Seller"), ("Cid", "Buyer")]
    client.records.create("contact", [{"firstname": n, "lastname": "X", "jobtitle": t, **bind} for n, t in people])
    return account


@passes(
    "query.builder",
    "query.builder().select",
    "query.builder().where",
    "query.builder().order_by",
    "query.builder().top",
    "query.builder().page_size",
    "query.builder().count",
    "query.builder().execute",
    "query.builder().execute_pages",
    "query.builder().build",
    "query.builder().to_dataframe",
)
def test_the_builder_asks(client: DataverseClient, company: str) -> None:
    """Conditions, order, pages and a data frame."""
    asked = client.query.builder("contact").select("fullname", "jobtitle").order_by("fullname", descending=True)
    assert [row["fullname"] for row in asked.execute()] == ["Cid X", "Bob X", "Ann X"]
    buyers = client.query.builder("contact").where(col("jobtitle") == "Buyer").where(col("firstname").contains("n"))
    assert [row["fullname"] for row in buyers.count().execute()] == ["Ann X"]
    pages = client.query.builder("contact").select("fullname").page_size(2).execute_pages()
    assert [len(page) for page in pages] == [2, 1]
    either = client.query.builder("contact").where(raw("jobtitle eq 'Seller'") | (col("firstname") == "Cid"))
    with pytest.warns(DeprecationWarning):
        assert len(either.to_dataframe()) == 2
    assert client.query.builder("contact").top(1).build()["top"] == 1
    assert len(client.query.builder("contact").top(1).execute()) == 1
    kept = client.query.builder("contact").where(col("_parentcustomerid_value") == company).where(col("fax").is_null())
    with pytest.raises(Exception, match="fax"):
        kept.execute()


@passes("query.builder().expand", "query.builder().include_formatted_values", "query.builder().include_annotations")
def test_the_builder_expands_and_annotates(client: DataverseClient, company: str) -> None:
    """Lookups, collections with options of their own, formatted values."""
    people = ExpandOption("contact_customer_accounts").select("fullname").filter("jobtitle eq 'Buyer'")
    people = people.order_by("fullname", descending=True).top(1)
    asked = client.query.builder("account").where(col("accountid") == company).expand(people)
    found = asked.include_formatted_values().execute().first()
    assert [row["fullname"] for row in found["contact_customer_accounts"]] == ["Cid X"]
    assert found["new_tier@OData.Community.Display.V1.FormattedValue"] == "Gold"
    all_notes = client.query.builder("contact").top(1).include_annotations("*").execute().first()
    assert all_notes["_parentcustomerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"


@passes("query.fetchxml", "query.fetchxml().execute", "query.fetchxml().execute_pages")
def test_fetchxml_is_answered(client: DataverseClient, company: str) -> None:
    """A join, a condition and an order; and page by page."""
    found = client.query.fetchxml(FETCH).execute()
    assert [(row["fullname"], row["company.name"]) for row in found] == [("Ann X", "Contoso"), ("Cid X", "Contoso")]
    paged = client.query.fetchxml(FETCH.replace("<fetch>", '<fetch count="1" page="1">')).execute_pages()
    assert [[row["fullname"] for row in page] for page in paged] == [["Ann X"], ["Cid X"]]


@passes("query.sql")
def test_sql_is_answered(client: DataverseClient, company: str) -> None:
    """A join and a grouping."""
    joined = client.query.sql(
        "SELECT c.fullname, a.name FROM contact c JOIN account a ON c.parentcustomerid = a.accountid "
        "WHERE c.jobtitle = 'Buyer' ORDER BY c.fullname"
    )
    assert [row["fullname"] for row in joined] == ["Ann X", "Cid X"]
    counted = client.query.sql("SELECT jobtitle, COUNT(*) AS n FROM contact GROUP BY jobtitle ORDER BY jobtitle")
    assert [(row["jobtitle"], row["n"]) for row in counted] == [("Buyer", 2), ("Seller", 1)]


@passes("query.sql_columns", "query.odata_select", "query.odata_expands", "query.odata_expand", "query.odata_bind")
def test_columns_and_relationships_are_found_out(client: DataverseClient, company: str) -> None:
    """Names for SELECT, for `$select`, for `$expand` and for binds, from the metadata."""
    first = client.query.sql_columns("contact")[0]
    assert (first["name"], first["is_pk"]) == ("contactid", True)
    with pytest.warns(DeprecationWarning):
        assert "fullname" in client.query.odata_select("contact")
    expands = {entry["nav_property"]: entry for entry in client.query.odata_expands("contact")}
    assert expands["parentcustomerid_account"]["target_entity_set"] == "accounts"
    with pytest.warns(DeprecationWarning):
        assert client.query.odata_expand("contact", "account") == "parentcustomerid_account"
    with pytest.warns(DeprecationWarning):
        bind = client.query.odata_bind("contact", "account", company)
    row = client.records.create("contact", {"lastname": "Y", **bind})
    assert client.records.retrieve("contact", row)["_parentcustomerid_value"] == company
