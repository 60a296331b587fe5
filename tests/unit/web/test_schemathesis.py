"""Calls made up from the OpenAPI document, good and bad: documented answers only; a refused call changes nothing."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from werkzeug.wrappers import Request as Received

from shared.permissions import Operation
from shared.web.application import Application
from shared.web.call import Request
from shared.web.openapi import refusals
from shared.web.routes import ROUTES, described
from shared.web.routing import Route
from shared.wiring.hosted import open_hosted
from tests.examples import examples
from tests.unit.web.conftest import DEFINITION, ON, PERMISSIONS, Api, principal

FEW = settings(
    max_examples=examples(8),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
WHO = {"x-ms-client-principal": principal("dynsync.admin")["x-ms-client-principal"]}
WITHOUT_SECRETS = {Operation.SEE_DESTINATION, Operation.SEE_ROLE}
"""What cannot succeed here, for the app has no secret to sign in to Dataverse with: 502, and nothing else above 499."""
WANTED = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")


class Wsgi:
    """The API as a web server would call it; a call that was refused is compared with what stood there before."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        received = Received(environ)
        headers = {name.lower(): value for name, value in received.headers.items()} | WHO
        key = received.path == "/api/jobs" and received.method == "POST"
        asked = Request(
            received.method, received.path, received.args.to_dict(), headers, received.get_data(), received.host, key
        )
        before = self.state()
        answer = self.api.application.answer(asked)
        if answer.status >= 400:
            assert self.state() == before, f"{received.method} {received.path} was refused and changed something"
        start(
            f"{answer.status} {HTTPStatus(answer.status).phrase}",
            [("Content-Type", answer.content_type), *answer.headers.items()],
        )
        return [answer.body]

    def state(self) -> list[Any]:
        """Every row of the store and every file beside it, but what the app remembers of the machine's own."""
        with closing(sqlite3.connect(self.api.folder / ".dynsync" / "state.db")) as database:
            tables = sorted(name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
            rows = [(name, sorted(map(repr, database.execute(f'SELECT * FROM "{name}"')))) for name in tables]
        files = sorted(str(path) for path in self.api.folder.rglob("*") if path.suffix not in (".db-wal", ".db-shm"))
        return [rows, files]


@functools.cache
def schema() -> Any:
    return schemathesis.openapi.from_dict(described())


@pytest.fixture(scope="module")
def wsgi(tmp_path_factory: pytest.TempPathFactory) -> Wsgi:
    folder = tmp_path_factory.mktemp("app")
    (folder / "syncs").mkdir()
    (folder / "in.csv").write_text("no,label\nA1,One\n")
    (folder / "syncs/reach.yaml").write_text("folders: [..]\n")
    text = DEFINITION.format(
        name="accounts", variables="  region: { default: E }", path="in.csv", permissions=PERMISSIONS
    )
    (folder / "syncs/accounts.yaml").write_text(text)
    hosted = open_hosted({**ON, "DYNSYNC_KEY_SYNCS": "*"}, base=folder)
    return Wsgi(Api(hosted, Application(hosted), Path(folder)))


def aimed(case: Any, job: str) -> Any:
    """The call, of a sync and a job that are there."""
    for name, value in {"sync": "accounts", "job": job}.items():
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value
    return case


def tried(wsgi: Wsgi, route: Route, mode: Any, job: str) -> None:
    """Make calls up, send them, and hold every answer against the document."""
    operation = schema()[route.path][route.method]
    checks = [CHECKS.get_one(name) for name in WANTED]

    @FEW
    @given(case=operation.as_strategy(generation_mode=mode))
    def sent(case: Any) -> None:
        answer = aimed(case, job).call(app=wsgi)
        assert answer.status_code < 500 or (answer.status_code == 502 and route.operation in WITHOUT_SECRETS), (
            answer.text
        )
        case.validate_response(answer, checks=checks)

    sent()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_made_up_calls_get_documented_answers(route: Route, wsgi: Wsgi) -> None:
    """Status, type and body are as the document says; none is a fault of the program."""
    job = wsgi.api.job()
    tried(wsgi, route, schemathesis.GenerationMode.POSITIVE, job)
    if route.query is not None or route.takes is not None:
        tried(wsgi, route, schemathesis.GenerationMode.NEGATIVE, job)


def test_the_document_is_that_of_the_routes(wsgi: Wsgi) -> None:
    """Served to anybody; every route with its answer, its refusals and a name of its own."""
    told = wsgi.api.get("/api/openapi.json")
    assert told == json.loads(json.dumps(described()))
    assert told["openapi"].startswith("3.1")
    names = []
    for route in ROUTES:
        operation = told["paths"][route.path][route.method.lower()]
        names.append(operation["operationId"])
        assert {int(code) for code in operation["responses"]} == refusals(route) | {route.status}
    assert len(set(names)) == len(names)
    assert sum(len(methods) for methods in told["paths"].values()) == len(ROUTES)
