"""The documents of the API: their examples run, their tables are the code's."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from shared.permissions import NEEDS, Operation, Scope
from shared.web.call import Request
from shared.web.openapi import refusals
from shared.web.problems import STATUSES
from shared.web.routes import ROUTES
from tests.unit.web.conftest import Api, Opener, principal

DOCS = Path(__file__).parents[3] / "docs"


class Front(BaseHTTPRequestHandler):
    """As App Service stands before the app: it knows one token and one key."""

    api: Api

    def do_GET(self) -> None:
        sent = {name.lower(): value for name, value in self.headers.items()}
        if sent.get("authorization") == "Bearer good":
            sent |= principal("dynsync.execute", "dynsync.write")
        url = urlsplit(self.path)
        body = self.rfile.read(int(sent.get("content-length", 0)))
        key = sent.get("x-functions-key") == "the-key"
        asked = Request(self.command, unquote(url.path), dict(parse_qsl(url.query)), sent, body, sent["host"], key)
        answer = self.api.application.answer(asked)
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - as the library wants it

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(open_api: Opener) -> Iterator[str]:
    handler = type("Here", (Front,), {"api": open_api(DYNSYNC_KEY_SYNCS="accounts")})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_of_the_api_run(address: str, tmp_path: Path) -> None:
    """Every shell block of docs/api.md, one after the other; curl fails on any refusal."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    environ = {"PATH": "/usr/bin:/bin", "APP": address, "TOKEN": "good", "KEY": "the-key"}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks)], env=environ, cwd=tmp_path, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    assert ran.stdout.count(b'"state":"Queued"') >= 6


def test_the_table_of_rights_is_the_code_s() -> None:
    """docs/permissions.md lists every operation with what it needs, and none else."""
    rows = re.findall(
        r"^\| ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", (DOCS / "permissions.md").read_text("utf-8"), re.MULTILINE
    )
    told = {name: (scope, right) for name, scope, right in rows if name in set(Operation)}
    assert told == {
        operation.value: (
            need.scope.value,
            " or ".join(f"`{right}`" for right in sorted(need.any_of))
            or {Scope.ANYBODY: "nothing", Scope.SIGNED_IN: "nothing; it holds what the caller may read"}[need.scope],
        )
        for operation, need in NEEDS.items()
    }


def test_every_status_is_told() -> None:
    """docs/api.md says when a caller gets which status."""
    table = (DOCS / "api.md").read_text("utf-8").split("| status | when |")[1]
    told = {int(code) for code in re.findall(r"\b\d{3}\b", table.split("\n\n")[0])}
    assert {status for status, _ in STATUSES.values()} <= told
    assert {status for route in ROUTES for status in refusals(route)} <= told
