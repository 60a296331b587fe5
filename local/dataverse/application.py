"""The HTTP edge (ASGI): tokens, limits, faults and the log of requests; the rest is `service`'s."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from threading import RLock
from uuid import uuid4

from local.dataverse import admin, documents, edge, page, refusals
from local.dataverse.background import Background
from local.dataverse.edge import Call, Delivery, Receive, Scope, Send
from local.dataverse.faults import Asked, Fault, FaultKind, Faults
from local.dataverse.faults.refused import refusal
from local.dataverse.faults.spoiled import can_act, html, spoil
from local.dataverse.identity import CONFIGURATION_PATH, TOKEN_PATH, Identity
from local.dataverse.limits import Entitlement, Gate, Visit
from local.dataverse.logic import Event, Step, StepRefusedError, sound
from local.dataverse.logic.calls import Job
from local.dataverse.messages import Reply, Request, error_reply, error_text
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.service import Service, message_of
from local.dataverse.webhooks import Webhooks

_ROOT = re.compile(r"/api/data/v9\.\d{1,2}(?:/|$)")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")
_LOGGED = 20_000
_LOG = logging.getLogger("local.dataverse")
_CUT = frozenset((FaultKind.DROP_BEFORE, FaultKind.DROP_DURING, FaultKind.DROP_AFTER, FaultKind.LATE))


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request: path with query, the service's name for it, rows read or written, milliseconds, the client's id.

    `error` is code and text of a refusal (of a batch, its first), or the fault that cut the connection.
    """

    method: str
    path: str
    status: int
    rows: int
    milliseconds: float
    message: str
    user: str = ""
    error: str = ""


