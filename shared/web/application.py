"""The HTTP API and the pages: finds the route, who calls and what they may do, and answers.

Every error of the API is a problem document, and every error of a page is a page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from shared.errors import DynsyncError, NotFoundError, NotSignedInError, RequestError
from shared.log import event
from shared.permissions import NOBODY, Caller, Kind
from shared.values.jobs import Job
from shared.web.call import Answer, Request
from shared.web.forms import form_value, read_body, read_fields, read_query
from shared.web.gate import Gate
from shared.web.pages import PAGES
from shared.web.pages.refusals import Refusal, is_page, page_of_fault
from shared.web.problems import place_of, problem, unexpected
from shared.web.routes import ROUTES
from shared.web.routing import Body, Call, Reply, Route, Table
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
        routes: Iterable[Route] = (*ROUTES, *PAGES),
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
            answer = page_of_fault() if is_page(request.path) else unexpected()
        body = b"" if request.method == "HEAD" else answer.body
        return Answer(answer.status, body, answer.content_type, {**SECURITY, **answer.headers})

    def _answered(self, request: Request) -> Answer:
        route, path = self._route(request)
        caller = self._gate.caller(request, form=route.page)
        job = self._passed(caller, route, path)
        query = read_query(route, request)
        call = Call(self._hosted, self._gate, request, caller, path, job, query)
        if route.page and route.method == "POST":
            return self._posted(route, call)
        body = read_body(route, request, self._hosted.settings.upload_mb)
        return self._written(route, self._done(route, replace(call, body=body)))

    def _posted(self, route: Route, call: Call) -> Answer:
        """The answer to a page's form. What is refused is shown once more, with what was typed."""
        try:
            fields = read_fields(call.request, self._hosted.settings.upload_mb)
            call = replace(call, body=Body(None, fields.files, fields.typed))
            body = replace(call.body, value=form_value(route.takes, fields))
            return self._written(route, self._done(route, replace(call, body=body)))
        except DynsyncError as error:
            if route.again is None:
                raise
            return route.again(call, error)

    def _done(self, route: Route, call: Call) -> object:
        if route.asks or route.notes:  # it knows what is asked, and notes for itself
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
            page = is_page(request.path)
            remedy = "the list of syncs leads to all there is" if page else "GET /api/openapi.json lists what there is"
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
        page = is_page(request.path)
        answer = Refusal(error, request, self._hosted, self._seen(error, request)).page() if page else problem(error)
        headers = dict(answer.headers)
        if answer.status == 401:
            headers["WWW-Authenticate"] = self._hosted.challenge()
        if answer.status == 405:
            headers["Allow"] = ", ".join(sorted(self._table.find(request.path)[0]))
        return Answer(answer.status, answer.body, answer.content_type, headers)

    def _seen(self, error: DynsyncError, request: Request) -> Caller:
        """Who is told of an error: nobody, where the error is about who calls."""
        if isinstance(error, NotSignedInError):
            return NOBODY
        try:
            return self._gate.caller(replace(request, method="GET"))
        except DynsyncError:
            return NOBODY
