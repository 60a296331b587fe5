"""The connection: a request's path and body as they came, and an answer sent whole, slowly, in part or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from isal import igzip

from local.dataverse.messages import Reply
from local.listening import TRANSPORT

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it came: path and query still encoded, header names in lower case; no body when it is too large."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | None
    scheme: str = "http"

    @property
    def origin(self) -> str:
        """Scheme and host as the client named them."""
        return f"{self.scheme}://{self.headers.get('host', '')}"

    @property
    def shown(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an answer is sent: after a pause, its body over so many seconds, or cut off half-way."""

    pause_s: float = 0.0
    body_s: float = 0.0
    half: bool = False


WHOLE = Delivery()
_PIECES = 10
_BODILESS = (204, 304)


async def received(scope: Scope, receive: Receive) -> Call:
    """The request of a connection."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    method, query = str(scope["method"]), scope["query_string"].decode("latin-1")
    return Call(method, path, query, headers, await _body(receive), str(scope.get("scheme", "http")))


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    pieces: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        piece = event.get("body", b"")
        size += len(piece)
        if size <= MAX_BODY:
            pieces.append(piece)
        if not event.get("more_body", False):
            return b"".join(pieces) if size <= MAX_BODY else None


async def send_reply(scope: Scope, send: Send, call: Call, reply: Reply, delivery: Delivery = WHOLE) -> None:
    """Sends an answer, compressed for those who take it so."""
    body = b"" if reply.status in _BODILESS else reply.body
    sent = [(name.lower().encode("latin-1"), _clean(value)) for name, value in reply.headers]
    if body:
        sent.append((b"content-type", reply.content_type.encode("latin-1")))
        if len(body) > 1024 and "gzip" in call.headers.get("accept-encoding", ""):
            body = igzip.compress(body, 1)
            sent.append((b"content-encoding", b"gzip"))
    if reply.status not in _BODILESS:
        sent.append((b"content-length", str(len(body)).encode()))
    if delivery.pause_s:
        await asyncio.sleep(delivery.pause_s)
    await send({"type": "http.response.start", "status": reply.status, "headers": sent})
    await _send_body(scope, send, b"" if call.method == "HEAD" else body, delivery)


async def _send_body(scope: Scope, send: Send, body: bytes, delivery: Delivery) -> None:
    if delivery.half:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        scope[TRANSPORT].close()  # what was written still leaves
        return
    if delivery.body_s:
        size = max(1, len(body) // _PIECES)
        for start in range(0, len(body), size):
            await asyncio.sleep(delivery.body_s / _PIECES)
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        body = b""
    await send({"type": "http.response.body", "body": body})


def _clean(value: str) -> bytes:
    """A header value without line ends, whatever was put into a URL."""
    return value.replace("\r", "%0D").replace("\n", "%0A").encode("utf-8")


async def cut(scope: Scope, receive: Receive) -> None:
    """Cuts the connection and waits until it is gone."""
    scope[TRANSPORT].abort()
    while (await receive())["type"] != "http.disconnect":
        pass
