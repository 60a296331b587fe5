"""Who may do what: every route for every kind of caller."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.definitions.permissions import Permissions
from shared.permissions import (
    APP_ROLES,
    IMPLIED,
    NEEDS,
    NOBODY,
    Caller,
    Kind,
    Operation,
    Right,
    Scope,
    Verdict,
    decide,
    rights,
)
from shared.web.application import Application
from shared.web.routes import ROUTES
from tests.unit.web.conftest import NOW, Api, Opener, principal

OF_SYNC = Permissions(admin=("crm-admins",), write=("crm-writers",), execute=("crm-operators",), read=("crm-readers",))
GROUPS = {"admin": "crm-admins", "write": "crm-writers", "execute": "crm-operators", "read": "crm-readers"}
SIGNED_IN = {Operation.LIST_SYNCS, Operation.LIST_JOBS}
ANYBODY = {Operation.SEE_HEALTH, Operation.SEE_API, Operation.SEE_ASSETS}
READING = {
    Operation.SHOW_SYNC, Operation.SHOW_JOB, Operation.SEE_CHANGES, Operation.SEE_REJECTS, Operation.SEE_REPORT,
    Operation.SEE_STORY, Operation.SEE_WATERMARK, Operation.SEE_LISTENER, Operation.SEE_PARKED,
    Operation.SEE_DEFINITION,
}  # fmt: skip
LOOKING = {
    Operation.CHECK, Operation.TEST_CONNECTION, Operation.SEE_SOURCE, Operation.SEE_DESTINATION, Operation.DIAGNOSE,
    Operation.SEE_ROLE,
}  # fmt: skip
RUNNING = {
    Operation.PLAN, Operation.RUN, Operation.APPLY, Operation.CANCEL, Operation.UNDO, Operation.REPLAY,
    Operation.SET_WATERMARK, Operation.PUBLISH, Operation.SWITCH_LISTENER, Operation.SKIP_EVENTS,
    Operation.RELEASE,
}  # fmt: skip
OVER_ALL = {Operation.SEE_HEALTH_PARTS, Operation.SEE_DEAD_LETTERS}
WRITING = {Operation.CHANGE_DEFINITION}
GUARDED = {Operation.CHANGE_GUARDED}
WHOLE_APP = {Operation.LIST_SECRETS, Operation.SET_SECRET, Operation.CREATE_SYNC, Operation.TAKE_SYNC_AWAY}
MAY: dict[str, set[Operation]] = {
    "nobody": ANYBODY,
    "stranger": ANYBODY | SIGNED_IN,
    "read": ANYBODY | SIGNED_IN | READING,
    "execute": ANYBODY | SIGNED_IN | READING | LOOKING | RUNNING,
    "write": ANYBODY | SIGNED_IN | READING | LOOKING | WRITING,
    "admin": ANYBODY | SIGNED_IN | READING | LOOKING | RUNNING | WRITING | GUARDED,
    "app read": ANYBODY | SIGNED_IN | READING | OVER_ALL,
    "app execute": ANYBODY | SIGNED_IN | READING | LOOKING | RUNNING | OVER_ALL | {Operation.REDRIVE},
    "app write": ANYBODY | SIGNED_IN | READING | LOOKING | WRITING | OVER_ALL,
    "app admin": set(Operation),
    "key": ANYBODY | READING | LOOKING | RUNNING,
    "other key": ANYBODY,
    "developer": set(Operation),
}
"""What each kind of caller may do with a sync whose permissions are OF_SYNC; written down, not computed."""


def caller(kind: str) -> Caller:
    if kind == "nobody":
        return NOBODY
    if kind == "developer":
        return Caller(Kind.DEVELOPER, "developer", "developer")
    if kind.endswith("key"):
        return Caller(Kind.KEY, "key", "key", syncs=frozenset({"accounts" if kind == "key" else "contacts"}))
    right = kind.removeprefix("app ")
    groups = {f"dynsync.{right}"} if kind.startswith("app ") else {GROUPS.get(right, "others")}
    return Caller(Kind.APPLICATION, "nia", "nia", frozenset(groups))


@pytest.mark.parametrize("kind", list(MAY))
def test_the_rights_table(kind: str) -> None:
    """Every operation for every kind of caller: allowed exactly where the table above says so."""
    verdicts = {operation: decide(caller(kind), operation, OF_SYNC, sync="accounts") for operation in Operation}
    assert {operation for operation, verdict in verdicts.items() if verdict is Verdict.ALLOWED} == MAY[kind]


@pytest.mark.parametrize("kind", list(MAY))
def test_who_may_not_read_does_not_learn_that_the_sync_exists(kind: str) -> None:
    """Their refusal is that of a sync that is not there; who may read is told what is missing."""
    for operation in Operation:
        verdict = decide(caller(kind), operation, OF_SYNC, sync="accounts")
        unknown = decide(caller(kind), operation, None, sync="nothing-here")
        if NEEDS[operation].scope is Scope.SYNC and Operation.SHOW_SYNC not in MAY[kind]:
            assert verdict is unknown
            assert verdict is (Verdict.SIGN_IN if kind == "nobody" else Verdict.HIDDEN)
        elif operation not in MAY[kind]:
            assert verdict is Verdict.FORBIDDEN or kind == "nobody"


def test_every_operation_has_its_line() -> None:
    """No operation is without a need, and none of a sync or the app is without a right."""
    assert set(NEEDS) == set(Operation)
    assert all(need.any_of for need in NEEDS.values() if need.scope in (Scope.SYNC, Scope.APP))


def test_rights_imply_others() -> None:
    """admin brings all, write and execute bring read, read brings itself; groups may bring several."""
    assert {right: set(brought) for right, brought in IMPLIED.items()} == {
        Right.ADMIN: {Right.ADMIN, Right.WRITE, Right.EXECUTE, Right.READ},
        Right.WRITE: {Right.WRITE, Right.READ},
        Right.EXECUTE: {Right.EXECUTE, Right.READ},
        Right.READ: {Right.READ},
    }
    both = Caller(Kind.PERSON, groups=frozenset({"crm-writers", "dynsync.execute"}))
    assert rights(both, OF_SYNC) == {Right.WRITE, Right.EXECUTE, Right.READ}
    assert set(APP_ROLES) == {"dynsync.admin", "dynsync.write", "dynsync.execute", "dynsync.read"}


# ---- the same through the API


def marked(api: Api) -> Application:
    """The API with every route answering that it was reached, so that nothing else decides."""
    routes = [replace(route, does=lambda _: {"reached": True}, gives=Any, takes=None, query=None) for route in ROUTES]
    return Application(api.hosted, routes=routes, clock=lambda: NOW)


HEADERS = {
    "nobody": {},
    "stranger": principal("others"),
    **{right: principal(group) for right, group in GROUPS.items()},
    **{f"app {right}": principal(f"dynsync.{right}") for right in GROUPS},
}
BY_PATH = [route for route in ROUTES if not route.asks]
STATUS = {"allowed": None, "sign in": 401, "forbidden": 403, "hidden": 404}


def calling(kind: str, open_api: Opener) -> tuple[Api, dict[str, Any]]:
    """An app, and how this kind of caller calls it."""
    if kind == "developer":
        here = {"DYNSYNC_DEVELOPER": "unchecked", "WEBSITE_AUTH_ENABLED": "", "WEBSITE_SITE_NAME": ""}
        return open_api(**here), {"host": "localhost:7071"}
    if kind.endswith("key"):
        return open_api(DYNSYNC_KEY_SYNCS="accounts" if kind == "key" else "contacts"), {"key": True}
    return open_api(HEADERS[kind]), {}


@pytest.mark.parametrize("kind", list(MAY))
def test_every_route_asks_the_table(kind: str, open_api: Opener) -> None:
    """The status is that of the verdict: 200 where the table allows it, else 401, 403 or 404."""
    api, how = calling(kind, open_api)
    job, reached = api.job(), replace(api, application=marked(api))
    for route in BY_PATH:
        answer = reached.call(route.method, route.path.replace("{sync}", "accounts").replace("{job}", job), **how)
        verdict = decide(caller(kind), route.operation, OF_SYNC, sync="accounts")
        told = f"{route.method} {route.path}"
        assert (answer.status < 300) == (route.operation in MAY[kind]), told
        assert answer.status == (STATUS[verdict.value] or route.status), told


@pytest.mark.parametrize("kind", list(MAY))
def test_the_door_of_machines_asks_the_table(kind: str, open_api: Opener) -> None:
    """By the sync that the body names, for running as for planning; who is refused has started nothing."""
    api, how = calling(kind, open_api)
    for dry_run, operation in ((False, Operation.RUN), (True, Operation.PLAN)):
        answer = api.call("POST", "/api/jobs", json_body={"sync": "accounts", "dry_run": dry_run}, **how)
        verdict = decide(caller(kind), operation, OF_SYNC, sync="accounts")
        assert (answer.status == 202) == (operation in MAY[kind])
        assert answer.status == (STATUS[verdict.value] or 202)
    assert len(api.hosted.app.jobs()) == (2 if Operation.RUN in MAY[kind] else 0)


@pytest.mark.parametrize("kind", list(MAY))
def test_a_role_is_for_syncs_that_the_caller_may_ask_about(
    kind: str, open_api: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that is named is asked for; without a name it holds the caller's, and nothing of another sync."""
    api, how = calling(kind, open_api)
    asked: list[list[str]] = []
    monkeypatch.setattr(api.hosted.app, "roles", lambda names, *, undo: asked.append(list(names)) or [])
    for names in (["accounts"], ["accounts", "hidden"]):
        answer = api.call("POST", "/api/role", json_body={"syncs": names}, **how)
        over_all = kind in ("app execute", "app write", "app admin", "developer")
        allowed = Operation.SEE_ROLE in MAY[kind] and (len(names) == 1 or over_all)
        assert (answer.status == 200, answer.status in (200, 401, 403, 404)) == (allowed, True)
        assert (asked == [names]) == allowed
        asked.clear()
    api.call("POST", "/api/role", json_body={}, **how)
    may = {"execute": ["accounts", "files"], "write": ["accounts", "files"], "admin": ["accounts", "files"]}
    may |= {"key": ["accounts"], "other key": ["contacts"]}
    every = ["accounts", "contacts", "files", "hidden"]
    assert asked == [one for one in [may.get(kind, every if over_all else [])] if one]