class Application:
    """The ASGI application of one environment."""

    def __init__(self, service: Service, identity: Identity) -> None:
        self.service = service
        self.identity = identity
        self.faults = Faults()
        self.gate = Gate()
        self.entitlement = Entitlement(service.world.clock)
        self.log: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        self.background = Background()
        self.failures: deque[str] = deque(maxlen=100)
        self.webhooks = Webhooks(service.world)
        self.lock = RLock()
        service.inner_refusal = self._inner_refusal
        service.rights.faults = lambda: [waiting.fault for waiting in self.faults.waiting]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        call = await edge.received(scope, receive)
        asked = self._asked(call)
        fault = self.faults.take(asked) if _is_service(call, asked) else None
        reply = await self._under(fault, call, asked)
        if fault is not None and reply is not None and not can_act(fault, reply):
            self.faults.spare(fault)
            fault = None
        delivery = _delivery(fault)
        cut = reply is None or (fault is not None and fault.kind in _CUT) or (delivery.half and not reply.body)
        self._note(call, asked, None if cut or delivery.half else reply, started, fault)
        if cut or reply is None:
            await edge.cut(scope, receive)
        else:
            await edge.send_reply(scope, send, call, reply, delivery)

    def inject(self, fault: Fault | Mapping[str, object]) -> int:
        """Puts a fault behind the others; its number.

        Raises:
            DocumentError: it is wrong, or can never act.
        """
        found = documents.checked(fault, "fault") if isinstance(fault, Fault) else Fault.of(fault)
        sound.check_fault(self.service.world.tables, found)
        return self.faults.add(found)

    def _asked(self, call: Call) -> Asked:
        root = _ROOT.match(call.path)
        inner = call.path[root.end() :] if root else ""
        message = "Token" if TOKEN_PATH.fullmatch(call.path) else message_of(call.method, inner) if root else ""
        user = self.identity.user_of(call.headers.get("authorization", ""))
        table = self.service.table_of(inner)
        return Asked(call.method, call.shown, message, table, user, call.body or b"", call.headers)

    def _inner_refusal(self, request: Request) -> Refusal | None:
        """What a fault refuses of one operation of a batch."""
        if not self.faults.waiting:
            return None
        message, table = message_of(request.method, request.path), self.service.table_of(request.path)
        shown, user = f"{request.path}?{request.query}", self.service.world.application
        asked = Asked(request.method, shown, message, table, user, request.body, request.headers, inner=True)
        fault = self.faults.take(asked)
        return refusal(fault, asked, self.service.world.caller_id) if fault else None

    @property
    def names(self) -> dict[str, str]:
        """What the users of applications are called, by client id."""
        listed = self.service.world.store.all("SELECT applicationid, fullname FROM systemuser")
        return {str(application): str(name) for application, name in listed if application}

    async def _under(self, fault: Fault | None, call: Call, asked: Asked) -> Reply | None:
        """The reply under a fault; None when nothing is to be done, or later."""
        if fault is None:
            return await self._reply(call)
        if fault.kind is FaultKind.DROP_BEFORE:
            return None
        if fault.kind is FaultKind.LATE:
            self._later(call, fault.delay_s)
            return None
        if fault.kind is FaultKind.HTML:
            return html(fault)
        with self.lock:
            refused = refusal(fault, asked, self.service.world.caller_id)
        if refused is not None:
            return error_reply(refused)
        if fault.kind is FaultKind.EXPIRE_TOKENS:
            self.identity.expire_all()
        if fault.kind is FaultKind.DELAY:
            await asyncio.sleep(fault.delay_s)
        reply = await self._reply(call, stop_after=asked.size // 2 if fault.kind is FaultKind.DROP_DURING else None)
        spoil(fault, reply, asked, f"{call.origin}{call.shown}")
        return reply

    def _later(self, call: Call, delay_s: float) -> None:
        """Does the work of a request whose connection is gone."""

        async def work() -> None:
            await asyncio.sleep(delay_s)
            await self._reply(call)

        self.background.start(work())

    def _note(self, call: Call, asked: Asked, reply: Reply | None, started: float, fault: Fault | None) -> None:
        """Writes a request into the log; one without an answer has status 0."""
        if not _is_service(call, asked):
            return
        took = (time.perf_counter() - started) * 1000
        status, rows, message = (reply.status, reply.rows, reply.message) if reply else (0, 0, "")
        error = error_text(reply) if reply else f"cut: {fault.kind}" if fault else "cut"
        named = message or asked.message
        self.log.append(LoggedRequest(call.method, call.shown, status, rows, took, named, asked.user, error))

    async def _reply(self, call: Call, *, stop_after: int | None = None) -> Reply:
        host = call.headers.get("host", "")
        if _HOST.fullmatch(host) is None:
            return error_reply(Refusal(400, "", "The request has no usable Host header."))
        if call.body is None:
            return error_reply(Refusal(413, "", "The request body is too large."))
        request = Request(call.method, call.path, call.query, call.headers, call.body, call.origin)
        root = _ROOT.match(call.path)
        if root is not None:
            return await self._api(request, root[0].rstrip("/"), stop_after)
        with self.lock:
            try:
                return self._beside(request)
            except Refusal as refusal:
                return error_reply(refusal)
            except Exception as error:  # noqa: BLE001 - as below
                return self._unforeseen(error)

    def _beside(self, request: Request) -> Reply:
        """What is no Web API: tokens, the local door, the page for people."""
        token = TOKEN_PATH.fullmatch(request.path)
        if token is not None:
            if request.method != "POST":
                return error_reply(Refusal(405, "", "The token endpoint takes POST."))
            return self.identity.token(token[1], request.body, request.headers["host"])
        known = CONFIGURATION_PATH.fullmatch(request.path)
        if known is not None and request.method == "GET":
            return self.identity.configuration(known[1], request.root)
        if request.path.startswith("/_local/"):
            return admin.answer(self, request)
        if request.method == "GET":
            return page.answer(self, request)
        return error_reply(refusals.no_resource())

    async def _api(self, request: Request, root: str, stop_after: int | None) -> Reply:
        """The Web API: first the token, then the limits, then the work; then the answer waits for its time."""
        try:
            user = self.identity.check(request.headers.get("authorization", ""), f"{request.root}/")
            _check_encoding(request)
        except Refusal as refusal:
            return _marked(error_reply(refusal))
        path = request.path[len(root) + 1 :]
        inner = Request(request.method, path, request.query, request.headers, request.body, f"{request.root}{root}/")
        visit = self.gate.enter(user, request.headers.get("cookie", ""))
        reply = await self._visited(visit, user, inner, stop_after)
        secure = "; secure" if request.root.startswith("https:") else ""
        reply.headers += [(name, value + secure if name == "Set-Cookie" else value) for name, value in visit.headers()]
        return _marked(reply)

    async def _visited(self, visit: Visit, user: str, request: Request, stop_after: int | None) -> Reply:
        """The work within the limits of a user."""
        try:
            visit.admit()
        except Refusal as refusal:
            return error_reply(refusal)
        try:
            with self.lock:
                reply = self._worked(user, request, stop_after)
                operations = self.service.take_operations()
                slower_s = self.service.world.steps.take_delay()
                self.follow_up()
            self.entitlement.count(user, operations)
            single = operations if reply.message == "Batch" else 1
            wait_s = visit.execute(reply.rows, single, slower_s, reading=request.method == "GET")
            if wait_s:
                await asyncio.sleep(wait_s)
            return reply
        finally:
            visit.leave()

    def follow_up(self) -> None:
        """Starts what the latest writes have caused: asynchronous steps, system jobs."""
        for step, event in self.service.world.steps.take_later():
            self.background.start(self._step(step, event))
        for job in self.service.calls.take_jobs():
            self.background.start(self._job(job))

    async def _step(self, step: Step, event: Event) -> None:
        try:
            if step.detached:
                await asyncio.to_thread(self.service.world.steps.run_later, step, event)
                return
            with self.lock:
                self.service.world.steps.run_later(step, event)
                self.follow_up()
        except (StepRefusedError, Refusal, RowRefusal) as problem:
            self.failures.append(f"{step.name}: {problem}")

    async def _job(self, job: Job) -> None:
        await asyncio.sleep(job.workflow.delay_s)
        with self.lock:
            self.service.calls.run(job)
            self.follow_up()

    def _worked(self, user: str, request: Request, stop_after: int | None) -> Reply:
        try:
            self.service.world.act_as(user)
            self.service.check_caller()
            if stop_after is not None:
                return self.service.stopped(request, stop_after)
            return self.service.answer(request)
        except Refusal as refusal:
            return error_reply(refusal)
        except Exception as error:  # noqa: BLE001 - the door: whatever breaks behind it is answered as the service does
            return self._unforeseen(error)

    def _unforeseen(self, error: Exception) -> Reply:
        """The answer to a request that the stand-in broke at: an error of its own, told where it runs."""
        self.service.world.forget()
        self.failures.append(f"{type(error).__name__}: {error}")
        _LOG.error("request.broken", exc_info=error)
        return error_reply(Refusal(500, "0x80040216", "An unexpected error occurred."))


def _is_service(call: Call, asked: Asked) -> bool:
    """Whether a request is one that Dataverse gets, or a token's; the page and the local door are this server's own."""
    return asked.message != "" or _ROOT.match(call.path) is not None


def _delivery(fault: Fault | None) -> Delivery:
    if fault is None:
        return edge.WHOLE
    return Delivery(
        fault.delay_s if fault.kind is FaultKind.SLOW_HEADERS else 0.0,
        fault.delay_s if fault.kind is FaultKind.SLOW_BODY else 0.0,
        fault.kind is FaultKind.DROP_ANSWER,
    )


def _marked(reply: Reply) -> Reply:
    """An answer of the Web API has its version and its own id."""
    request_id = str(uuid4())
    reply.headers += [("OData-Version", "4.0"), ("x-ms-service-request-id", request_id), ("REQ_ID", request_id)]
    return reply


def _check_encoding(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "", "A compressed request body is not supported.")
