"""Several applications, certificates, and users that may not come in."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from local.dataverse import Limits, LocalDataverse, Registration

SECOND = Registration(client_id="0d000000-0000-4000-8000-00000000c1d9", client_secret="second", name="Second")
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def token(server: LocalDataverse, client_id: str, **proof: str) -> requests.Response:
    form = {"grant_type": "client_credentials", "client_id": client_id, "scope": f"{server.authority}.default"} | proof
    return requests.post(f"{server.authority}{server.tenant_id}/oauth2/v2.0/token", data=form, timeout=10)


def session(server: LocalDataverse, client_id: str, **proof: str) -> requests.Session:
    found = requests.Session()
    found.headers["Authorization"] = f"Bearer {token(server, client_id, **proof).json()['access_token']}"
    return found


def assertion(server: LocalDataverse, **changed: Any) -> str:
    claims = {
        "iss": server.client_id,
        "sub": server.client_id,
        "aud": f"{server.authority}{server.tenant_id}/oauth2/v2.0/token",
        "exp": datetime.now(UTC).timestamp() + 300,
    } | changed
    parts = ({"alg": "PS256", "x5t#S256": "x"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "signature"])


def test_each_application_is_a_user_with_limits_of_its_own(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Rows carry the user who wrote them; one's used-up limit is not the other's."""
    local_dataverse.add_application(SECOND)
    second = session(local_dataverse, SECOND.client_id, client_secret="second")
    for one in (caller, second, caller):
        assert one.post(f"{local_dataverse.url}accounts", json={"name": "x"}).status_code == 204
    makers = [row["_createdby_value"] for row in local_dataverse.rows("account")]
    assert makers[0] == makers[2] != makers[1]
    assert second.get(f"{local_dataverse.url}WhoAmI").json()["UserId"] == makers[1]
    assert {entry.user for entry in local_dataverse.requests[-3:]} == {local_dataverse.client_id, SECOND.client_id}
    local_dataverse.limit(Limits(requests=1))
    found = [one.get(f"{local_dataverse.url}WhoAmI").status_code for one in (caller, caller, second)]
    assert found == [200, 429, 200]


def test_an_application_without_a_user_is_no_member(local_dataverse: LocalDataverse) -> None:
    """It gets a token and then 403 0x80072560; a disabled user 0x80040225."""
    stranger = Registration(client_id=SECOND.client_id, client_secret="second", member=False)
    local_dataverse.add_application(stranger)
    second = session(local_dataverse, SECOND.client_id, client_secret="second")
    refused = second.get(f"{local_dataverse.url}WhoAmI")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x80072560")
    local_dataverse.insert("systemuser", [{"fullname": "s", "applicationid": SECOND.client_id, "isdisabled": True}])
    assert second.get(f"{local_dataverse.url}WhoAmI").json()["error"]["code"] == "0x80040225"
    assert token(local_dataverse, SECOND.client_id, client_secret="wrong").json()["error_codes"] == [7000215]


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"iss": SECOND.client_id}, 700021),
        ({"aud": "https://elsewhere/"}, 700023),
        ({"exp": 1}, 700024),
        ({"exp": "soon"}, 700024),
    ],
)
def test_a_certificate_signs_in_by_its_claims(
    changed: dict[str, Any], number: int, local_dataverse: LocalDataverse
) -> None:
    """A right assertion gets a token; each wrong claim, and what is no assertion, its own number."""
    ask = {"client_assertion_type": TYPE}
    right = session(local_dataverse, local_dataverse.client_id, client_assertion=assertion(local_dataverse), **ask)
    assert right.get(f"{local_dataverse.url}WhoAmI").status_code == 200
    wrong = assertion(local_dataverse, **changed)
    reply = token(local_dataverse, local_dataverse.client_id, client_assertion=wrong, **ask)
    assert reply.json()["error_codes"] == [number]
    for text in ("", "a.b.c", "e30.e30.", "é.é.é"):
        broken = token(local_dataverse, local_dataverse.client_id, client_assertion=text or "x", **ask)
        assert broken.json()["error_codes"] == [50027]
    untyped = token(local_dataverse, local_dataverse.client_id, client_assertion=wrong)
    assert untyped.json()["error_codes"] == [900144]


def test_the_door_takes_webhooks_actions_and_workflows(
    local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Declared over HTTP they are there at once; wrong ones are refused."""
    door = f"{local_dataverse.authority}_local/"
    hook = {"url": "http://127.0.0.1:9/", "table": "account", "key": "hidden"}
    assert requests.post(f"{door}webhooks", json=hook, timeout=10).status_code == 204
    shown = requests.get(f"{door}webhooks", timeout=10)
    assert shown.json()["value"] == [{"url": hook["url"], "table": "account", "message": "", "mode": "async"}]
    assert "hidden" not in shown.text
    action = {"name": "new_Ping", "does": {"answer": {"Pong": True}}}
    assert requests.post(f"{door}actions", json=action, timeout=10).status_code == 204
    assert caller.post(f"{local_dataverse.url}new_Ping", json={}).json()["Pong"] is True
    flow = {"id": "0d000000-0000-4000-8000-00000000f10a", "name": "f", "table": "account"}
    assert requests.post(f"{door}workflows", json=flow, timeout=10).status_code == 204
    for name in ("webhooks", "actions", "workflows"):
        assert requests.post(f"{door}{name}", json={"x": 1}, timeout=10).status_code == 400
    missing = requests.get(f"{door}nothing", timeout=10)
    assert (missing.status_code, "POST webhooks" in missing.text) == (404, True)
