"""What writes do over time, in numbers, and with tables of one's own: jobs, expiry, cascades, the cap of a batch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from local.dataverse import LocalDataverse
from local.dataverse.logic import Event

TABLES = """
tables:
  new_parent:
    name: new_name
    columns: { new_name: { type: text } }
  new_child:
    name: new_name
    set: new_children
    columns:
      new_name: { type: text }
      new_parentid: { type: lookup, targets: { new_parent: { relationship: new_children_of, delete: cascade } } }
  new_toy:
    name: new_name
    columns:
      new_name: { type: text }
      new_childid: { type: lookup, targets: { new_child: { delete: restrict } } }
      new_parentid: { type: lookup, targets: { new_parent: { delete: remove_link } } }
"""


def _session(server: LocalDataverse) -> requests.Session:
    form = {"grant_type": "client_credentials", "client_id": server.client_id, "client_secret": server.client_secret}
    endpoint = f"{server.authority}{server.tenant_id}/oauth2/v2.0/token"
    reply = requests.post(endpoint, data=form | {"scope": f"{server.authority}.default"}, timeout=10)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
    return session


def _order(caller: requests.Session, server: LocalDataverse, **query: Any) -> requests.Response:
    condition = {
        "AttributeName": "name",
        "Operator": "BeginsWith",
        "Values": [{"Value": "old", "Type": "System.String"}],
    }
    expression = {"EntityName": "account", "Criteria": {"FilterOperator": "And", "Conditions": [condition]}} | query
    body = {"JobName": "Old ones", "RecurrencePattern": "", "ToRecipients": [], "QuerySet": [expression]}
    return caller.post(f"{server.url}BulkDelete", json=body, timeout=10)


def test_a_bulk_delete_is_a_job_that_can_be_polled(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Ready, in progress, completed; the rows that are restricted stay and are counted, all others are gone."""
    server = local_dataverse
    (currency,) = server.insert("transactioncurrency", [_currency("old money")])
    server.insert("account", [{"name": f"old {i}"} for i in range(3)] + [{"name": "new"}])
    reply = _order(caller, server)
    assert reply.status_code == 200
    assert reply.json()["@odata.context"].endswith("BulkDeleteResponse")
    job = f"{server.url}asyncoperations({reply.json()['JobId']})"
    assert len(server.rows("account")) == 4
    found = caller.get(f"{job}?$select=statecode,statuscode,operationtype,name").json()
    assert (found["statecode"], found["statuscode"], found["operationtype"], found["name"]) == (2, 20, 13, "Old ones")
    found = caller.get(job).json()
    assert (found["statecode"], found["statuscode"]) == (3, 30)
    assert found["friendlymessage"] == "3 rows deleted, 0 rows could not be deleted."
    assert found["completedon"] >= found["startedon"]
    assert [row["name"] for row in server.rows("account")] == ["new"]
    server.insert(
        "account", [{"name": "old", "transactioncurrencyid@odata.bind": f"transactioncurrencies({currency})"}]
    )
    job = _order(caller, server, EntityName="transactioncurrency", Criteria={}).json()["JobId"]
    for _ in range(2):
        found = caller.get(f"{server.url}asyncoperations({job})").json()
    assert found["friendlymessage"] == "2 rows deleted, 2 rows could not be deleted."


