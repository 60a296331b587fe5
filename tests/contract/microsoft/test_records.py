"""Rows, as Microsoft's client creates, reads, changes and deletes them, alone, in bulk and as data frames."""

from __future__ import annotations

import pandas as pd
import pytest
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.upsert import UpsertItem

from local.dataverse import LocalDataverse
from tests.contract.microsoft.conftest import Clock
from tests.contract.microsoft.operations import passes


@passes("records.create", "records.retrieve", "records.update", "records.delete")
def test_one_row_lives_and_dies(client: DataverseClient) -> None:
    """Created, read with a lookup expanded, changed, deleted; then it is not there."""
    parent = client.records.create("account", {"Name": "Parent"})
    row = client.records.create("account", {"name": "Contoso", "parentaccountid@odata.bind": f"/accounts({parent})"})
    found = client.records.retrieve("account", row, select=["name"], expand=["parentaccountid($select=name)"])
    assert found is not None
    assert (found["name"], found["parentaccountid"]["name"]) == ("Contoso", "Parent")
    client.records.update("account", row, {"telephone1": "555", "new_tier": "Gold"})
    found = client.records.retrieve("account", row, include_annotations="*")
    assert found is not None
    assert found["new_tier@OData.Community.Display.V1.FormattedValue"] == "Gold"
    client.records.delete("account", row)
    assert client.records.retrieve("account", row) is None
    with pytest.raises(HttpError) as refused:
        client.records.update("account", row, {"telephone1": "556"})
    assert refused.value.status_code == 404


@passes("client.flush_cache", "client.close")
def test_the_client_forgets_and_closes(client: DataverseClient) -> None:
    """Labels of choices are fetched once and forgotten on demand; a closed client is closed."""
    client.records.create("account", {"name": "Contoso"})
    assert client.flush_cache("picklist") == 1
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.records.create("account", {"name": "Contoso"})


def finished(client: DataverseClient, clock: Clock, job: str) -> bool:
    """Whether a system job has succeeded by a minute from now."""
    for _ in range(3):
        clock.forward(20)
        found = client.records.retrieve("asyncoperation", job, select=["statuscode"])
    return found is not None and found["statuscode"] == 30


def test_many_rows_live_and_die(client: DataverseClient, server: LocalDataverse, clock: Clock) -> None:
    """By bulk messages; a bulk delete is a system job that has done its work."""
    ids = client.records.create("account", [{"name": f"A{i}", "new_tier": "Silver"} for i in range(5)])
    client.records.update("account", ids, {"telephone1": "555"})
    client.records.update("account", ids[:2], [{"name": "B0"}, {"name": "B1"}])
    rows = {row["accountid"]: row for row in server.rows("account")}
    assert [rows[i]["name"] for i in ids] == ["B0", "B1", "A2", "A3", "A4"]
    assert {rows[i]["telephone1"] for i in ids} == {"555"}
    job = client.records.delete("account", ids[:4])
    assert job is not None
    assert finished(client, clock, job)
    assert [row["accountid"] for row in server.rows("account")] == ids[4:]
    assert client.records.delete("account", ids[4:], use_bulk_delete=False) is None
    assert server.rows("account") == []


@passes("records.upsert")
def test_rows_are_upserted_by_key(client: DataverseClient, server: LocalDataverse) -> None:
    """One, and many; the second time they are updated."""
    key = {"accountnumber": "A1"}
    client.records.upsert("account", [UpsertItem(key, {"name": "First"})])
    client.records.upsert("account", [{"alternate_key": key, "record": {"name": "Second"}}])
    items = [UpsertItem({"accountnumber": f"A{i}"}, {"name": f"Name {i}"}) for i in range(1, 4)]
    client.records.upsert("account", items)
    assert [row["name"] for row in server.rows("account")] == ["Name 1", "Name 2", "Name 3"]


@passes("records.list", "records.list_pages")
def test_rows_are_listed(client: DataverseClient) -> None:
    """All pages at once or one by one, filtered, ordered, with a count."""
    client.records.create("account", [{"name": f"A{i}", "numberofemployees": i} for i in range(7)])
    found = client.records.list("account", filter=col("numberofemployees") >= 2, select=["name"], page_size=2)
    assert len(found) == 5
    last = client.records.list("account", filter="numberofemployees ge 2", orderby=["name desc"], top=1, count=True)
    assert last.first()["name"] == "A6"
    assert [len(page) for page in client.records.list_pages("account", select=["name"], page_size=3)] == [3, 3, 1]


@passes("records.get")
def test_rows_are_read_the_old_way(client: DataverseClient) -> None:
    """What the client will drop still works here."""
    row = client.records.create("account", {"name": "Contoso"})
    with pytest.warns(DeprecationWarning):
        assert client.records.get("account", row, select=["name"])["name"] == "Contoso"
    with pytest.warns(DeprecationWarning):
        pages = list(client.records.get("account", filter="name eq 'Contoso'", page_size=10))
    assert [record["name"] for page in pages for record in page] == ["Contoso"]


@passes("dataframe.create", "dataframe.update", "dataframe.delete", "dataframe.get", "dataframe.sql")
def test_data_frames_are_written_and_read(client: DataverseClient, server: LocalDataverse) -> None:
    """Rows of a frame become rows of a table, and the other way."""
    ids = client.dataframe.create("account", pd.DataFrame([{"name": "A", "telephone1": "1"}, {"name": "B"}]))
    changes = pd.DataFrame({"accountid": ids, "telephone1": ["2", None]})
    client.dataframe.update("account", changes, "accountid", clear_nulls=True)
    with pytest.warns(DeprecationWarning):
        frame = client.dataframe.get("account", select=["name", "telephone1"], orderby=["name"])
    assert list(frame["name"]) == ["A", "B"]
    frame = client.dataframe.sql("SELECT name, telephone1 FROM account WHERE telephone1 = '2'")
    assert list(frame["name"]) == ["A"]
    client.dataframe.delete("account", ids, use_bulk_delete=False)
    assert server.rows("account") == []
