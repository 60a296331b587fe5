"""Microsoft's client reads by SQL and FetchXML, over its own paging."""

from __future__ import annotations

import pytest
from PowerPlatform.Dataverse.client import DataverseClient

from local.dataverse import LocalDataverse

NAMES = [f"n{number:02}" for number in range(11)]


@pytest.fixture(autouse=True)
def accounts(server: LocalDataverse) -> None:
    """Eleven accounts, the first with two contacts."""
    ids = server.insert("account", [{"name": name, "numberofemployees": number} for number, name in enumerate(NAMES)])
    bound = {"parentcustomerid_account@odata.bind": f"accounts({ids[0]})"}
    server.insert("contact", [{"firstname": "A", "lastname": "B"} | bound, {"firstname": "C", "lastname": "D"} | bound])


def test_sql(client: DataverseClient) -> None:
    """Columns, conditions, joins and aggregates as its guide writes them."""
    rows = client.query.sql("SELECT TOP 2 name FROM account WHERE numberofemployees >= 3 ORDER BY name")
    assert [row["name"] for row in rows] == ["n03", "n04"]
    joined = client.query.sql(
        "SELECT a.name, COUNT(c.contactid) as cnt FROM account a "
        "JOIN contact c ON a.accountid = c.parentcustomerid GROUP BY a.name"
    )
    assert [(row["name"], row["cnt"]) for row in joined] == [("n00", 2)]
    assert client.query.sql("SELECT name FROM account WHERE name = 'nobody'") == []


def test_sql_over_pages(client: DataverseClient, server: LocalDataverse) -> None:
    """It follows the links to the last row, and meets no cookie twice (it would warn)."""
    server.insert("new_city", [{"new_citycode": f"{number:05}"} for number in range(5003)])
    rows = client.query.sql("SELECT new_citycode FROM new_city ORDER BY new_citycode")
    assert [row["new_citycode"] for row in rows] == [f"{number:05}" for number in range(5003)]


def test_fetchxml_over_pages(client: DataverseClient) -> None:
    """It takes the paging cookie apart and gets each row once."""
    attribute = "<attribute name='name'/><order attribute='name' descending='true'/>"
    query = client.query.fetchxml(f"<fetch count='4'><entity name='account'>{attribute}</entity></fetch>")
    assert [row["name"] for row in query.execute()] == NAMES[::-1]