def _currency(name: str) -> dict[str, object]:
    return {
        "currencyname": name,
        "isocurrencycode": "OLD",
        "currencysymbol": "o",
        "currencyprecision": 2,
        "exchangerate": 2,
    }


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ([("numberofemployees", "GreaterThan", [5])], [1, 5]),
        ([("numberofemployees", "In", [{"Value": "1", "Type": "System.Int32"}, 9])], [5]),
        ([("numberofemployees", "Null", [])], [1, 5, 9]),
        ([("numberofemployees", "NotNull", []), ("creditonhold", "Equal", [True])], [1, 5, 9]),
        ([("name", "DoesNotContain", ["it's"])], [1]),
        ([("createdon", "LastXDays", [3])], []),
        ([("name", "Equal", ["' or 1 eq 1 or name eq '"])], [1, 5, 9]),
    ],
)
def test_a_bulk_delete_selects_by_its_conditions(
    conditions: list[tuple[str, str, list[object]]],
    left: list[int],
    local_dataverse: LocalDataverse,
    caller: requests.Session,
) -> None:
    """Operators of a QueryExpression, values typed or plain."""
    names = {1: "it's", 5: "b", 9: "c"}
    local_dataverse.insert("account", [{"name": n, "numberofemployees": v} for v, n in names.items()])
    listed = [{"AttributeName": a, "Operator": o, "Values": v} for a, o, v in conditions]
    assert _order(caller, local_dataverse, Criteria={"Filters": [{"Conditions": listed}]}).status_code == 200
    for _ in range(2):
        caller.get(f"{local_dataverse.url}WhoAmI")
    assert [row["numberofemployees"] for row in local_dataverse.rows("account")] == left


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"EntityName": "nothing"}, 400, "0x80040203"),
        ({"Criteria": {"Conditions": [{"AttributeName": "nme", "Operator": "Null"}]}}, 400, "0x80041103"),
        ({"Criteria": {"Conditions": [{"AttributeName": "name", "Operator": "Nonsense"}]}}, 400, "0x80060888"),
        ({"Criteria": {"Conditions": [{"AttributeName": "name", "Operator": "x'y"}]}}, 400, "0x80040203"),
        ({"Criteria": {"Conditions": 5}}, 400, "0x80040203"),
        ({"LinkEntities": [{}]}, 501, "0x80048d1b"),
    ],
)
def test_a_bulk_delete_that_cannot_be_understood_is_no_job(
    query: dict[str, Any], status: int, code: str, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """It is refused at once."""
    reply = _order(caller, local_dataverse, **query)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert local_dataverse.rows("asyncoperation") == []


def test_a_job_goes_on_after_a_restart_and_waits_for_its_time(tmp_path: Path) -> None:
    """Ordered in one process for tomorrow, done in another, one second or more after its time."""
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    body = {"JobName": "J", "StartDateTime": "2026-03-02T00:00:00Z", "QuerySet": [{"EntityName": "account"}]}
    with LocalDataverse(file=tmp_path / "rows.db", clock=lambda: now[0]) as server:
        server.insert("account", [{"name": "A"}])
        assert _session(server).post(f"{server.url}BulkDelete", json=body, timeout=10).status_code == 200
    with LocalDataverse(file=tmp_path / "rows.db", clock=lambda: now[0]) as server:
        session = _session(server)
        session.get(f"{server.url}WhoAmI")
        assert len(server.rows("account")) == 1
        now[0] += timedelta(days=2)
        assert _session(server).get(f"{server.url}accounts").json()["value"] == []
        assert server.rows("asyncoperation")[0]["statuscode"] == 30


def test_a_job_can_be_cancelled(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Before it begins; nothing is deleted then."""
    local_dataverse.insert("account", [{"name": "old"}])
    body = {"JobName": "J", "StartDateTime": "2999-01-01T00:00:00Z", "QuerySet": [{"EntityName": "account"}]}
    job_id = caller.post(f"{local_dataverse.url}BulkDelete", json=body).json()["JobId"]
    job = f"{local_dataverse.url}asyncoperations({job_id})"
    cancelled = {"statecode": 3, "statuscode": 32, "postponeuntil": None}
    assert caller.patch(job, json=cancelled).status_code == 204
    assert [caller.get(job).json()["statuscode"] for _ in range(2)] == [32, 32]
    assert len(local_dataverse.rows("account")) == 1


def test_rows_of_an_elastic_table_expire() -> None:
    """Gone when `ttlinseconds` have passed since the last write; a row without it stays."""
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    with LocalDataverse(clock=lambda: now[0]) as server:
        session = _session(server)
        for row in ({"new_name": "short", "ttlinseconds": 60}, {"new_name": "long", "ttlinseconds": 600}, {}):
            assert session.post(f"{server.url}new_readings", json=row).status_code == 204
        now[0] += timedelta(seconds=59)
        assert len(session.get(f"{server.url}new_readings").json()["value"]) == 3
        now[0] += timedelta(seconds=1)
        found = session.get(f"{server.url}new_readings").json()["value"]
        assert [row["new_name"] for row in found] == ["long", None]


def test_a_delete_takes_the_rows_below_or_none(tmp_path: Path) -> None:
    """Cascade goes down, restrict anywhere below refuses the whole, a plain link is removed."""
    (tmp_path / "tables.yaml").write_text(TABLES, encoding="utf-8")
    with LocalDataverse(tables=tmp_path / "tables.yaml") as server:
        session = _session(server)
        (parent,) = server.insert("new_parent", [{"new_name": "P"}])
        bind = {"new_parentid@odata.bind": f"new_parents({parent})"}
        child, _ = server.insert("new_child", [bind, bind])
        (toy,) = server.insert("new_toy", [{"new_childid@odata.bind": f"new_children({child})", **bind}])
        refused = session.delete(f"{server.url}new_parents({parent})")
        assert (refused.status_code, refused.json()["error"]["code"]) == (405, "0x80040227")
        assert len(server.rows("new_child")) == 2
        assert server.rows("new_toy")[0]["_new_parentid_value"] == parent
        clear = session.patch(f"{server.url}new_toys({toy})", json={"new_childid@odata.bind": None})
        assert clear.status_code == 204
        before = server.rows("new_toy")[0]["versionnumber"]
        assert session.delete(f"{server.url}new_parents({parent})").status_code == 204
        assert server.rows("new_child") == []
        row = server.rows("new_toy")[0]
        assert row["_new_parentid_value"] is None
        assert int(str(row["versionnumber"])) > int(str(before))


def test_every_row_that_goes_raises_its_steps(tmp_path: Path) -> None:
    """In a delete, the rows that cascade with it; in a bulk delete, all; and a step there may refuse."""
    (tmp_path / "tables.yaml").write_text(TABLES, encoding="utf-8")
    told: set[object] = set()

    def note(event: Event) -> None:
        before = event.before or {}
        if before.get("new_name") == "kept":
            event.refuse("This one stays.")
        told.add(event.row_id)

    with LocalDataverse(tables=tmp_path / "tables.yaml") as server:
        parents = server.insert("new_parent", [{"new_name": name} for name in ("a", "b", "kept")])
        binds = [{"new_parentid@odata.bind": f"new_parents({parent})"} for parent in parents]
        children = server.insert("new_child", binds)
        server.on(note, message="Delete")
        session = _session(server)
        assert session.delete(f"{server.url}new_parents({parents[0]})").status_code == 204
        assert told == {parents[0], children[0]}
        ordered = session.post(f"{server.url}BulkDelete", json={"QuerySet": [{"EntityName": "new_parent"}]})
        assert ordered.status_code == 200
        while any(job["statecode"] != 3 for job in server.rows("asyncoperation")):
            session.get(f"{server.url}WhoAmI")
        assert {parents[1], children[1]} < told
        assert [row["new_parentid"] for row in server.rows("new_parent")] == [parents[2]]
        assert [row["new_childid"] for row in server.rows("new_child")] == [children[2]]


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
def test_a_batch_holds_a_thousand_operations(
    count: int, status: int, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """One more and nothing of it is done."""
    part = "--b\r\nContent-Type: application/http\r\n\r\nPOST accounts HTTP/1.1\r\n\r\n{}\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    reply = caller.post(f"{local_dataverse.url}$batch", data=part * count + "--b--\r\n", headers=headers)
    assert reply.status_code == status
    assert len(local_dataverse.rows("account")) == (count if status == 200 else 0)


def test_a_refused_change_set_leaves_no_memory(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """It disabled its own caller, was read, and then failed at a reference: the caller is not disabled."""
    user = caller.get(f"{local_dataverse.url}WhoAmI").json()["UserId"]
    parts = [
        ("PATCH", f"systemusers({user})", '{"isdisabled":true}'),
        ("POST", "accounts", '{"name":"a"}'),
        ("PATCH", "$9", '{"name":"b"}'),
    ]
    inner = "".join(
        f"--c\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n{method} "
        f"{'' if path.startswith('$') else '/api/data/v9.2/'}{path} HTTP/1.1\r\n\r\n{body}\r\n"
        for number, (method, path, body) in enumerate(parts, 1)
    )
    body = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}--c--\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    reply = caller.post(f"{local_dataverse.url}$batch", data=body, headers=headers)
    assert (reply.status_code, "'$9' does not exist" in reply.text) == (400, True)
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 200
