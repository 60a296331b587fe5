"""The HTTP edge (ASGI): tokens, limits, faults and the log of requests; the rest is `service`'s."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass
from threading import RLock
from uuid import uuid4

from local.dataverse import admin, edge, page
from local.dataverse.edge import Receive, Scope, Send
from local.dataverse.faults import Fault, FaultKind, Faults
from local.dataverse.identity import TOKEN_PATH, Identity
from local.dataverse.limits import Entitlement, Gate, Limits, Visit
from local.dataverse.messages import Reply, Request, error_reply
from local.dataverse.refusals import Refusal
from local.dataverse.service import Service, message_of

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

    def __init__(self, service: Service, identity: Identity, limits: Limits | None = None) -> None:
        self.service = service
        self.identity = identity
        self.faults = Faults()
        self.gate = Gate(limits)
        self.entitlement = Entitlement(service.world.clock)
        self.log: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        self.lock = RLock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await edge.read_body(receive)
        reply = await self._faulted(scope, headers, body, started)
        if reply is not None:
            await edge.send_reply(send, scope["method"], headers, reply)
        else:
            await edge.cut(scope, receive)

    async def _faulted(self, scope: Scope, headers: dict[str, str], body: bytes | None, started: float) -> Reply | None:
        """The reply; None when the connection is to be cut instead."""
        method, path, query = str(scope["method"]), edge.raw_path(scope), scope["query_string"].decode("latin-1")
        shown, message = f"{path}?{query}" if query else path, _message(method, path)
        fault = self.faults.take(method, shown, message) if not path.startswith("/_local/") else None
        if fault is not None:
            if fault.kind is FaultKind.DELAY:
                await asyncio.sleep(fault.delay_s)
            if fault.kind is FaultKind.EXPIRE_TOKENS:
                self.identity.expire_all()
        reply = self._faulty_reply(fault) or await self._reply(method, path, query, headers, body)
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

    async def _reply(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes | None) -> Reply:
        host = headers.get("host", "")
        if _HOST.fullmatch(host) is None:
            return error_reply(Refusal(400, "", "The request has no usable Host header."))
        if body is None:
            return error_reply(Refusal(413, "", "The request body is too large."))
        request = Request(method, path, query, headers, body, f"http://{host}")
        root = _ROOT.match(path)
        if root is not None:
            return await self._api(request, root[0].rstrip("/"))
        with self.lock:
            try:
                return self._beside(request)
            except Refusal as refusal:
                return error_reply(refusal)

    def _beside(self, request: Request) -> Reply:
        """What is no Web API: tokens, the local door, the page for people."""
        token = TOKEN_PATH.fullmatch(request.path)
        if token is not None:
            if request.method != "POST":
                return error_reply(Refusal(405, "", "The token endpoint takes POST."))
            return self.identity.token(token[1], request.body, request.headers["host"])
        if request.path.startswith("/_local/"):
            return admin.answer(self, request)
        if request.method == "GET":
            return page.answer(self, request)
        return error_reply(Refusal(404, "0x8006088a", "No HTTP resource was found that matches the request URI."))

    async def _api(self, request: Request, root: str) -> Reply:
        """The Web API: first the token, then the limits, then the work; then the answer waits for its time."""
        try:
            user = self.identity.check(request.headers.get("authorization", ""), f"{request.root}/")
            _check_encoding(request)
        except Refusal as refusal:
            return _marked(error_reply(refusal))
        path = request.path[len(root) + 1 :]
        inner = Request(request.method, path, request.query, request.headers, request.body, f"{request.root}{root}/")
        visit = self.gate.enter(user, request.headers.get("cookie", ""))
        reply = await self._visited(visit, user, inner)
        reply.headers += visit.headers()
        return _marked(reply)

    async def _visited(self, visit: Visit, user: str, request: Request) -> Reply:
        """The work within the limits of a user."""
        try:
            visit.admit()
        except Refusal as refusal:
            return error_reply(refusal)
        try:
            with self.lock:
                reply = self._worked(user, request)
                operations = self.service.take_operations()
            self.entitlement.count(user, operations)
            single = operations if reply.message == "Batch" else 1
            wait_s = visit.execute(reply.rows, single)
            if wait_s:
                await asyncio.sleep(wait_s)
            return reply
        finally:
            visit.leave()

    def _worked(self, user: str, request: Request) -> Reply:
        try:
            self.service.world.act_as(user)
            self.service.check_caller()
            return self.service.answer(request)
        except Refusal as refusal:
            return error_reply(refusal)


def _marked(reply: Reply) -> Reply:
    """An answer of the Web API has its version and its own id."""
    request_id = str(uuid4())
    reply.headers += [("OData-Version", "4.0"), ("x-ms-service-request-id", request_id), ("REQ_ID", request_id)]
    return reply


def _check_encoding(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "", "A compressed request body is not supported.")


def _message(method: str, path: str) -> str:
    if TOKEN_PATH.fullmatch(path):
        return "Token"
    root = _ROOT.match(path)
    return message_of(method, path[root.end() :]) if root else ""
