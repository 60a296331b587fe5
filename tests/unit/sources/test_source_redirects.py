"""An address that leads elsewhere: storage that redirects is not followed, into whichever network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import SourceError
from shared.secrets import EnvironmentSecrets
from shared.sources import Remote, Storage, open_source
from tests.unit.sources.sink import FileSink

MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)
SECRETS = EnvironmentSecrets({"DYNSYNC_SECRET_SAS": "sv=2025-01-01&sig=signature"})


@contextmanager
def serving(status: int, headers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every request one answer: its address, and what was asked of it."""
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - as the library wants it

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("path", ["blob://incoming/erp.csv", "blob://incoming/*.csv"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_storage_that_redirects_is_not_followed(path: str, status: int, tmp_path: Path, sink: FileSink) -> None:
    """Nothing is asked of the other address, so the token stays with the storage; the error names the status."""
    with serving(200, {}) as (inner, heard), serving(status, {"Location": f"{inner}/a"}) as (storage, asked):
        source = open_source(
            MODEL.validate_python(
                {"type": "delimited", "path": path, "sas": {"secret": "sas"}, "schema": [{"name": "no"}]}
            ),
            variables={},
            base=tmp_path,
            allows_path=lambda _: False,
            secrets=SECRETS,
            spool=tmp_path,
            remote=Remote(lambda _: True, Storage(f"{storage}/account", retries=0)),
        )
        with pytest.raises(SourceError, match=str(status)):
            source.stage(sink)
    assert heard == []
    assert asked
