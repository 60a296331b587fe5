"""Whom the API believes."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest

from shared.permissions import Kind
from shared.web.call import Request
from shared.web.identity import caller_of
from shared.wiring.hosted import Trust, open_hosted
from shared.wiring.settings import Settings
from tests.unit.web.conftest import NOW, TENANT, Opener, principal

SETTINGS = Settings.from_environment({})
ON = Trust(platform=True)


def encoded(told: object) -> dict[str, str]:
    return {"x-ms-client-principal": base64.b64encode(json.dumps(told).encode()).decode()}


def asked(headers: dict[str, str], host: str = "contoso.azurewebsites.net") -> Request:
    return Request("GET", "/api/syncs", headers=headers, host=host)


def test_the_header_counts_only_where_the_platform_is_on() -> None:
    """Without App Service authentication anybody could send it: everybody is nobody."""
    request = asked(principal("dynsync.admin"))
    assert caller_of(request, ON, SETTINGS, NOW).groups == {"dynsync.admin"}
    assert caller_of(request, Trust(), SETTINGS, NOW).kind is Kind.NOBODY


@pytest.mark.parametrize("value", ["", "false", "1", "yes"])
def test_the_platform_says_true_in_one_way(value: str) -> None:
    """Anything but its own word is no."""
    assert not Trust.told(SETTINGS, {"WEBSITE_AUTH_ENABLED": value}).platform
    assert Trust.told(SETTINGS, {"WEBSITE_AUTH_ENABLED": "True"}).platform


def test_people_and_applications_are_told_apart() -> None:
    """An application's token has neither a scope nor a user's name."""
    person = caller_of(asked(principal("g")), ON, SETTINGS, NOW)
    assert (person.kind, person.name) == (Kind.PERSON, "nia@contoso.com")
    app = caller_of(asked(principal("g", preferred_username="", azp="6d-app")), ON, SETTINGS, NOW)
    assert (app.kind, app.name) == (Kind.APPLICATION, "6d-app")
    assert person.id.startswith(f"{TENANT}/")


def test_a_group_that_is_named_as_an_app_role_is_none() -> None:
    """A tenant may tell groups by name, and many people may make groups."""
    claims = {"oid": "o", "tid": TENANT, "preferred_username": "nia@contoso.com"}
    pairs = [*claims.items(), ("groups", "dynsync.admin"), ("groups", "crm-readers"), ("roles", "dynsync.read")]
    told = {"auth_typ": "aad", "claims": [{"typ": name, "val": value} for name, value in pairs]}
    assert caller_of(asked(encoded(told)), ON, SETTINGS, NOW).groups == {"crm-readers", "dynsync.read"}


def test_groups_roles_and_the_principal_s_own_role_claim_count() -> None:
    """Under whichever name the platform hands them on."""
    told = {
        "auth_typ": "aad",
        "role_typ": "urn:role",
        "claims": [
            {"typ": "http://schemas.microsoft.com/identity/claims/objectidentifier", "val": "o"},
            {"typ": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role", "val": "one"},
            {"typ": "urn:role", "val": "two"},
            {"typ": "groups", "val": "three"},
            {"typ": "name", "val": "Nia"},
        ],
    }
    assert caller_of(asked(encoded(told)), ON, SETTINGS, NOW).groups == {"one", "two", "three"}


@pytest.mark.parametrize(
    "header",
    [
        "", "no base64!", base64.b64encode(b"\xff\xfe").decode(), base64.b64encode(b"[]").decode(),
        base64.b64encode(b"[" * 60_000).decode(), base64.b64encode(b"{}").decode(), "A" * 70_000,
        base64.b64encode(b'{"auth_typ": "github", "claims": []}').decode(),
        base64.b64encode(b'{"auth_typ": "aad", "claims": {}}').decode(),
        base64.b64encode(b'{"auth_typ": "aad", "claims": [{"typ": 1}]}').decode(),
        base64.b64encode(b'{"auth_typ": "aad", "claims": []}').decode(),
    ],
)  # fmt: skip
def test_a_forged_or_broken_header_is_nobody_s(header: str, open_api: Opener) -> None:
    """401, and the header is not told again."""
    answer = open_api({"x-ms-client-principal": header}).call("GET", "/api/syncs")
    assert answer.status == 401
    assert header[:40] not in answer.body.decode() or not header
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_the_app_never_stands_in_for_the_platform_s_sign_in(open_api: Opener) -> None:
    """What lies below /.auth is the platform's; without it nothing is there, so that a look from outside can tell."""
    for path in ("/.auth/login/aad", "/.auth/me"):
        answer = open_api({}).call("GET", path)
        assert (answer.status, "Location" in answer.headers) == (404, False)


def test_an_identity_of_long_ago_is_refused(open_api: Opener) -> None:
    """A session of the platform may outlive its token by eight hours, and no longer."""
    for hours, status in ((7, 200), (9, 401)):
        ended = str(int((NOW - timedelta(hours=hours)).timestamp()))
        assert open_api(principal("dynsync.read", exp=ended)).call("GET", "/api/syncs").status == status


