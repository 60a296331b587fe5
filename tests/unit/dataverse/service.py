"""A scripted Web API on the loopback: each test says what it answers; the connection is a real one."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from shared.dataverse.transport import Transport
from shared.values.tables import Column, ColumnKind, Table


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> str:
        return unquote(self.path)


@dataclass(frozen=True)
class Say:
    """An answer. `cut` closes the connection instead: True before any byte, a number after so many of the body.

    `drip`: so many seconds pass before each byte of the body; or of a header, where there is no body.
    """

    status: int = 200
    body: bytes | dict | list | str = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool | int = False
    drip: float = 0.0


Script = Callable[[Seen], Say]


def refusal(status: int, code: str, message: str, **headers: str) -> Say:
    return Say(status, {"error": {"code": code, "message": message}}, {"x-ms-service-request-id": "req-1", **headers})


class Service:
    """Serves a script until it is closed."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # one packet for headers and body: two would wait for each other

            def log_message(self, *args: object) -> None:
                """Say nothing."""

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, self.rfile.read(length))
                outer.seen.append(seen)
                self.say(outer.script(seen))

            def say(self, say: Say) -> None:
                body = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
                if say.cut is True:
                    self.close_connection = True
                    return None
                self.send_response(say.status)
                for name, value in say.headers.items():
                    self.send_header(name, value)
                if say.drip and not body:
                    self.flush_headers()
                    self.dripped(b"X-Slow: " + 1000 * b"x", say.drip)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if say.drip:
                    return self.dripped(body, say.drip)
                if say.cut:
                    self.close_connection = True
                self.wfile.write(body[: say.cut] if say.cut else body)
                return None

            def dripped(self, text: bytes, pause_s: float) -> None:
                for byte in text:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    threading.Event().wait(pause_s)

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request: object, client_address: object) -> None:
                outer.connections += 1
                super().process_request(request, client_address)

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that went away is no event."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Tokens:
    """Tokens by number: `t0`, `t1` …"""

    def __init__(self) -> None:
        self.number = 0

    def token(self) -> str:
        return f"t{self.number}"

    def renew(self) -> str:
        self.number += 1
        return self.token()


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def transport_to(url: str, time: Time, tokens: Tokens | None = None, **more: object) -> Transport:
    settings = {"timeout_s": 5, "parallel": 4, "sleep": time.sleep, "clock": time, "jitter": lambda: 1.0, **more}
    return Transport(url, tokens or Tokens(), **settings)


def column(name: str, kind: ColumnKind = ColumnKind.TEXT, **more: object) -> Column:
    return Column(name=name, schema_name=name, kind=kind, type_name=kind.value, **more)


def account_table(**more: object) -> Table:
    columns = [
        column("accountid", ColumnKind.UNIQUEIDENTIFIER, primary_id=True),
        column("name"),
        column("accountnumber"),
        column("numberofemployees", ColumnKind.INTEGER),
        column("parentaccountid", ColumnKind.LOOKUP),
    ]
    return Table(
        name="account",
        schema_name="Account",
        entity_set="accounts",
        id_column="accountid",
        name_column="name",
        columns={one.name: one for one in columns},
        **more,
    )


def row_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


IDS_IN_QUERY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
