"""Change tracking over HTTP: what came, what changed, what went, page by page, and when it is too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local.dataverse import LocalDataverse

TRACKED = {"Prefer": "odata.track-changes"}


def _all(caller: requests.Session, url: str, headers: dict[str, str]) -> tuple[list[Any], str]:
    """Every entry of a tracked query, and its delta link, which only the last page has."""
    found: list[Any] = []
    while True:
        reply = caller.get(url, headers=headers)
        assert reply.status_code == 200, reply.text
        document = reply.json()
        found += document["value"]
        assert ("@odata.nextLink" in document) is not ("@odata.deltaLink" in document)
        if "@odata.deltaLink" in document:
            return found, document["@odata.deltaLink"]
        url = document["@odata.nextLink"]


def _work(server: LocalDataverse, caller: requests.Session, url: str, headers: dict[str, str]) -> list[int]:
    """The steps of the database, in hundreds, of each page that the next one follows."""
    steps: list[int] = []
    with server.application.lock:
        database = server.application.service.world.store._db
        database.set_progress_handler(lambda: steps.__setitem__(-1, steps[-1] + 1), 100)
    while True:
        steps.append(0)
        document = caller.get(url, headers=headers).json()
        if "@odata.deltaLink" in document:
            with server.application.lock:
                database.set_progress_handler(None, 0)
            return steps[:-1]
        url = document["@odata.nextLink"]


def test_a_page_costs_its_own_rows(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The work of a page is that of its rows: no more in a large table, late, or where much was deleted."""
    headers = {"Prefer": "odata.track-changes,odata.maxpagesize=50"}
    url = f"{local_dataverse.url}accounts?$select=name"
    local_dataverse.insert("account", [{"name": "a"}] * 150)
    few = _work(local_dataverse, caller, url, headers)
    _, delta = _all(caller, url, headers)
    local_dataverse.insert("account", [{"name": "b"}] * 650)
    store = local_dataverse.application.service.world.store
    with local_dataverse.application.lock, store.transaction():
        store.run("DELETE FROM account WHERE rowid % 2")
    for address in (url, delta):
        many = _work(local_dataverse, caller, address, headers)
        assert len(many) >= 7
        assert max(many) <= 2 * max(few[1:])


@pytest.mark.parametrize("page", ["", ",odata.maxpagesize=2"])
def test_changes_and_deletions_come_once(page: str, local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """First every row; then what was created or changed, by version, then what was deleted; then nothing."""
    headers = {"Prefer": f"odata.track-changes{page}"}
    ids = local_dataverse.insert("account", [{"name": name} for name in "abcde"])
    rows, delta = _all(caller, f"{local_dataverse.url}accounts?$select=name", headers)
    assert [row["name"] for row in rows] == list("abcde")
    caller.patch(f"{local_dataverse.url}accounts({ids[0]})", json={"name": "A"})
    caller.delete(f"{local_dataverse.url}accounts({ids[1]})")
    caller.delete(f"{local_dataverse.url}accounts({ids[2]})")
    new = local_dataverse.insert("account", [{"name": "f"}, {"name": "gone at once"}])
    caller.delete(f"{local_dataverse.url}accounts({new[1]})")
    changes, later = _all(caller, delta, headers)
    assert [entry.get("name", entry.get("reason")) for entry in changes] == ["A", "f", "deleted", "deleted", "deleted"]
    assert [entry["id"] for entry in changes[2:]] == [ids[1], ids[2], new[1]]
    assert changes[2]["@odata.context"].endswith("/$metadata#accounts/$deletedEntity")
    assert _all(caller, later, headers)[0] == []
    assert caller.get(delta.replace("accounts?", "accounts/$count?")).content.decode("utf-8-sig") == "5"


def test_a_change_between_two_pages_is_not_lost(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The delta link counts from the first page, so what changes while pages are read comes with the next delta."""
    headers = {"Prefer": "odata.track-changes,odata.maxpagesize=2"}
    ids = local_dataverse.insert("account", [{"name": name} for name in "abc"])
    first = caller.get(f"{local_dataverse.url}accounts?$select=name", headers=headers).json()
    caller.patch(f"{local_dataverse.url}accounts({ids[0]})", json={"name": "A"})
    _, delta = _all(caller, first["@odata.nextLink"], headers)
    changes, _ = _all(caller, delta, headers)
    assert "A" in [entry["name"] for entry in changes]


def test_a_row_that_came_back_is_no_deletion(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Deleted and created again under its id: a change."""
    ids = local_dataverse.insert("account", [{"name": "a"}])
    _, delta = _all(caller, f"{local_dataverse.url}accounts?$select=name", TRACKED)
    caller.delete(f"{local_dataverse.url}accounts({ids[0]})")
    local_dataverse.insert("account", [{"accountid": ids[0], "name": "back"}])
    changes, _ = _all(caller, delta, TRACKED)
    assert [entry.get("name") for entry in changes] == ["back"]


def test_a_refused_delete_leaves_no_trace(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """What a change set rolls back was never deleted."""
    ids = local_dataverse.insert("account", [{"name": "a"}])
    _, delta = _all(caller, f"{local_dataverse.url}accounts?$select=name", TRACKED)
    parts = [f"DELETE {local_dataverse.url}accounts({ids[0]}) HTTP/1.1\r\n\r\n", "DELETE accounts(x) HTTP/1.1\r\n\r\n"]
    inner = "".join(
        f"--c\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n{part}\r\n"
        for number, part in enumerate(parts)
    )
    body = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}--c--\r\n--b--\r\n"
    reply = caller.post(
        f"{local_dataverse.url}$batch", data=body, headers={"Content-Type": "multipart/mixed; boundary=b"}
    )
    assert reply.status_code >= 400
    assert _all(caller, delta, TRACKED)[0] == []


def test_a_refusal_may_come_between_two_pages(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """A fault lets a link expire at any of its pages; the next call of the link has all changes again."""
    headers = {"Prefer": "odata.track-changes,odata.maxpagesize=2"}
    _, delta = _all(caller, f"{local_dataverse.url}accounts?$select=name", headers)
    local_dataverse.insert("account", [{"name": name} for name in "abc"])
    first = caller.get(delta, headers=headers).json()
    local_dataverse.inject({"kind": "status", "status": 400, "code": "0x80044352", "path": "$skiptoken"})
    refused = caller.get(first["@odata.nextLink"], headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80044352")
    changes, _ = _all(caller, delta, headers)
    assert [entry["name"] for entry in changes] == list("abc")


def test_tokens_expire(caller: requests.Session) -> None:
    """After the organization's days a token is refused; a day less and it is not."""
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    with LocalDataverse(clock=lambda: now[0], expires_in_s=10**7) as server:
        form = {
            "grant_type": "client_credentials",
            "client_id": server.client_id,
            "client_secret": server.client_secret,
            "scope": f"{server.authority}.default",
        }
        endpoint = f"{server.authority}{server.tenant_id}/oauth2/v2.0/token"
        token = requests.post(endpoint, data=form, timeout=10).json()["access_token"]
        caller.headers["Authorization"] = f"Bearer {token}"
        _, delta = _all(caller, f"{server.url}accounts?$select=name", TRACKED)
        now[0] += timedelta(days=6, hours=23)
        assert caller.get(delta).status_code == 200
        now[0] += timedelta(hours=2)
        refused = caller.get(delta)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80044352")
