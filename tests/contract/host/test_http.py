"""HTTP triggers of the local host, through Microsoft's engine."""

from __future__ import annotations

import socket

import pytest
import requests

from tests.contract.host.conftest import Running, Start


@pytest.fixture(scope="module")
def host(start: Start) -> Running:
    return start()


def test_a_route_gives_its_parameters_and_the_query(host: Running) -> None:
    """Route parameters, repeated query parameters and local settings arrive; so do the headers of answer and host."""
    reply = requests.get(f"{host.url}/api/Jobs/7?a=1&a=2&code=x", timeout=30)
    assert reply.json() == {"number": "7", "query": {"a": "1,2"}, "greeting": "from the file"}
    assert (reply.headers["x-sample"], reply.headers["x-frame-options"]) == ("1", "DENY")


def test_the_first_route_that_fits_answers(host: Running) -> None:
    """By the functions' names, as in Azure; what breaks a constraint or has another method goes to the next."""
    assert requests.get(f"{host.url}/api/jobs/seven", timeout=30).text == "GET jobs/seven"
    assert requests.delete(f"{host.url}/api/jobs/7", timeout=30).text == "DELETE jobs/7"
    assert requests.get(f"{host.url}/elsewhere", timeout=30).status_code == 404


def test_the_app_learns_where_a_call_comes_from(host: Running) -> None:
    """Not from the caller: what one sends under the header's name is left out."""
    forged = {"X-Local-Host-Peer": "10.0.0.7"}
    for headers in ({}, forged):
        assert requests.get(f"{host.url}/api/jobs/peer", headers=headers, timeout=30).text == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("jobs", {}, 401),
        ("jobs", {"x-functions-key": "wrong"}, 401),
        ("jobs", {"x-functions-key": "local-function-key"}, 202),
        ("jobs", {"x-functions-key": "local-admin-key"}, 202),
        ("jobs?code=local-function-key", {}, 202),
        ("secret", {"x-functions-key": "local-function-key"}, 401),
        ("secret", {"x-functions-key": "local-admin-key"}, 200),
        ("jobs/7", {}, 203),
    ],
)
def test_keys_open_what_their_level_opens(host: Running, path: str, given: dict[str, str], status: int) -> None:
    """Anonymous functions need no key, function ones either key, admin ones the admin's; a query's code counts too."""
    reply = requests.post(f"{host.url}/api/{path}", json={"x": "é"}, headers=given, timeout=30)
    assert reply.status_code == status
    if status == 202:
        assert reply.json() == {"x": "é"}


def test_a_failure_is_a_500_without_a_word(host: Running) -> None:
    """The caller learns nothing; the log has function, error and stack."""
    reply = requests.get(f"{host.url}/api/fail", timeout=30)
    assert (reply.status_code, reply.content) == (500, b"")
    host.child.said("function.failed name=fail .*error=RuntimeError: on purpose")


def test_a_caller_that_goes_away_calls_nothing(host: Running) -> None:
    """Half a body is none: the function is not called with it."""
    address = ("127.0.0.1", int(host.url.rpartition(":")[2]))
    with socket.create_connection(address, timeout=30) as line:
        head = "POST /api/jobs?code=local-function-key HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n"
        line.sendall(f"{head}{{half".encode())
    before = "\n".join(host.child.lines).count("function.called name=submit")
    assert requests.get(f"{host.url}/api/jobs/7", timeout=30).status_code == 200
    host.child.said("function.returned name=show", times=2)
    assert "\n".join(host.child.lines).count("function.called name=submit") == before


def test_the_admin_runs_what_has_no_route(host: Running) -> None:
    """A timer and a queue function start by hand, with the admin's key only; an unknown one is 404."""
    admin = {"x-functions-key": "local-admin-key"}
    address = f"{host.url}/admin/functions"
    assert requests.post(f"{address}/consume", json={"input": "by hand"}, timeout=30).status_code == 401
    for name, status in (("consume", 202), ("tick", 202), ("nobody", 404)):
        reply = requests.post(f"{address}/{name}", json={"input": "by hand"}, headers=admin, timeout=30)
        assert reply.status_code == status
    host.child.said("function.returned name=tick")
    host.child.said("function.returned name=consume")
    assert host.seen("consume")[0]["body"] == "by hand"
    assert requests.get(f"{host.url}/admin/host/status", headers=admin, timeout=30).json()["state"] == "Running"


@pytest.mark.parametrize(
    ("host_json", "said"),
    [
        ("{", "is no JSON"),
        ('{"version": "1.0"}', "version: String should match"),
        ('{"version": "2.0", "functionTimeout": "5m"}', "functionTimeout: is no time span"),
        ('{"version": "2.0", "extensions": {"serviceBus": {"maxCalls": 1}}}', "maxCalls: is not known here"),
    ],
)
def test_a_wrong_host_json_is_told(start: Start, host_json: str, said: str) -> None:
    """The host does not start, and says which member is wrong."""
    with pytest.raises(Exception, match=said):
        start(host=host_json)
