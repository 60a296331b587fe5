"""The HTTP front: routes, keys, limits, and the host's own addresses under /admin.

Source: Microsoft Learn, "Azure Functions HTTP trigger" and "Work with access keys in Azure Functions" (2025).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from local.host.calls import Calls
from local.host.engine import Response, http_response, http_value
from local.host.functions import HttpTrigger
from local.host.hostfile import HttpOptions
from local.host.refusals import InvocationError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MOST_BYTES = 100 * 1024 * 1024
"""A request's body, at most. Source: "Azure Functions HTTP trigger", limits."""
PEER_HEADER = "x-local-host-peer"
"""Tells the app the address that a call comes from; what a caller sends under this name is left out."""
_KEY_HEADER, _KEY_PARAMETER = "x-functions-key", "code"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that open functions: `function` those of that level, `admin` everything."""

    function: str
    admin: str

    def open(self, level: str, given: str) -> bool:
        """Whether a key opens a function of a level."""
        if level == "anonymous":
            return True
        fitting = [self.admin] if level == "admin" else [self.admin, self.function]
        return any(hmac.compare_digest(given.encode(), key.encode()) for key in fitting)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, its body still to come; header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    url: str

    @property
    def key(self) -> str:
        return self.headers.get(_KEY_HEADER) or self.query.get(_KEY_PARAMETER, "")


class _GoneError(Exception):
    """The caller went away before the request was whole; no function is called."""


class Front:
    """The ASGI application in front of the functions.

    `start` runs a function without HTTP, by name and input; it says whether there is such a function.
    """

    def __init__(
        self,
        triggers: tuple[HttpTrigger, ...],
        calls: Calls,
        options: HttpOptions,
        keys: Keys,
        start: Callable[[str, str], bool],
    ) -> None:
        self._triggers = sorted(triggers, key=lambda one: one.name.lower())  # the real host's order
        self._calls, self._options, self._keys, self._start = calls, options, keys, start
        self._outstanding = 0
        self.ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        most = self._options.max_outstanding_requests
        if self.ending or 0 <= most <= self._outstanding:
            await _answer(send, Response(503 if self.ending else 429, {"retry-after": "1"}, b""))
            return
        self._outstanding += 1
        try:
            response = await self._response(_request(scope), receive)
        except _GoneError:
            return
        finally:
            self._outstanding -= 1
        await _answer(send, response, self._options.custom_headers)

    async def _response(self, request: _Request, receive: Receive) -> Response:
        if request.path.lower().startswith("/admin/"):
            return await self._admin(request, receive)
        for trigger in self._triggers:
            found = trigger.template.match(request.path)
            if found is not None and (not trigger.methods or request.method in trigger.methods):
                return await self._call(trigger, request, found, receive)
        if request.path == "/":
            return Response(200, {"content-type": "text/plain"}, b"The local Functions host is up.\n")
        return Response(404, {}, b"")

    async def _call(self, trigger: HttpTrigger, request: _Request, found: dict[str, str], receive: Receive) -> Response:
        if not self._keys.open(trigger.level, request.key):
            return Response(401, {}, b"")
        body = await _body(receive)
        if body is None:
            return Response(413, {}, b"")
        query = {name: value for name, value in request.query.items() if name != _KEY_PARAMETER}
        told = {"method": request.method, "url": request.url, "headers": request.headers, "query": query}
        try:
            value = http_value({**told, "params": found}, body)
            return http_response(await self._calls.call(trigger.name, value, reason="http"))
        except InvocationError:
            return Response(500, {}, b"")

    async def _admin(self, request: _Request, receive: Receive) -> Response:
        """`POST /admin/functions/NAME` runs a function that has no route; `GET /admin/host/status` tells the state."""
        if not self._keys.open("admin", request.key):
            return Response(401, {}, b"")
        parts = request.path.strip("/").split("/")
        if request.method == "GET" and parts[1:] == ["host", "status"]:
            state = json.dumps({"state": "Running", "calls": self._calls.running})
            return Response(200, {"content-type": "application/json"}, state.encode())
        if request.method != "POST" or parts[1:2] != ["functions"] or len(parts) != 3:
            return Response(404, {}, b"")
        try:
            given = json.loads(await _body(receive) or b"{}")
            text = given["input"] if isinstance(given, dict) and "input" in given else ""
        except ValueError:
            return Response(400, {}, b'The body must be JSON: {"input": "..."}')
        known = self._start(parts[2], text if isinstance(text, str) else json.dumps(text))
        return Response(202 if known else 404, {}, b"")


def _request(scope: Scope) -> _Request:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        known, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[known] = f"{headers[known]},{text}" if known in headers else text
    headers[PEER_HEADER] = str((scope.get("client") or ("",))[0])
    query: dict[str, str] = {}
    for name, text in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        query[name] = f"{query[name]},{text}" if name in query else text
    raw = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    asked = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
    url = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}{raw}{asked}"
    return _Request(scope["method"], raw, query, headers, url)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is too long."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        part = message.get("body", b"")
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


async def _answer(send: Send, response: Response, more: dict[str, str] | None = None) -> None:
    headers = {**(more or {}), **response.headers, "content-length": str(len(response.body))}
    told = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": told})
    await send({"type": "http.response.body", "body": response.body})
