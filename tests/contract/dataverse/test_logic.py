"""Custom logic: plug-in steps within and behind a write, declared actions and functions, classic workflows."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from local.dataverse import LocalDataverse
from local.dataverse.documents import DocumentError
from local.dataverse.limits import Limits
from local.dataverse.logic import Event, Operation, Stage, Workflow, steps

NAMESPACE = "Microsoft.Dynamics.CRM."
FLOW = "0d000000-0000-4000-8000-00000000f10a"


def names(server: LocalDataverse) -> list[object]:
    return [row["name"] for row in server.rows("account")]


def bulk(caller: requests.Session, server: LocalDataverse, message: str, *rows: dict[str, Any]) -> requests.Response:
    targets = [{"@odata.type": f"{NAMESPACE}account", **row} for row in rows]
    return caller.post(f"{server.url}accounts/{NAMESPACE}{message}", json={"Targets": targets})


def test_a_step_before_the_write_may_change_the_row(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Single creates, bulk creates and updates pass through it; other tables do not."""

    def shout(event: Event) -> None:
        event.row["name"] = str(event.row["name"]).upper()

    step = local_dataverse.on(shout, "account", stage=Stage.BEFORE, columns=["name"])
    caller.post(f"{local_dataverse.url}accounts", json={"name": "one"})
    bulk(caller, local_dataverse, "CreateMultiple", {"name": "two"}, {"name": "three"})
    caller.post(f"{local_dataverse.url}contacts", json={"lastname": "small"})
    assert names(local_dataverse) == ["ONE", "TWO", "THREE"]
    row_id = local_dataverse.rows("account")[0]["accountid"]
    caller.patch(f"{local_dataverse.url}accounts({row_id})", json={"name": "again"})
    caller.patch(f"{local_dataverse.url}accounts({row_id})", json={"telephone1": "1"})
    local_dataverse.remove(step)
    caller.post(f"{local_dataverse.url}accounts", json={"name": "free"})
    assert names(local_dataverse) == ["AGAIN", "TWO", "THREE", "free"]