def test_a_hidden_job_and_none_are_alike(open_api: Opener) -> None:
    """The answer does not tell whether there is such a job, nor whether there is such a sync."""
    api = open_api(principal("crm-operators"))
    hidden, none = api.job("hidden"), "20250301-120000-0000"
    answers = [json.loads(api.call("GET", f"/api/jobs/{job}").body) for job in (hidden, none)]
    assert json.dumps(answers[0]).replace(hidden, none) == json.dumps(answers[1])
    syncs = [json.loads(api.call("GET", f"/api/syncs/{sync}").body) for sync in ("hidden", "nohing")]
    assert json.dumps(syncs[0]).replace("hidden", "nohing") == json.dumps(syncs[1])


def test_lists_hold_only_what_may_be_read(open_api: Opener) -> None:
    """Syncs and jobs of others are left out, whatever is asked for."""
    api = open_api(principal("crm-readers"))
    for sync in ("accounts", "contacts", "hidden"):
        api.job(sync)
    assert [sync["name"] for sync in api.get("/api/syncs")["syncs"]] == ["accounts", "contacts", "files"]
    assert {job["sync"] for job in api.get("/api/jobs")["jobs"]} == {"accounts", "contacts"}
    assert api.get("/api/jobs", query={"sync": "hidden"})["jobs"] == []


