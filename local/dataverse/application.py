"""The HTTP edge (ASGI): tokens, headers, compression, the log of requests, and faults; the rest is `service`'s."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from threading import RLock
from typing import Any
from uuid import uuid4

from isal import igzip

from local.dataverse import admin, page
from local.dataverse.faults import Fault, FaultKind, Faults
from local.dataverse.identity import TOKEN_PATH, Identity
from local.dataverse.messages import Reply, Request, error_reply
from local.dataverse.refusals import Refusal
from local.dataverse.service import Service, message_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRANSPORT = "local.transport"
"""Where the protocol leaves the connection for us, so that a fault can cut it."""
MAX_BODY = 128 * 1024 * 1024
_ROOT = re.compile(r"/api/data/v9\.\d{1,2}(?:/|$)")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")
_LOGGED = 20_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request: `path` with query, the service's name for it, rows read or written, time in milliseconds."""

    method: str
    path: str
    status: int
    rows: int
    milliseconds: float
    message: str


class Application:
    """The ASGI application of one environment."""

    def __init__(self, service: Service, identity: Identity) -> None:
        self.service = service
        self.identity = identity
        self.faults = Faults()
        self.log: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        self.lock = RLock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _body(receive)
        reply = await self._faulted(scope, headers, body, started)
        if reply is not None:
            await _send(send, scope["method"], headers, reply)
        else:
            await _cut(scope, receive)

    async def _faulted(self, scope: Scope, headers: dict[str, str], body: bytes | None, started: float) -> Reply | None:
        """The reply; None when the connection is to be cut instead."""
        method, path, query = str(scope["method"]), _raw_path(scope), scope["query_string"].decode("latin-1")
        shown, message = f"{path}?{query}" if query else path, _message(method, path)
        fault = self.faults.take(method, shown, message) if not path.startswith("/_local/") else None
        if fault is not None:
            if fault.kind is FaultKind.DELAY:
                await asyncio.sleep(fault.delay_s)
            if fault.kind is FaultKind.EXPIRE_TOKENS:
                self.identity.expire_all()
        reply = self._faulty_reply(fault) or self._reply(method, path, query, headers, body)
        cut = fault is not None and fault.kind in (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER)
        if _ROOT.match(path) or TOKEN_PATH.fullmatch(path):
            took = (time.perf_counter() - started) * 1000
            status = 0 if cut else reply.status
            self.log.append(LoggedRequest(method, shown, status, reply.rows, took, reply.message or message))
        return None if cut else reply

    def _faulty_reply(self, fault: Fault | None) -> Reply | None:
        """The reply that a fault gives before any work is done."""
        if fault is None or fault.kind not in (FaultKind.STATUS, FaultKind.DROP_BEFORE):
            return None
        return error_reply(Refusal(fault.status, fault.code, fault.text, headers=tuple(fault.headers.items())))

    def _reply(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes | None) -> Reply:
        host = headers.get("host", "")
        if _HOST.fullmatch(host) is None:
            return error_reply(Refusal(400, "", "The request has no usable Host header."))
        if body is None:
            return error_reply(Refusal(413, "", "The request body is too large."))
        with self.lock:
            return self._answered(Request(method, path, query, headers, body, f"http://{host}"))

    def _answered(self, request: Request) -> Reply:
        try:
            return self._answer(request)
        except Refusal as refusal:
            return error_reply(refusal)

    def _answer(self, request: Request) -> Reply:
        token = TOKEN_PATH.fullmatch(request.path)
        if token is not None:
            if request.method != "POST":
                return error_reply(Refusal(405, "", "The token endpoint takes POST."))
            return self.identity.token(token[1], request.body, request.headers["host"])
        root = _ROOT.match(request.path)
        if root is not None:
            return self._api(request, root[0].rstrip("/"))
        if request.path.startswith("/_local/"):
            return admin.answer(self, request)
        if request.method == "GET":
            return page.answer(self, request)
        return error_reply(Refusal(404, "0x8006088a", "No HTTP resource was found that matches the request URI."))

    def _api(self, request: Request, root: str) -> Reply:
        authority = f"{request.root}/"
        inner = Request(
            request.method,
            request.path[len(root) + 1 :],
            request.query,
            request.headers,
            request.body,
            f"{request.root}{root}/",
        )
        try:
            self.identity.check(request.headers.get("authorization", ""), authority)
            _check_encoding(request)
            self.service.check_caller()
            reply = self.service.answer(inner)
        except Refusal as refusal:
            reply = error_reply(refusal)
        request_id = str(uuid4())
        reply.headers += [
            ("OData-Version", "4.0"),
            ("x-ms-service-request-id", request_id),
            ("REQ_ID", request_id),
            ("x-ms-dop-hint", "4"),
            ("x-ms-ratelimit-time-remaining-xrm-requests", "1,200.00"),
            ("x-ms-ratelimit-burst-remaining-xrm-requests", "5999"),
        ]
        return reply


def _check_encoding(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "", "A compressed request body is not supported.")


def _message(method: str, path: str) -> str:
    if TOKEN_PATH.fullmatch(path):
        return "Token"
    root = _ROOT.match(path)
    return message_of(method, path[root.end() :]) if root else ""


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


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


async def _send(send: Send, method: str, headers: dict[str, str], reply: Reply) -> None:
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


async def _cut(scope: Scope, receive: Receive) -> None:
    """Cuts the connection and waits until it is gone."""
    scope[TRANSPORT].abort()
    while (await receive())["type"] != "http.disconnect":
        pass
