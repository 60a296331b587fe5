"""The look at a deployed app: up or not, signed in or not, in words for a person."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.deployment.smoke_test import LOGIN, Answer, Get, get, look, token_of


def never(_: float) -> None:
    raise AssertionError("nothing to wait for")


NO_LOGIN = Answer(404)


def answers(health: int, login: Answer = NO_LOGIN) -> Get:
    return lambda url: login if url.endswith(LOGIN) else Answer(health)


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "login.partner.microsoftonline.cn"])
def test_an_app_that_signs_people_in(host: str) -> None:
    """Up, and the platform leads to Entra."""
    up, said = look(
        "https://app", answers(200, Answer(302, location=f"https://{host}/t/oauth2/v2.0/authorize?x")), never
    )
    assert up
    assert "App Service authentication is on" in said[1]


@pytest.mark.parametrize(
    "login", [Answer(0), Answer(404), Answer(200), Answer(401), Answer(302, location="https://elsewhere.example/")]
)
def test_an_app_where_the_platform_cannot(login: Answer) -> None:
    """Up, and it says that the page is closed to everybody."""
    up, said = look("https://app", answers(200, login), never)
    assert up
    assert "closed to everybody" in said[1]


def test_a_cold_start_is_waited_for() -> None:
    """The first answers may be none at all."""
    health, pauses = iter([0, 503, 200]), []
    up, _ = look("https://app", lambda url: Answer(200 if "/.auth" in url else next(health)), pauses.append)
    assert up
    assert len(pauses) == 2


@pytest.mark.parametrize(("status", "said"), [(0, "does not answer"), (503, "answers 503")])
def test_an_app_that_is_not_up(status: int, said: str) -> None:
    """After its tries it says what was found, and where to look."""
    pauses: list[float] = []
    up, sentences = look("https://app", answers(status), pauses.append, tries=3)
    assert not up
    assert said in sentences[0]
    assert len(pauses) == 2


def health(note: str) -> bytes:
    parts = [{"name": "store", "note": ""}, {"name": "definitions", "note": note}]
    return json.dumps({"status": "up", "parts": parts}).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (health("5 sound"), "definitions: 5 sound"),
        (
            health("5 sound; 1 edited in the app: accounts (its file has changed since)"),
            "accounts (its file has changed since). A deployment does not end an edit",
        ),
        (b'{"status": "up", "parts": null}', "`dynsync check --app https://app` tells"),
        (b"no JSON", "`dynsync check --app https://app` tells"),
        (None, "`dynsync check --app https://app` tells"),
    ],
)
def test_edited_syncs_are_told_to_who_may_know(body: bytes | None, said: str) -> None:
    """Somebody who has just deployed a file learns that it does not count; who may not know is told where to ask."""
    signed = None if body is None else lambda _: Answer(200, body)
    assert said in look("https://app", answers(200), never, signed=signed)[1][-1]


def test_a_token_is_asked_for_the_app_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of az, for the registration that the deployment names; without az, or without a registration, there is none."""
    asked: list[list[str]] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        if len(asked) > 1:
            raise FileNotFoundError("az")
        return subprocess.CompletedProcess(words, 0, "ey.J.0\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert (token_of(""), token_of("--help"), asked) == ("", "", [])
    assert token_of("0d000000-0000-4000-8000-00000000aaaa") == "ey.J.0"
    assert "api://0d000000-0000-4000-8000-00000000aaaa/.default" in asked[0]
    assert token_of("0d000000-0000-4000-8000-00000000aaaa") == ""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 503)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b'{"status":"down"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_refusals_and_redirects_are_answers(server: str) -> None:
    """A refusal keeps its body; a redirect is not followed; nobody listening is status 0."""
    assert get(f"{server}/api/health") == Answer(503, b'{"status":"down"}', "/elsewhere")
    assert get(f"{server}/moved") == Answer(302, b'{"status":"down"}', "/elsewhere")
    assert get("http://127.0.0.1:9/").status == 0
