"""The page for people: what a client needs, rows whose lookups can be followed, requests and their errors."""

from __future__ import annotations

from contextlib import suppress

import requests

from local.dataverse import Fault, FaultKind, LocalDataverse


def page(server: LocalDataverse, path: str = "") -> str:
    reply = requests.get(f"{server.authority}{path}", timeout=10)
    assert reply.status_code == 200
    return reply.text


def test_it_says_how_to_sign_in(local_dataverse: LocalDataverse) -> None:
    """Address, authority, tenant, client, secret and scope."""
    shown = page(local_dataverse)
    server = local_dataverse
    for value in (server.url, server.tenant_id, server.client_id, server.client_secret, f"{server.authority}.default"):
        assert f"<td><code>{value}</code></td>" in shown


def test_rows_have_labels_and_lookups_can_be_followed(local_dataverse: LocalDataverse) -> None:
    """Columns by label and by name; a row leads to all its columns, a lookup to the row that it points at."""
    (contact,) = local_dataverse.insert("contact", [{"lastname": "<Doe>"}])
    bind = {"primarycontactid@odata.bind": f"/contacts({contact})", "telephone1": "555"}
    named, bare = local_dataverse.insert("account", [{"name": "Contoso", **bind}, {}])
    rows = page(local_dataverse, "tables/account")
    assert "<th>Main Phone<br><code>telephone1</code></th>" in rows
    assert f'<a href="/tables/account?id={named}">Contoso</a>' in rows
    assert f'<a href="/tables/account?id={bare}">{bare}</a>' in rows
    link = f'<a href="/tables/contact?id={contact}">&lt;Doe&gt;</a>'
    assert link in rows
    row = page(local_dataverse, f"tables/account?id={named.upper()}")
    assert "<td>Primary Contact</td><td><code>_primarycontactid_value</code></td>" in row
    assert link in row
    assert "<Doe>" not in rows + row
    for other in ("0d000000-0000-4000-8000-0000000000ff", "<b>", ""):
        shown = page(local_dataverse, f"tables/account?id={other}")
        assert "There is no such row." in shown
        assert "<b>" not in shown


def test_red_requests_say_why(local_dataverse: LocalDataverse) -> None:
    """Code and text of the refusal, of a batch its first one, of a token's; or the fault that cut the connection."""
    server, session = local_dataverse, requests.Session()
    session.headers["Authorization"] = f"Bearer {server.token()}"
    session.post(f"{server.url}accounts", json={"name": "x" * 161}, timeout=10)
    session.post(f"{server.url}accounts", json={'<i>"\\': 1}, timeout=10)
    part = "--b\r\nContent-Type: application/http\r\n\r\nGET /api/data/v9.2/nothing HTTP/1.1\r\n\r\n\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Prefer": "odata.continue-on-error"}
    assert session.post(f"{server.url}$batch", data=part, headers=headers, timeout=10).status_code == 200
    requests.post(f"{server.authority}{server.tenant_id}/oauth2/v2.0/token", data={}, timeout=10)
    server.inject(Fault(FaultKind.DROP_BEFORE))
    with suppress(requests.ConnectionError):
        session.get(f"{server.url}accounts", timeout=10)
    session.get(f"{server.url}accounts", timeout=10)
    told = [entry.error.partition(" ")[0] for entry in server.requests]
    assert told == ["0x80044331", "0x80048d19", "0x8006088a", "AADSTS70003:", "cut:", ""]
    shown = page(server)
    assert "exceeded the maximum allowed length of &#x27;160&#x27;" in shown
    assert "cut: drop_before" in shown
    assert "&lt;i&gt;&quot;\\&#x27; was found" in shown
    assert "<i>" not in shown
    session.close()


def test_looking_uses_up_no_fault(local_dataverse: LocalDataverse) -> None:
    """A fault that names nothing waits for a request of the service: the page, and a browser's icon, do not meet it."""
    local_dataverse.inject(Fault(FaultKind.STATUS, status=503))
    assert page(local_dataverse)
    assert page(local_dataverse, "tables/account")
    assert requests.get(f"{local_dataverse.authority}favicon.ico", timeout=10).status_code == 404
    headers = {"Authorization": f"Bearer {local_dataverse.token()}"}
    assert requests.get(f"{local_dataverse.url}WhoAmI", headers=headers, timeout=10).status_code == 503