def test_another_tenant_s_people_are_refused_where_one_is_set(open_api: Opener) -> None:
    """Their groups may be called as ours."""
    foreign = principal("dynsync.admin", tid="11111111-0000-4000-8000-000000000000")
    assert open_api(foreign, DYNSYNC_TENANT_ID=TENANT).call("GET", "/api/syncs").status == 401
    assert (
        open_api(principal("dynsync.admin"), DYNSYNC_TENANT_ID=TENANT.upper()).call("GET", "/api/syncs").status == 200
    )


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1:7071", Kind.DEVELOPER), ("localhost:7071", Kind.DEVELOPER), ("LOCALHOST", Kind.DEVELOPER),
        ("[::1]:7071", Kind.DEVELOPER), ("evil.example:7071", Kind.NOBODY), ("127.0.0.1.evil.example", Kind.NOBODY),
        ("", Kind.NOBODY), ("10.0.0.7:7071", Kind.NOBODY),
    ],
)  # fmt: skip
def test_a_developer_asks_this_machine_by_its_own_name(host: str, kind: Kind) -> None:
    """A foreign name that leads to this machine is a trick of another site's page."""
    here = {"x-peer": "127.0.0.1"}
    assert caller_of(asked(here, host), Trust(developer=True, peer_header="x-peer"), SETTINGS, NOW).kind is kind
    assert caller_of(asked({}, host), Trust(developer=True, unchecked=True), SETTINGS, NOW).kind is kind


@pytest.mark.parametrize(
    ("peer", "kind"),
    [
        ("127.0.0.1", Kind.DEVELOPER), ("127.0.0.53", Kind.DEVELOPER), ("::1", Kind.DEVELOPER),
        ("::ffff:127.0.0.1", Kind.DEVELOPER), ("10.0.0.7", Kind.NOBODY), ("::ffff:10.0.0.7", Kind.NOBODY),
        ("fe80::1%eth0", Kind.NOBODY), ("localhost", Kind.NOBODY), ("127.0.0.1,10.0.0.7", Kind.NOBODY),
        ("", Kind.NOBODY), (None, Kind.NOBODY),
    ],
)  # fmt: skip
def test_a_developer_calls_from_this_machine(peer: str | None, kind: Kind) -> None:
    """The host tells where a call comes from; the name that was asked for is the caller's word, and not enough.

    That holds whatever the setting says.
    """
    headers = {} if peer is None else {"x-peer": peer}
    for unchecked in (False, True):
        trust = Trust(developer=True, peer_header="x-peer", unchecked=unchecked)
        assert caller_of(asked(headers, "127.0.0.1:7071"), trust, SETTINGS, NOW).kind is kind


def test_a_host_that_does_not_tell_who_calls_needs_a_word(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Of the developer, by a setting of its own; both ways the log says what it means."""
    told = {"DYNSYNC_DEVELOPER": "true"}
    for value, kind, line in (
        ("true", Kind.NOBODY, "developer.refused"),
        ("unchecked", Kind.DEVELOPER, "developer.left"),
    ):
        caplog.clear()
        trust = open_hosted({"DYNSYNC_DEVELOPER": value}, base=tmp_path).trust
        assert caller_of(asked({"x-peer": "127.0.0.1"}, "localhost:7071"), trust, SETTINGS, NOW).kind is kind
        assert caplog.messages[-1].startswith(line)
        assert "func start" in caplog.messages[-1]
    caplog.clear()
    open_hosted(told | {"LOCAL_HOST_PEER_HEADER": "x-local-host-peer"}, base=tmp_path)
    open_hosted({}, base=tmp_path)
    open_hosted({"DYNSYNC_DEVELOPER": "unchecked", "WEBSITE_SITE_NAME": "contoso"}, base=tmp_path)
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID", "CONTAINER_NAME", "WEBSITE_POD_NAME"])
def test_nobody_is_a_developer_in_azure(name: str) -> None:
    """Whatever the setting says."""
    for value in ("true", "unchecked"):
        settings = Settings.from_environment({"DYNSYNC_DEVELOPER": value})
        assert Trust.told(settings, {}).developer
        assert not Trust.told(settings, {name: "x"}).developer


def test_a_key_has_the_rights_that_the_setting_gives(open_api: Opener) -> None:
    """It starts the syncs that are named; of another one it does not learn that it exists."""
    api = open_api(DYNSYNC_KEY_SYNCS="accounts, files")
    assert api.call("POST", "/api/jobs", json_body={"sync": "accounts"}, key=True).status == 202
    assert api.call("POST", "/api/jobs", json_body={"sync": "contacts"}, key=True).status == 404
    assert api.call("POST", "/api/jobs", json_body={"sync": "accounts"}).status == 401
    assert open_api().call("POST", "/api/jobs", json_body={"sync": "accounts"}, key=True).status == 404


def test_a_key_for_a_sync_that_is_gone_learns_of_no_other(open_api: Opener) -> None:
    """The setting outlives the definition; the answer is that to a sync that is hidden."""
    api = open_api(DYNSYNC_KEY_SYNCS="accounts, gone")
    gone = api.call("POST", "/api/jobs", json_body={"sync": "gone"}, key=True)
    assert gone.status == 404
    assert b"contacts" not in gone.body
    hidden = api.call("POST", "/api/jobs", json_body={"sync": "hidden"}, key=True)
    assert gone.body.replace(b"gone", b"hidden") == hidden.body
