"""A web server on loopback that keeps what it is told and answers as it is asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Headers = Mapping[str, str]


@dataclass(slots=True)
class Hook:
    """`answers` are the statuses of the next calls, then 204; `location` is sent with a redirect."""

    url: str
    calls: list[tuple[str, str, Headers, bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    location: str = ""
    drips: bool = False


@contextmanager
def listening() -> Iterator[Hook]:
    """A hook that listens until the block ends."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hook.calls.append((self.command, self.path, dict(self.headers), body))
            if hook.drips:
                self._drip()
                return
            self.send_response(hook.answers.pop(0) if hook.answers else 204)
            if hook.location:
                self.send_header("Location", hook.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _drip(self) -> None:
            """Say a little for ever, so that no wait for the next byte is ever long."""
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.02):
                    self.wfile.write(b"X-More: 1\r\n")
                    self.wfile.flush()
            except OSError:
                self.close_connection = True

        do_POST = do_GET = do_PUT = do_PATCH = _answer  # noqa: N815 - the server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook = Hook(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield hook
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