@pytest.mark.parametrize("stage", [Stage.BEFORE, Stage.AFTER])
def test_a_step_that_refuses_rolls_the_whole_call_back(
    stage: Stage, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """One row of three is refused: nothing is written, and the caller reads why."""

    def judge(event: Event) -> None:
        if event.row.get("name") == "bad":
            event.refuse("No bad names.")

    local_dataverse.on(judge, "account", "Create", stage=stage)
    refused = bulk(caller, local_dataverse, "CreateMultiple", {"name": "a"}, {"name": "bad"}, {"name": "b"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80040265")
    assert refused.json()["error"]["message"] == "No bad names."
    assert names(local_dataverse) == []


def test_a_step_sees_the_row_before_and_after(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Create, update, delete: what was sent, what was there, what is there."""
    seen: list[tuple[object, ...]] = []

    def note(event: Event) -> None:
        before, after = (None if row is None else row["name"] for row in (event.before, event.after))
        seen.append((event.message, event.row.get("name"), before, after, bool(event.row_id)))

    local_dataverse.on(note, "account")
    reply = caller.post(f"{local_dataverse.url}accounts", json={"name": "a"})
    url = reply.headers["OData-EntityId"]
    caller.patch(url, json={"name": "b"})
    caller.delete(url)
    assert seen == [
        ("Create", "a", None, "a", True),
        ("Update", "b", "a", "b", True),
        ("Delete", None, "b", None, True),
    ]


def test_a_step_writes_other_rows_in_the_same_transaction(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """What it made goes when a later step refuses; a step that calls itself for ever is stopped."""

    def shadow(event: Event) -> None:
        event.create("contact", {"lastname": str(event.row["name"])})

    def veto(event: Event) -> None:
        if event.row["name"] == "bad":
            event.refuse("no")

    local_dataverse.on(shadow, "account", "Create")
    local_dataverse.on(veto, "account", "Create")
    for name in ("good", "bad"):
        caller.post(f"{local_dataverse.url}accounts", json={"name": name})
    assert [row["lastname"] for row in local_dataverse.rows("contact")] == ["good"]

    local_dataverse.on(lambda event: event.update("contact", event.row_id, {"lastname": "x"}), "contact", "Update")
    row_id = local_dataverse.rows("contact")[0]["contactid"]
    looped = caller.patch(f"{local_dataverse.url}contacts({row_id})", json={"lastname": "y"})
    assert (looped.status_code, "infinite loop" in looped.text) == (400, True)
    assert local_dataverse.rows("contact")[0]["lastname"] == "good"


def test_asynchronous_steps_touch_the_row_later(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """After the commit, in their own transaction; a change set that was rolled back causes none."""
    seen: list[str] = []

    def enrich(event: Event) -> None:
        seen.append(str(event.row["name"]))
        event.update("account", event.row_id, {"telephone1": "later"})

    local_dataverse.on(enrich, "account", "Create", stage=Stage.LATER)
    caller.post(f"{local_dataverse.url}accounts", json={"name": "a"})
    head = "--c\r\nContent-Type: application/http\r\nContent-ID: {0}\r\n\r\n"
    part = head + "POST /api/data/v9.2/accounts HTTP/1.1\r\n\r\n{1}\r\n"
    inner = part.format(1, '{"name":"b"}') + part.format(2, '{"nme":"c"}') + "--c--\r\n"
    body = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    assert caller.post(f"{local_dataverse.url}$batch", data=body, headers=headers).status_code == 400
    local_dataverse.settle()
    assert seen == ["a"]
    assert [row["telephone1"] for row in local_dataverse.rows("account")] == ["later"]


def test_an_error_in_an_asynchronous_step_comes_to_light(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """`settle` raises it; the write it followed stays, and the server goes on."""
    local_dataverse.on(lambda event: {}[event.row_id], "account", stage=Stage.LATER)  # type: ignore[misc]
    assert caller.post(f"{local_dataverse.url}accounts", json={"name": "a"}).status_code == 204
    with pytest.raises(KeyError):
        local_dataverse.settle()
    local_dataverse.settle()
    assert names(local_dataverse) == ["a"]


def test_callers_may_bypass_custom_logic(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """By the header, synchronous and asynchronous steps each for itself; seeds raise none."""
    seen: list[str] = []
    local_dataverse.on(lambda _: seen.append("sync"), "account")
    local_dataverse.on(lambda _: seen.append("async"), "account", stage=Stage.LATER)
    for value in ("CustomSync", "CustomAsync", "CustomSync,CustomAsync"):
        headers = {"MSCRM.BypassBusinessLogicExecution": value}
        caller.post(f"{local_dataverse.url}accounts", json={"name": value}, headers=headers)
    local_dataverse.insert("account", [{"name": "seed"}])
    local_dataverse.settle()
    assert sorted(seen) == ["async", "sync"]


def test_a_slow_step_makes_the_request_slower(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Its time counts as execution of the request."""
    local_dataverse.limit(Limits())
    local_dataverse.on(lambda event: event.delay(0.05), "account", "Create")
    bulk(caller, local_dataverse, "CreateMultiple", {"name": "a"}, {"name": "b"})
    assert local_dataverse.gauges[0].execution_s == pytest.approx(0.1)


def test_unbound_actions(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Parameters are checked, columns set, members answered; the log has the action's name."""
    local_dataverse.insert("account", [{"name": "a"}, {"name": "b"}])
    does = {"set": {"description": "$JobId"}, "table": "account", "echo": {"Job": "JobId"}, "count": "Rows"}
    local_dataverse.declare(
        Operation.of({"name": "new_Refresh", "parameters": {"JobId": "text", "Force": "boolean?"}, "does": does})
    )
    url = f"{local_dataverse.url}new_Refresh"
    reply = caller.post(url, json={"JobId": "j1"})
    assert reply.json() == {
        "@odata.context": f"{local_dataverse.url}$metadata#{NAMESPACE}new_RefreshResponse",
        "Job": "j1",
        "Rows": 2,
    }
    assert {row["description"] for row in local_dataverse.rows("account")} == {"j1"}
    assert (local_dataverse.requests[-1].message, local_dataverse.requests[-1].rows) == ("new_Refresh", 2)
    for wrong in ({}, {"JobId": 1}, {"JobId": "j", "Force": "yes"}, {"JobId": "j", "Other": 1}):
        assert caller.post(url, json=wrong).status_code == 400
    for missing in (caller.get(url), caller.post(url + "s", json={})):
        assert missing.status_code == 404
    assert "No HTTP resource was found that matches the request URI" in caller.get(url).text


def test_numbers_of_any_length_are_parameters(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """A number with more digits than a float keeps is a number as any other, answered and stored."""
    local_dataverse.insert("account", [{"name": "a"}])
    does = {"set": {"creditlimit": "$N"}, "table": "account", "echo": {"N": "N"}}
    local_dataverse.declare(Operation.of({"name": "new_Rate", "parameters": {"N": "number"}, "does": does}))
    reply = caller.post(f"{local_dataverse.url}new_Rate", data='{"N": 12345678901.994999999}')
    assert reply.json()["N"] == pytest.approx(12345678901.995)
    assert [row["creditlimit"] for row in local_dataverse.rows("account")] == [12345678901.99]


def test_bound_actions(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Of one row by its full name, of the set; one that fails has changed nothing; an inactive one is not there."""
    (row_id,) = local_dataverse.insert("account", [{"name": "a", "accountnumber": "1"}])
    failing = {"set": {"name": "f"}, "fail": {"message": "no way", "code": "0x80040265"}}
    for operation in (
        {"name": "new_Mark", "does": {"set": {"name": "m"}}},
        {"name": "new_All", "collection": True, "does": {"set": {"description": "d"}}},
        {"name": "new_Fail", "does": failing},
        {"name": "new_Off", "active": False},
    ):
        local_dataverse.declare(Operation.of({"bound_to": "account", **operation}))
    row = f"{local_dataverse.url}accounts({row_id})"
    assert caller.post(f"{row}/{NAMESPACE}new_Mark", data="").status_code == 204
    assert caller.post(f"{local_dataverse.url}accounts/{NAMESPACE}new_All", json={}).status_code == 204
    failed = caller.post(f"{local_dataverse.url}accounts(accountnumber='1')/{NAMESPACE}new_Fail", json={})
    assert (failed.status_code, failed.json()["error"]["message"]) == (400, "no way")
    stored = local_dataverse.rows("account")[0]
    assert (stored["name"], stored["description"]) == ("m", "d")
    for wrong in (f"{row}/{NAMESPACE}new_Off", f"{row}/{NAMESPACE}new_All", f"{local_dataverse.url}new_Mark"):
        assert caller.post(wrong, json={}).status_code == 404
    bare = caller.post(f"{row}/new_Mark", json={})
    assert (bare.status_code, "unresolved parameters" in bare.text) == (404, True)
    absent = caller.post(f"{local_dataverse.url}accounts({FLOW})/{NAMESPACE}new_Mark", json={})
    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "0x80040217")


def test_functions(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Inline arguments and aliases, each literal in its own form; the wrong verb is a 404."""
    local_dataverse.declare(
        Operation.of(
            {
                "name": "new_Echo",
                "kind": "function",
                "parameters": {"T": "text", "N": "number?", "L": "list?", "R": "reference?"},
                "does": {"echo": {"T": "T", "N": "N", "L": "L", "R": "R"}, "answer": {"Fixed": 5}},
            }
        )
    )
    root = f"{local_dataverse.url}new_Echo"
    reference = "{'@odata.id':'accounts(1)'}"
    found = caller.get(f"{root}(T='O''Brian, a=b',N=-1.5,L=@l,R=@r)?@l=['x','y']&@r={reference}").json()
    assert (found["T"], found["N"], found["L"], found["Fixed"]) == ("O'Brian, a=b", -1.5, ["x", "y"], 5)
    assert found["R"] == {"@odata.id": "accounts(1)"}
    for wrong in ("(T=1)", "()", "(T='a',T='b')", "(T='a',N=[)", "(T='a',X=1)", ""):
        assert caller.get(root + wrong).status_code == 400, wrong
    assert caller.post(f"{root}(T='a')", json={}).status_code == 404


def test_a_workflow_runs_as_a_job_that_one_polls(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """It is ready, then succeeded with the row set, or failed with a message."""
    (row_id,) = local_dataverse.insert("account", [{"name": "a"}])
    flow = {"id": FLOW, "name": "Rename", "table": "account", "delay_s": 0.2, "does": {"set": {"name": "done"}}}
    local_dataverse.declare(Workflow.of(flow))
    url = f"{local_dataverse.url}workflows({FLOW})/{NAMESPACE}ExecuteWorkflow"
    job = caller.post(url, json={"EntityId": row_id}).json()["asyncoperationid"]
    poll = f"{local_dataverse.url}asyncoperations({job})?$select=statecode,statuscode,message"
    assert caller.get(poll).json()["statecode"] == 0
    local_dataverse.settle()
    assert [caller.get(poll).json()[name] for name in ("statecode", "statuscode")] == [3, 30]
    assert names(local_dataverse) == ["done"]

    local_dataverse.declare(Workflow.of(flow | {"delay_s": 0, "does": {"fail": {"message": "broken"}}}))
    job = caller.post(url, json={"EntityId": row_id}).json()["asyncoperationid"]
    local_dataverse.settle()
    row = caller.get(f"{local_dataverse.url}asyncoperations({job})").json()
    assert (row["statecode"], row["statuscode"], row["message"]) == (3, 31, "broken")
    for wrong, status in (({"EntityId": FLOW}, 404), ({}, 404)):
        assert caller.post(url, json=wrong).status_code == status
    assert caller.get(url).status_code == 404
    local_dataverse.declare(Workflow.of(flow | {"active": False}))
    assert caller.post(url, json={"EntityId": row_id}).status_code == 400


@pytest.mark.parametrize(
    "document",
    [
        {"name": "a b"},
        {"name": "x", "bound_to": "nothing"},
        {"name": "x", "parameters": {"a": "colour"}},
        {"name": "x", "does": {"sett": 1}},
    ],
)
def test_a_wrong_operation_is_refused(document: dict[str, Any], local_dataverse: LocalDataverse) -> None:
    """Names, tables, types and members are checked when it is declared."""
    with pytest.raises(DocumentError):
        local_dataverse.declare(Operation.of(json.loads(json.dumps(document))))


def test_an_elastic_upsert_raises_neither_create_nor_update(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """PATCH without If-Match and UpsertMultiple are silent there, found or not; a create, an update by If-Match, and
    other tables are told."""
    seen: list[tuple[str, str]] = []
    local_dataverse.on(lambda event: seen.append((event.table, event.message)))
    root = f"{local_dataverse.url}new_readings"
    one, other = f"{root}({FLOW})", FLOW.replace("f10a", "f10b")
    for _ in range(2):
        assert caller.patch(one, json={"new_name": "a"}).status_code == 204
        target = {"@odata.type": f"{NAMESPACE}new_reading", "new_readingid": other, "new_name": "b"}
        assert caller.post(f"{root}/{NAMESPACE}UpsertMultiple", json={"Targets": [target]}).status_code == 204
    assert seen == []
    assert caller.patch(one, json={"new_name": "c"}, headers={"If-Match": "*"}).status_code == 204
    assert caller.post(root, json={"new_name": "d"}).status_code == 204
    caller.patch(f"{local_dataverse.url}accounts({FLOW})", json={"name": "e"})
    assert seen == [("new_reading", "Update"), ("new_reading", "Create"), ("account", "Create")]


def test_state_and_owner_are_a_second_update(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Beside other columns they come to the steps by themselves, behind the others; alone they come once."""
    ids = local_dataverse.insert("account", [{"name": "a"}, {"name": "b"}])
    seen: list[tuple[str, list[str], object]] = []
    local_dataverse.on(lambda e: seen.append((e.row_id, sorted(e.row), e.after and e.after["statecode"])), "account")
    url = f"{local_dataverse.url}accounts({ids[0]})"
    owner = local_dataverse.rows("account")[0]["_ownerid_value"]
    both = {"name": "x", "statecode": 1, "ownerid@odata.bind": f"systemusers({owner})"}
    assert caller.patch(url, json=both).status_code == 204
    assert seen == [(ids[0], ["name"], 0), (ids[0], ["ownerid@odata.bind", "statecode"], 1)]
    seen.clear()
    assert caller.patch(url, json={"statecode": 0}).status_code == 204
    assert seen == [(ids[0], ["statecode"], 0)]
    seen.clear()
    rows = [{"accountid": ids[0], "name": "y"}, {"accountid": ids[1], "name": "z", "statecode": 1}]
    assert bulk(caller, local_dataverse, "UpdateMultiple", *rows).status_code == 204
    assert [(row_id, state) for row_id, _, state in seen] == [(ids[0], 0), (ids[1], 0), (ids[1], 1)]
    assert [(row["name"], row["statecode"]) for row in local_dataverse.rows("account")] == [("y", 0), ("z", 1)]
    wrong = [{"accountid": ids[0], "name": "n"}, {"accountid": ids[1], "name": "n", "statecode": 0, "statuscode": 2}]
    refused = bulk(caller, local_dataverse, "UpdateMultiple", *wrong)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80048408")
    assert names(local_dataverse) == ["y", "z"]


def test_single_steps_may_be_bypassed(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """By the ids that the service lists, at most three, also in a part of a batch."""
    seen: list[str] = []
    local_dataverse.on(lambda _: seen.append("one"), "account", "Create")
    local_dataverse.on(lambda _: seen.append("any"), "account")
    listed = caller.get(f"{local_dataverse.url}sdkmessageprocessingsteps").json()["value"]
    ids = {
        (bool(step["rank"] == 1), step["sdkmessageid"]["name"]): step["sdkmessageprocessingstepid"] for step in listed
    }
    name, url = "MSCRM.BypassBusinessLogicExecutionStepIds", f"{local_dataverse.url}accounts"
    assert caller.post(url, json={"name": "a"}, headers={name: ids[True, "Create"]}).status_code == 204
    assert seen == ["any"]
    both = f"{ids[True, 'Create'].upper()}, {ids[False, 'Create']}"
    assert caller.post(url, json={"name": "b"}, headers={name: both}).status_code == 204
    assert caller.post(url, json={"name": "b"}, headers={name: ids[False, "Update"]}).status_code == 204
    assert seen == ["any", "one", "any"]
    part = "POST /api/data/v9.2/accounts HTTP/1.1\r\n{}\r\n\r\n{{}}\r\n"
    head = "--b\r\nContent-Type: application/http\r\n\r\n"
    body = head + part.format(f"{name}: {both}") + head + part.format("X-Other: 1") + "--b--\r\n"
    assert (
        caller.post(
            f"{local_dataverse.url}$batch", data=body, headers={"Content-Type": "multipart/mixed; boundary=b"}
        ).status_code
        == 200
    )
    assert seen == ["any", "one", "any", "one", "any"]
    refused = caller.post(url, json={"name": "c"}, headers={name: ",".join("abcd")})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80040203")


def test_a_large_request_does_not_fit_a_step(
    local_dataverse: LocalDataverse, caller: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over 116.85 MB it is refused where a step of this table looks at it, and only there."""
    assert steps.SANDBOX_BYTES == 122_526_105
    monkeypatch.setattr(steps, "SANDBOX_BYTES", 2_000)
    rows = [{"name": "x" * 100} for _ in range(20)]
    assert bulk(caller, local_dataverse, "CreateMultiple", *rows).status_code == 200
    local_dataverse.on(lambda _: None, "account", "Create")
    refused = bulk(caller, local_dataverse, "CreateMultiple", *rows)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80040216")
    assert "Message size exceeded when sending context to Sandbox" in refused.text
    assert bulk(caller, local_dataverse, "CreateMultiple", *rows[:2]).status_code == 200
    assert len(local_dataverse.rows("account")) == 22


@pytest.mark.parametrize("stage", [Stage.BEFORE, Stage.AFTER])
def test_a_step_that_breaks_has_the_services_answer(
    stage: Stage, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """JSON with the code of a plug-in's unexpected error and the error's own words, in the log too; nothing written."""
    local_dataverse.on(lambda event: {}[event.message], "account", stage=stage)  # type: ignore[misc]
    reply = caller.post(f"{local_dataverse.url}accounts", json={"name": "a"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "0x80040224")
    assert "KeyError: 'Create'" in error["message"]
    assert local_dataverse.requests[-1].status == 400
    assert names(local_dataverse) == []


def test_an_unforeseen_error_keeps_the_services_shape(
    local_dataverse: LocalDataverse,
    caller: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """500 with JSON, its id and its line in the log, of the Web API and of the page; the server goes on."""
    monkeypatch.setattr(local_dataverse.application.service, "answer", lambda _: {}["x"])
    reply = caller.get(f"{local_dataverse.url}WhoAmI")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "0x80040216")
    assert reply.headers["REQ_ID"]
    assert "'x'" not in reply.text
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert (local_dataverse.requests[-1].path, local_dataverse.requests[-1].status) == ("/api/data/v9.2/WhoAmI", 500)
    monkeypatch.undo()
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 200


@pytest.mark.parametrize(
    ("table", "message", "columns", "said"),
    [
        ("acount", "", (), "step.table: found 'acount'; allowed: account, "),
        ("account", "Craete", (), "step.message: found 'Craete'; allowed: Create, Delete, Update"),
        ("account", "Update", ("nme",), "step.column: found 'nme'; allowed: "),
    ],
)
def test_a_step_that_can_never_run_is_refused(
    table: str, message: str, columns: tuple[str, ...], said: str, local_dataverse: LocalDataverse
) -> None:
    """A name that is none is told with those that are."""
    with pytest.raises(DocumentError) as wrong:
        local_dataverse.on(lambda _: None, table, message, columns=columns)
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"name": "accounts"}, "accounts: the name is that of an entity set"),
        ({"name": "WhoAmI", "kind": "function"}, "WhoAmI: the name is that of"),
        ({"name": "x", "bound_to": "account", "does": {"set": {"nme": 1}}}, "x: does.set: found 'nme'"),
        ({"name": "x", "does": {"table": "contact", "set": {"name": 1}}}, "x: does.set: found 'name'"),
        ({"name": "x", "does": {"table": "contct"}}, "x.table: found 'contct'; allowed: account"),
    ],
)
def test_an_action_that_hides_or_sets_what_is_not_there_is_refused(
    document: dict[str, Any], said: str, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """When it is declared, not when it is called; entity sets stay what they are."""
    with pytest.raises(DocumentError) as wrong:
        local_dataverse.declare(Operation.of(document))
    assert said in str(wrong.value)
    flow = {"id": FLOW, "name": "Flow", "table": "account", "does": {"set": {"nme": 1}}}
    with pytest.raises(DocumentError, match=r"Flow: does\.set: found 'nme'"):
        local_dataverse.declare(Workflow.of(flow))
    assert caller.post(f"{local_dataverse.url}accounts", json={"name": "a"}).status_code == 204


def test_a_chain_of_steps_ends_at_the_eighth(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The eighth may still run; its own write is refused, and with it everything."""
    (row_id,) = local_dataverse.insert("account", [{"name": "a"}])
    depths: list[int] = []
    wanted = [8]

    def again(event: Event) -> None:
        depths.append(event.origin.depth)
        if len(depths) < wanted[0]:
            event.update("account", event.row_id, {"name": f"n{len(depths)}"})

    local_dataverse.on(again, "account", "Update")
    for last, status in ((8, 204), (9, 400)):
        depths.clear()
        wanted[0] = last
        reply = caller.patch(f"{local_dataverse.url}accounts({row_id})", json={"name": "b"})
        assert (reply.status_code, depths) == (status, list(range(1, 9)))
