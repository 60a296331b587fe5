"""Limits as a client meets them: 429 and headers over HTTP, time that a call takes, what is counted."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from local.dataverse import Limits, LocalDataverse


def test_limits_are_off_until_switched_on(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The third request of two allowed ones is refused; without limits it passes again."""
    local_dataverse.limit(Limits(requests=2))
    answers = [caller.get(f"{local_dataverse.url}WhoAmI") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [a.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] for a in answers] == ["1", "0", "0"]
    assert answers[2].json()["error"]["code"] == "0x80072322"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 300
    local_dataverse.limit(None)
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 200


def test_a_refused_write_has_written_nothing(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """What is throttled was not done, and is in the log with its status."""
    local_dataverse.limit(Limits(requests=1))
    for name in "AB":
        caller.post(f"{local_dataverse.url}accounts", json={"name": name})
    assert [row["name"] for row in local_dataverse.rows("account")] == ["A"]
    assert [entry.status for entry in local_dataverse.requests if entry.message == "Create"] == [204, 429]


def test_a_client_with_cookies_stays_on_its_server(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """One session uses up one server's limit; a session that takes no cookies has the others' too."""
    local_dataverse.limit(Limits(requests=2, servers=2))
    assert [caller.get(f"{local_dataverse.url}WhoAmI").status_code for _ in range(3)] == [200, 200, 429]
    headers = dict(caller.headers)
    found = [requests.get(f"{local_dataverse.url}WhoAmI", headers=headers, timeout=10).status_code for _ in range(4)]
    assert sorted(found) == [200, 200, 429, 429]


def test_calls_and_rows_take_their_time(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The execution counted is call_ms + row_ms x rows, and the answer waits at least that long."""
    local_dataverse.limit(Limits(call_ms=20, row_ms=3))
    targets = [{"@odata.type": "Microsoft.Dynamics.CRM.account", "name": n} for n in "abcdefghij"]
    caller.post(f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": targets})
    (gauge,) = local_dataverse.gauges
    assert gauge.execution_s == pytest.approx(0.05)
    assert local_dataverse.requests[-1].milliseconds >= 50


def test_many_wait_at_once(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Forty calls of half a second end together: nobody's wait holds up another's, and the wait costs no work."""
    local_dataverse.limit(Limits(call_ms=500, concurrent=None))
    headers = dict(caller.headers)

    def call(_: int) -> int:
        return requests.get(f"{local_dataverse.url}WhoAmI", headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(call, range(40))) == {200}
    (gauge,) = local_dataverse.gauges
    assert (gauge.concurrent, gauge.peak > 1) == (0, True)
    assert gauge.execution_s == pytest.approx(20)


def test_every_operation_counts_for_the_day(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """A batch counts its operations, a bulk call its targets, a query one; what is throttled counts nothing."""
    user = local_dataverse.client_id
    caller.get(f"{local_dataverse.url}accounts")
    assert local_dataverse.entitlement == {user: 1}
    targets = [{"@odata.type": "Microsoft.Dynamics.CRM.account", "name": n} for n in "abc"]
    caller.post(f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": targets})
    assert local_dataverse.entitlement == {user: 4}
    part = "--b\r\nContent-Type: application/http\r\n\r\nGET /api/data/v9.2/accounts HTTP/1.1\r\n\r\n\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b"}
    assert caller.post(f"{local_dataverse.url}$batch", data=part * 2 + "--b--\r\n", headers=headers).ok
    assert local_dataverse.entitlement == {user: 6}


def test_the_local_door_sets_limits(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """PUT sets, GET shows with gauges, DELETE switches off; a wrong member is refused."""
    door = f"{local_dataverse.authority}_local/limits"
    assert requests.get(door, timeout=10).json()["limits"] is None
    assert requests.put(door, data=json.dumps({"requests": 1}), timeout=10).status_code == 204
    assert [caller.get(f"{local_dataverse.url}WhoAmI").status_code for _ in range(2)] == [200, 429]
    shown = requests.get(door, timeout=10).json()
    assert (shown["limits"]["requests"], shown["gauges"][0]["refused"]) == (1, 1)
    wrong = requests.put(door, data=json.dumps({"requets": 1}), timeout=10)
    assert (wrong.status_code, "requets" in wrong.text) == (400, True)
    assert requests.delete(door, timeout=10).status_code == 204
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 200
