"""The HTTP API: finds the route, who calls and what they may do, and answers; every error is a problem document."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from shared.errors import DynsyncError, NotFoundError, NotSignedInError, RequestError
from shared.log import event
from shared.permissions import Caller, Kind
from shared.values.jobs import Job
from shared.web.call import Answer, Request
from shared.web.forms import read_body, read_query
from shared.web.gate import Gate
from shared.web.problems import place_of, problem, unexpected
from shared.web.routes import ROUTES
from shared.web.routing import Call, Reply, Route, Table
from shared.wiring.hosted import Hosted

_log = logging.getLogger(__name__)
SECURITY = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""With every answer, for what is told may be confidential."""


class Application:
    """Answers requests. May be called from several threads."""

    def __init__(
        self,
        hosted: Hosted,
        *,
        routes: Iterable[Route] = ROUTES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hosted = hosted
        self._table = Table(routes)
        self._gate = Gate(hosted, clock)
        self._writers: dict[tuple[str, str], TypeAdapter[Any]] = {}

    def answer(self, request: Request) -> Answer:
        """The answer to one request; never raises."""
        try:
            answer = self._answered(request)
        except DynsyncError as error:
            answer = self._refused(error, request)
        except Exception as error:  # noqa: BLE001 - a door: whatever went wrong, the caller gets an answer
            event(_log, "call.broken", level=logging.ERROR, error=type(error).__name__, where=place_of(error))
            answer = unexpected()
        body = b"" if request.method == "HEAD" else answer.body
        return Answer(answer.status, body, answer.content_type, {**SECURITY, **answer.headers})

    def _answered(self, request: Request) -> Answer:
        route, path = self._route(request)
        caller = self._gate.caller(request)
        job = self._passed(caller, route, path)
        query = read_query(route, request)
        body = read_body(route, request, self._hosted.settings.upload_mb)
        return self._written(
            route, self._done(route, Call(self._hosted, self._gate, request, caller, path, job, query, body))
        )

    def _done(self, route: Route, call: Call) -> object:
        if route.asks:  # it knows the sync, and notes for itself
            return route.does(call)
        sync = call.path.get("sync") if call.found is None else call.found.sync
        with self._gate.noting(call.caller, route.operation, sync):
            return route.does(call)

    def _passed(self, caller: Caller, route: Route, path: Mapping[str, str]) -> Job | None:
        """The job that the path names, once the caller may do what the route does."""
        if "job" in path:
            return self._gate.job(caller, route.operation, path["job"])
        if not route.asks:
            self._gate.require(caller, route.operation, path.get("sync"))
        elif caller.kind is Kind.NOBODY:
            self._gate.require(caller, route.operation)
        return None

    def _route(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        methods, path = self._table.find(request.path)
        if not methods:
            remedy = "GET /api/openapi.json lists what there is"
            raise NotFoundError(f"there is nothing at {request.path[:200]!r}", remedy=remedy)
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise RequestError(
                f"{request.method[:20]} is no method of {request.path[:200]!r}", status=405,
                remedy=f"it has {', '.join(sorted(methods))}",
            )  # fmt: skip
        return route, path

    def _written(self, route: Route, value: object) -> Answer:
        if isinstance(value, Answer):
            return value
        reply = value if isinstance(value, Reply) else Reply(value, route.status)
        writer = self._writers.setdefault((route.method, route.path), TypeAdapter(route.gives))
        return Answer(reply.status, writer.dump_json(reply.value), headers=reply.headers)

    def _refused(self, error: DynsyncError, request: Request) -> Answer:
        answer = problem(error)
        headers = dict(answer.headers)
        if isinstance(error, NotSignedInError):
            headers["WWW-Authenticate"] = self._hosted.challenge()
        if answer.status == 405:
            headers["Allow"] = ", ".join(sorted(self._table.find(request.path)[0]))
        return Answer(answer.status, answer.body, answer.content_type, headers)
