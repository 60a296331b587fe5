"""The connection: a request's path and body as they came, and an answer sent or cut off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from isal import igzip

from local.dataverse.messages import Reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRANSPORT = "local.transport"
"""Where the protocol leaves the connection for us, so that a fault can cut it."""
MAX_BODY = 128 * 1024 * 1024


def raw_path(scope: Scope) -> str:
    """The path as it was sent, still encoded."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


async def read_body(receive: Receive) -> bytes | None:
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


async def send_reply(send: Send, method: str, headers: dict[str, str], reply: Reply) -> None:
    """Sends an answer, compressed for those who take it so."""
    body = reply.body
    sent = [(name.lower().encode("latin-1"), _clean(value)) for name, value in reply.headers]
    if body:
        sent.append((b"content-type", reply.content_type.encode("latin-1")))
        if len(body) > 1024 and "gzip" in headers.get("accept-encoding", ""):
            body = igzip.compress(body, 1)
            sent.append((b"content-encoding", b"gzip"))
    if reply.status not in (204, 304):
        sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": sent})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _clean(value: str) -> bytes:
    """A header value without line ends, whatever was put into a URL."""
    return value.replace("\r", "%0D").replace("\n", "%0A").encode("utf-8")


async def cut(scope: Scope, receive: Receive) -> None:
    """Cuts the connection and waits until it is gone."""
    scope[TRANSPORT].abort()
    while (await receive())["type"] != "http.disconnect":
        pass