def test_every_refusal_is_logged_without_values(open_api: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Who, what and which sync; not the header, not the groups."""
    api = open_api(principal("crm-readers"))
    api.call("POST", "/api/syncs/accounts/jobs", json_body={"variables": {"region": "top secret"}})
    (line,) = caplog.messages
    assert line.startswith("call.refused operation=run sync=accounts caller=")
    assert "top secret" not in caplog.text
    assert "crm-readers" not in caplog.text


def test_what_lies_outside_the_reach_is_logged_as_a_refusal(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """With who, what and which sync; not the address, which may hold a token."""
    wanted = {"files": {"extract": "https://evil.example/a.csv?sig=top-secret"}}
    for path, body, key in (
        ("/api/syncs/files/jobs", wanted, False),
        ("/api/jobs", {"sync": "files", **wanted}, True),
    ):
        caplog.clear()
        assert api.call("POST", path, json_body=body, key=key).status == 403
        (line,) = caplog.messages
        assert line.startswith("call.refused operation=run sync=files caller=")
        assert line.endswith('verdict="outside the reach"')
        assert "evil" not in caplog.text


def test_a_key_for_a_sync_that_is_gone_is_logged_as_a_refusal(
    open_api: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """As any other: somebody has to tell the machine."""
    api = open_api(DYNSYNC_KEY_SYNCS="gone")
    assert api.call("POST", "/api/jobs", json_body={"sync": "gone"}, key=True).status == 404
    assert [line.split(" caller")[0] for line in caplog.messages] == ["call.refused operation=run sync=gone"]


def test_a_page_of_another_site_may_not_use_the_reader_s_rights(open_api: Opener) -> None:
    """A browser names the page's origin; reading is not concerned, for the browser keeps answers from such a page."""
    api = open_api(principal("dynsync.admin"))
    job = api.job()
    evil = ("https://evil.example", "null", "http://[", "")
    sites = ("cross-site", "same-site")
    for headers in (*({"origin": origin} for origin in evil), *({"sec-fetch-site": site} for site in sites)):
        assert api.call("POST", f"/api/jobs/{job}/cancel", headers=headers).status == 403
    assert api.get(f"/api/jobs/{job}")["state"] == "Queued"
    front = open_api(principal("dynsync.admin"), DYNSYNC_APP_URL="https://sync.contoso.com")
    through = {"origin": "https://sync.contoso.com", "sec-fetch-site": "same-origin"}
    assert front.call("POST", f"/api/jobs/{front.job()}/cancel", headers=through).status == 200
    own = {"origin": "https://contoso.azurewebsites.net", "sec-fetch-site": "same-origin"}
    assert api.call("POST", f"/api/jobs/{job}/cancel", headers=own).status == 200
