"""Calls that are wrong: each has its status and its problem document, and changes nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from shared.definitions.source import SqlSource
from shared.engine.surroundings import Start
from shared.errors import DynsyncError, NotAllowedError, RefuseError
from shared.web.functions import Doors
from shared.web.problems import STATUSES, problem
from tests.unit.web.conftest import Api, Opener, principal
from tests.unit.web.test_jobs_api import form

JSON = {"content-type": "application/json"}
START = "/api/syncs/accounts/jobs"
FIELD = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--\r\n'
FORM = {"content-type": "multipart/form-data; boundary=b"}

CASES: dict[str, tuple[int, str, dict[str, Any]]] = {
    "no JSON": (400, "request", {"body": b"{", "headers": JSON}),
    "no text": (400, "request", {"body": b"\xff\xfe{}", "headers": JSON}),
    "half a sign": (400, "request", {"body": b'{"variables": {"region": "\\ud800"}}', "headers": JSON}),
    "deep": (400, "request", {"body": b"[" * 100_000, "headers": JSON}),
    "nothing": (400, "request", {"body": b"", "headers": JSON}),
    "another form": (415, "media-type", {"body": b"<a/>", "headers": {"content-type": "text/xml"}}),
    "a plain form": (415, "media-type", {"body": b"a=1", "headers": {"content-type": "application/x-www-form"}}),
    "no form": (415, "media-type", {"body": b"{}"}),
    "a list": (422, "invalid", {"json_body": []}),
    "null": (422, "invalid", {"body": b"null", "headers": JSON}),
    "unknown word": (422, "invalid", {"json_body": {"variabels": {}}}),
    "wrong type": (422, "invalid", {"json_body": {"dry_run": "maybe"}}),
    "unknown variable": (422, "refuse", {"json_body": {"variables": {"regoin": "NL"}}}),
    "no name of a variable": (422, "invalid", {"json_body": {"variables": {"a b": "NL"}}}),
    "too long a value": (422, "invalid", {"json_body": {"variables": {"region": "x" * 30_000}}}),
    "a NUL": (422, "refuse", {"json_body": {"variables": {"region": "a\0"}}}),
    "a text for a file": (422, "refuse", {"json_body": {"files": {"region": "blob://incoming/a.csv"}}}),
    "long JSON": (413, "too-large", {"body": b'{"variables": "' + b"x" * 1_100_000 + b'"}', "headers": JSON}),
    "a large file": (413, "too-large", form({}, {"region": ("a.csv", b"x" * 10_100_000)})),
    "many parts": (413, "too-large", form({}, {f"f{number}": ("a", b"") for number in range(60)})),
    "a form without boundary": (400, "request", {"body": b"x", "headers": {"content-type": "multipart/form-data"}}),
    "a torn form": (400, "request", {"body": b"--b\r\nContent-Disp", "headers": FORM}),
    "a form of fields": (422, "invalid", {"body": FIELD, "headers": FORM}),
    "an empty key": (422, "invalid", {"json_body": {}, "headers": {"idempotency-key": " "}}),
    "a long key": (422, "invalid", {"json_body": {}, "headers": {"idempotency-key": "k" * 300}}),
    "an unknown query": (422, "invalid", {"json_body": {}, "query": {"dryrun": "true"}}),
}  # fmt: skip


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.content_type == "application/problem+json"
    told: dict[str, Any] = json.loads(answer.body)
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return told


@pytest.mark.parametrize("case", list(CASES))
def test_a_wrong_start_is_refused_and_starts_nothing(case: str, api: Api) -> None:
    """By its status and the kind of its problem; what was sent is not told again."""
    status, kind, sent = CASES[case]
    told = problem_of(api.call("POST", START, **sent), status)
    assert told["type"] == f"urn:dynsync:problem:{kind}"
    assert "xxxx" not in json.dumps(told)
    assert api.get("/api/jobs")["jobs"] == []


def test_the_document_tells_which_keys_are_taken(api: Api) -> None:
    """The pattern and the length of the document are those of the door."""
    operation = api.get("/api/openapi.json")["paths"]["/api/syncs/{sync}/jobs"]["post"]
    told = next(one["schema"] for one in operation["parameters"] if one["name"] == "Idempotency-Key")
    for key in ("k", "night of 2025-03-01", '"quoted"', "k" * 200, "", " ", " k", "k ", "k" * 201, "ü", "a\tb", "k\n"):
        taken = re.search(told["pattern"].replace("$", r"\Z"), key) is not None and len(key) <= told["maxLength"]
        answer = api.call("POST", START, json_body={}, headers={"idempotency-key": key})
        assert answer.status == (202 if taken else 422), key


def test_who_asks_for_nothing_is_told_where_things_are(api: Api) -> None:
    """A program that calls an address that is none is led to the document."""
    assert "/api/openapi.json" in problem_of(api.call("GET", "/api/nothing"), 404)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/health", 405), ("GET", "/api", 404), ("GET", "/api/jobs/", 404), ("GET", "/api/nothing", 404),
        ("GET", "/api/jobs/20250301-120000-0000", 404), ("GET", "/api/jobs/..", 404), ("GET", "/api/jobs/%00", 404),
        ("GET", "/api/jobs/\0", 404), ("GET", "/api/jobs/" + "x" * 5000, 404), ("GET", "/api/syncs/no-such", 404),
        ("GET", "/api/syncs/reach", 404), ("GET", "/api/syncs/..", 404), ("POST", "/api/syncs/no-such/check", 404),
        ("PUT", "/api/jobs", 405), ("OPTIONS", "/api/jobs", 405), ("DELETE", "/api/syncs/accounts", 405),
        ("BREW", "/api/health", 405),
    ],
)  # fmt: skip
def test_what_is_not_there(method: str, path: str, status: int, api: Api) -> None:
    """404, or 405 with what may be done instead."""
    answer = api.call(method, path)
    problem_of(answer, status)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "501"}, {"limit": "many"}, {"limit": ""}, {"before": "yesterday"},
        {"before": "2025-03-01T12:00:00"}, {"state": "Sleeping"}, {"sync": "NO NAME"}, {"sort": "id"},
        {"beginning": "x" * 200},
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused(query: dict[str, str], api: Api) -> None:
    """422 with the name that is wrong."""
    told = problem_of(api.call("GET", "/api/jobs", query=query), 422)
    assert next(iter(query)) in [one["path"].split(".")[0] for one in told["problems"]]


def test_a_job_that_is_at_its_end_is_not_cancelled(api: Api) -> None:
    """409 says what it is and what may be done instead."""
    job = api.job()
    assert api.call("POST", f"/api/jobs/{job}/cancel").status == 200
    assert "Cancelled" in problem_of(api.call("POST", f"/api/jobs/{job}/cancel"), 409)["detail"]


def test_a_body_where_none_belongs(api: Api) -> None:
    """422; an empty object is no body."""
    job = api.job()
    problem_of(api.call("POST", f"/api/jobs/{job}/cancel", json_body={"force": True}), 422)
    assert api.call("POST", f"/api/jobs/{job}/cancel", json_body={}).status == 200


def test_a_file_that_comes_twice(api: Api) -> None:
    """As an address and in the form: 422."""
    sent = form({"files": {"extract": "blob://incoming/a.csv"}}, {"extract": ("a.csv", b"")})
    problem_of(api.call("POST", "/api/syncs/files/jobs", **sent), 422)


def test_rights_come_before_forms(api: Api) -> None:
    """Who may not start learns nothing of what is wrong with the call."""
    reader = principal("crm-readers")
    problem_of(api.call("POST", START, body=b"{", headers={**JSON, **reader}), 403)
    problem_of(api.call("POST", START, body=b"{", headers={**JSON, **principal("others")}), 404)
    problem_of(api.call("POST", START, body=b"{", headers={**JSON, "x-ms-client-principal": "?"}), 401)


def test_every_branch_of_the_error_tree_has_its_document() -> None:
    """Status, a type of its own and what it says; a time-out says when to come again."""

    def all_of(kind: type[DynsyncError]) -> list[type[DynsyncError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in all_of(child))]

    kinds = {}
    for kind in all_of(DynsyncError):
        error = kind.__new__(kind)
        DynsyncError.__init__(error, "what was found", remedy="what to do")
        for name, value in {"retry_after_s": 7.0, "status": 400, "problems": ()}.items():
            setattr(error, name, value)
        told = json.loads(problem(error).body)
        assert told["detail"] == "what was found; what to do"
        kinds[kind] = told["type"]
    assert len(set(kinds.values())) == len(kinds)
    assert set(STATUSES) <= set(kinds)


def test_a_broken_store_is_told_as_such(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a time to come again; health says down."""
    from shared.errors import StateError

    def broken(*_: object, **__: object) -> None:
        raise StateError("the job store failed; look at the disk")

    monkeypatch.setattr(api.hosted.app.stores.state, "list", broken)
    answer = api.call("GET", "/api/jobs")
    problem_of(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert json.loads(api.call("GET", "/api/health").body)["status"] == "down"


@pytest.mark.parametrize(
    ("settings", "status", "says"),
    [
        ({}, 502, "accounts--client"),
        ({"DYNSYNC_KEY_VAULT_URL": "https://127.0.0.1:1"}, 503, "vault"),
    ],
    ids=["missing secret", "vault unreachable"],
)
def test_a_secret_that_cannot_be_read(
    settings: dict[str, str], status: int, says: str, open_api: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """502 with the secret's name, or 503 with the vault's: it may answer later."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    monkeypatch.setattr("azure.core.pipeline.transport.RequestsTransport.sleep", lambda *_: None)
    api = open_api(principal("dynsync.admin"), **settings)
    assert says in problem_of(api.call("GET", "/api/syncs/accounts/destination"), status)["detail"]


def test_a_secret_outside_the_reach(api: Api) -> None:
    """The definition that names it is broken: 409 with the problem, before any vault is asked."""
    path = api.folder / "syncs/accounts.yaml"
    path.write_text(path.read_text().replace("accounts--client-secret", "contacts--client-secret"))
    told = problem_of(api.call("POST", START, json_body={}), 409)
    assert [one["path"] for one in told["problems"]] == ["destination.client_secret"]
    assert "contacts--client-secret" not in told["detail"]  # it may be a secret itself


def test_a_source_s_secret_is_held_against_the_reach_where_it_is_read(api: Api, tmp_path: Path) -> None:
    """Whatever the check of the definition said."""
    source = {
        "type": "sql",
        "dialect": "postgresql",
        "connection": {"secret": "contacts--db"},
        "table": "t",
        "schema": [{"name": "no"}],
    }
    definition = api.hosted.app.definition("accounts")
    definition = definition.model_copy(update={"source": SqlSource.model_validate(source)})
    with pytest.raises(NotAllowedError, match="may not name the secret"):
        api.hosted.app._sources.open(definition, Start({}, "nia"), tmp_path)


def test_a_wrong_setting_is_for_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Strangers get 503; the log names the setting. A timer or a message fails aloud."""
    doors = Doors({"DYNSYNC_MEMORY_MB": "lots"}, base=tmp_path)
    answer = doors.answer(func.HttpRequest("GET", "http://127.0.0.1/api/health", headers={}, body=b""))
    assert answer.status_code == 503
    assert b"DYNSYNC" not in answer.get_body()
    assert "app.broken" in caplog.text
    assert "DYNSYNC_MEMORY_MB" in caplog.text
    with pytest.raises(RefuseError, match="DYNSYNC_MEMORY_MB"):
        doors.run_job(b"{}")
