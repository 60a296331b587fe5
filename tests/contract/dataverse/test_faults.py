"""Faults as a client meets them: what it sees, and what became of the rows."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from local.dataverse import Fault, FaultKind, Limits, LocalDataverse
from local.dataverse.documents import DocumentError


def names(server: LocalDataverse) -> list[object]:
    return [row["name"] for row in server.rows("account")]


def targets(*given: str) -> dict[str, Any]:
    return {"Targets": [{"@odata.type": "Microsoft.Dynamics.CRM.account", "name": name} for name in given]}


def batch(caller: requests.Session, server: LocalDataverse, *given: str, method: str = "POST") -> requests.Response:
    parts = "".join(
        f"--b\r\nContent-Type: application/http\r\n\r\n{method} /api/data/v9.2/accounts HTTP/1.1\r\n"
        f"Content-Type: application/json\r\n\r\n{json.dumps({'name': name})}\r\n"
        for name in given
    )
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error"}
    return caller.post(f"{server.url}$batch", data=parts + "--b--\r\n", headers=headers)


@pytest.mark.parametrize(
    ("kind", "status", "code", "says"),
    [
        ("deadlock", 500, "0x80044150", "Sql Number: 1205"),
        ("sql_timeout", 500, "0x80044151", "Sql Number: -2"),
        ("user_disabled", 403, "0x80040225", "has been disabled"),
        ("not_member", 403, "0x80072560", "not a member of the organization"),
        ("privilege", 403, "0x80040220", "missing prvCreateAccount privilege"),
        ("status", 503, "", "unavailable"),
    ],
)
def test_refusals_carry_their_codes_and_write_nothing(
    kind: str, status: int, code: str, says: str, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Each refusal has status, code and text of the service; then the write passes."""
    local_dataverse.inject({"kind": kind, "table": "account"})
    refused = caller.post(f"{local_dataverse.url}accounts", json={"name": "A"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert says in refused.json()["error"]["message"]
    assert names(local_dataverse) == []
    assert caller.post(f"{local_dataverse.url}accounts", json={"name": "A"}).status_code == 204


def test_a_refusal_finds_its_operation_in_a_batch(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The second operation meets the deadlock, its neighbours are written."""
    local_dataverse.inject(Fault(FaultKind.DEADLOCK, table="account", nth=2))
    reply = batch(caller, local_dataverse, "A", "B", "C")
    assert (reply.status_code, reply.text.count("Sql Number: 1205")) == (200, 1)
    assert names(local_dataverse) == ["A", "C"]


def test_a_time_out_of_large_calls_only(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Three targets are too many, two are not."""
    local_dataverse.inject(Fault(FaultKind.SQL_TIMEOUT, larger_than=2, count=None))
    url = f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.CreateMultiple"
    assert caller.post(url, json=targets("A", "B", "C")).status_code == 500
    assert caller.post(url, json=targets("A", "B")).status_code == 200
    assert names(local_dataverse) == ["A", "B"]


def test_a_cut_in_the_midst_of_a_batch_leaves_a_part(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Half of the operations are done, the caller knows nothing."""
    local_dataverse.inject(Fault(FaultKind.DROP_DURING))
    with pytest.raises(requests.ConnectionError):
        batch(caller, local_dataverse, "A", "B", "C", "D")
    assert names(local_dataverse) == ["A", "B"]


def test_a_cut_in_the_midst_of_a_bulk_call_leaves_nothing(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """One transaction is rolled back, and the next call finds the server whole."""
    url = f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.CreateMultiple"
    local_dataverse.inject(Fault(FaultKind.DROP_DURING))
    with pytest.raises(requests.ConnectionError):
        caller.post(url, json=targets("A", "B"))
    assert names(local_dataverse) == []
    assert caller.post(url, json=targets("A", "B")).status_code == 200


def test_a_write_may_commit_long_after_its_connection(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Nothing is there when the caller learns of the cut; later it is, before or after the repetition."""
    local_dataverse.inject(Fault(FaultKind.LATE, delay_s=0.3))
    with pytest.raises(requests.ConnectionError):
        caller.post(f"{local_dataverse.url}accounts", json={"name": "late"})
    caller.post(f"{local_dataverse.url}accounts", json={"name": "repeated"})
    local_dataverse.settle()
    assert names(local_dataverse) == ["repeated", "late"]


def test_an_answer_is_cut_half_way(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Headers and half of the body come; the work was done."""
    local_dataverse.inject(Fault(FaultKind.DROP_ANSWER))
    url = f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.CreateMultiple"
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)) as broken:
        caller.post(url, json=targets("A"))
    assert "IncompleteRead" in str(broken.value)
    assert names(local_dataverse) == ["A"]


@pytest.mark.parametrize("kind", [FaultKind.SLOW_HEADERS, FaultKind.SLOW_BODY, FaultKind.DELAY])
def test_slow_answers_are_whole(kind: FaultKind, local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """They come late, but as they should be."""
    local_dataverse.insert("account", [{"name": f"{n}"} for n in range(30)])
    local_dataverse.inject(Fault(kind, delay_s=0.1))
    with caller.get(f"{local_dataverse.url}accounts?$select=name", stream=True) as reply:
        assert len(reply.json()["value"]) == 30
        early = reply.elapsed.total_seconds() < 0.1
    assert kind is FaultKind.SLOW_BODY or not early


def test_spoiled_answers(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Half a JSON text, a link to itself, a wrong content type, HTML; each once."""
    local_dataverse.insert("account", [{"name": f"{n}"} for n in range(30)])
    url = f"{local_dataverse.url}accounts?$select=name"
    local_dataverse.inject(*({"kind": kind} for kind in ("truncated", "repeated_link", "content_type", "html")))
    truncated = caller.get(url)
    assert truncated.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        truncated.json()
    repeated = caller.get(url).json()
    assert repeated["@odata.nextLink"] == url
    assert caller.get(url).headers["Content-Type"].startswith("text/html")
    html = caller.get(url)
    assert (html.status_code, html.text[:15]) == (200, "<!doctype html>")
    assert "@odata.nextLink" not in caller.get(url).json()


def test_a_secured_column_is_neither_written_nor_read(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Writes that name it are refused, reads give null without a formatted value; other columns are free."""
    (row_id,) = local_dataverse.insert("account", [{"name": "A", "creditlimit": 5}])
    local_dataverse.inject(Fault(FaultKind.COLUMN_SECURITY, column="creditlimit", count=None))
    url = f"{local_dataverse.url}accounts({row_id})"
    refused = caller.patch(url, json={"creditlimit": 6})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x8004f507")
    assert caller.patch(url, json={"name": "B"}).status_code == 204
    prefer = {"Prefer": 'odata.include-annotations="*"'}
    for read in (url, f"{local_dataverse.url}accounts"):
        document = caller.get(f"{read}?$select=name,creditlimit", headers=prefer).json()
        row = document.get("value", [document])[0]
        assert (row["name"], row["creditlimit"]) == ("B", None)
        assert [name for name in row if name.startswith("creditlimit@")] == []


def test_a_secured_column_has_no_other_way_in(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Its own URL gives nothing and takes nothing, also in a batch; counts, which do not tell of it, are free."""
    (row_id,) = local_dataverse.insert("account", [{"name": "secret"}])
    local_dataverse.inject(Fault(FaultKind.COLUMN_SECURITY, column="name", count=None))
    row = f"{local_dataverse.url}accounts({row_id})"
    for url in (f"{row}/name", f"{row}/name/$value", f"{row.replace('(', '%28').replace(')', '%29')}/name"):
        assert (caller.get(url).status_code, caller.get(url).text) == (204, "")
    for refused in (caller.put(f"{row}/name", json={"value": "B"}), caller.delete(f"{row}/name")):
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x8004f507")
    part = f"--b\r\nContent-Type: application/http\r\n\r\nDELETE accounts({row_id})/name HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    assert "0x8004f507" in caller.post(f"{local_dataverse.url}$batch", data=part, headers=headers).text
    assert caller.get(f"{local_dataverse.url}accounts/$count").content.decode("utf-8-sig") == "1"
    assert local_dataverse.rows("account")[0]["name"] == "secret"


def test_faults_of_pages_leave_other_answers_alone(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """A count has no next link to repeat; a status without a body is sent without one."""
    local_dataverse.inject(Fault(FaultKind.REPEATED_LINK))
    assert caller.get(f"{local_dataverse.url}accounts/$count").status_code == 200
    for status in (204, 304):
        local_dataverse.inject(Fault(status=status))
        reply = caller.get(f"{local_dataverse.url}accounts")
        assert (reply.status_code, reply.content) == (status, b"")
    assert caller.get(f"{local_dataverse.url}accounts").json()["value"] == []


def test_the_local_door_shows_and_ends_faults(local_dataverse: LocalDataverse) -> None:
    """GET tells how often each matched and came; DELETE with a number ends one."""
    door = f"{local_dataverse.authority}_local/faults"
    number = requests.post(door, json={"message": "WhoAmI", "count": None}, timeout=10).json()["number"]
    assert requests.get(f"{local_dataverse.url}WhoAmI", timeout=10).status_code == 503
    (shown,) = requests.get(door, timeout=10).json()["value"]
    assert (shown["number"], shown["hits"], shown["left"], shown["fault"]["message"]) == (number, 1, None, "WhoAmI")
    assert requests.delete(f"{door}/{number}", timeout=10).status_code == 204
    assert requests.delete(f"{door}/{number}", timeout=10).status_code == 400
    assert requests.get(f"{local_dataverse.url}WhoAmI", timeout=10).status_code == 401


def test_a_connection_may_die_while_its_request_waits(local_dataverse: LocalDataverse) -> None:
    """A caller that goes away during the delay breaks nothing."""
    local_dataverse.inject(Fault(FaultKind.SLOW_BODY, delay_s=0.1))
    host = urlsplit(local_dataverse.url)
    with socket.create_connection((str(host.hostname), int(host.port or 0))) as raw:
        raw.sendall(b"GET /api/data/v9.2/WhoAmI HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv(20)
    assert requests.get(f"{local_dataverse.url}WhoAmI", timeout=10).status_code == 401


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED, FaultKind.CONTENT_TYPE, FaultKind.SLOW_BODY])
def test_a_fault_waits_for_an_answer_that_it_can_spoil(
    kind: FaultKind, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """An answer without a body uses it not up; the next page does."""
    local_dataverse.inject(Fault(kind, delay_s=0.01))
    waiting = local_dataverse.application.faults
    assert caller.post(f"{local_dataverse.url}accounts", json={"name": "a"}).status_code == 204
    assert [(one.left, one.hits) for one in waiting.waiting] == [(1, 0)]
    assert caller.get(f"{local_dataverse.url}accounts?$select=name").status_code == 200
    assert waiting.waiting == ()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(table="nope"), "fault.table: found 'nope'; allowed: account, "),
        (Fault("zzz"), "fault: kind: "),  # type: ignore[arg-type]
        (Fault(FaultKind.COLUMN_SECURITY), "fault.column: found nothing"),
        (Fault(FaultKind.COLUMN_SECURITY, table="account", column="nme"), "fault.column: found 'nme'; allowed: "),
        (Fault(FaultKind.PRIVILEGE, privilege="Wrte"), "fault.privilege: found 'Wrte'; allowed: Create, Delete, Read"),
        (Fault(nth=0), "fault: nth: "),
    ],
)
def test_a_fault_that_can_never_come_is_refused(fault: Fault, said: str, local_dataverse: LocalDataverse) -> None:
    """With what was found and what is allowed, by the fixture and by the local door; none is on then."""
    with pytest.raises(DocumentError) as wrong:
        local_dataverse.inject(fault)
    assert said in str(wrong.value)
    reply = requests.post(f"{local_dataverse.authority}_local/faults", json=asdict(fault), timeout=10)
    assert (reply.status_code, said in reply.json()["error"]["message"]) == (400, True)
    assert local_dataverse.application.faults.waiting == ()


def test_limits_that_cannot_be_are_refused(local_dataverse: LocalDataverse) -> None:
    """Instead of an error at every request."""
    with pytest.raises(DocumentError, match="servers"):
        local_dataverse.limit(Limits(servers=0))
    with pytest.raises(DocumentError, match="servers"):
        LocalDataverse(limits=Limits(servers=0))


def test_a_status_that_nobody_knows_comes_through_a_batch(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """A refusal with a number of one's own is written into the part that it belongs to."""
    local_dataverse.inject(Fault(status=499, message="Create"))
    part = "Content-Type: application/http\r\n\r\nPOST /api/data/v9.2/accounts HTTP/1.1\r\n\r\n{}\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error"}
    reply = caller.post(f"{local_dataverse.url}$batch", data=f"--b\r\n{part}--b--\r\n", headers=headers)
    assert (reply.status_code, "HTTP/1.1 499 Unknown" in reply.text) == (200, True)
