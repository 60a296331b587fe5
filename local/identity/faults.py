"""Faults: what goes wrong, with which requests, how often. And the log of requests."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.listening import TRANSPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of trouble, for the next `times` requests at `part` whose path holds `path` (and of `method`).

    `part` is `entra`, `vault` or `identity` (the managed identity endpoint); '' means each. `cut` closes the connection
    without an answer. `location` sends the caller elsewhere (with a status of 3xx).
    """

    part: str = ""
    method: str = ""
    path: str = ""
    status: int = 503
    body: str = '{"error": {"code": "ServerBusy", "message": "Try again later."}}'
    retry_after_s: int | None = None
    location: str = ""
    cut: bool = False
    times: int = 1

    def meets(self, seen: Seen) -> bool:
        """Whether the request is one of those."""
        return self.part in ("", seen.part) and self.method.upper() in ("", seen.method) and self.path in seen.path

    def answer(self) -> Response:
        """What is said instead."""
        headers = {"Content-Type": "application/json"}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        if self.location:
            headers["Location"] = self.location
        return Response(self.body, self.status, headers)


@dataclass(frozen=True, slots=True)
class Seen:
    """A request: where it came in, without its body. `token`: it carried one."""

    part: str
    method: str
    path: str
    token: bool


@dataclass(slots=True)
class Weather:
    """The faults that wait, and the last 10,000 requests, oldest first."""

    faults: list[Fault] = field(default_factory=list)
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=10_000))

    def next(self, seen: Seen) -> Fault | None:
        """Note the request; the fault that meets it, used up by one."""
        self.seen.append(seen)
        for place, fault in enumerate(self.faults):
            if fault.meets(seen):
                self.faults[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None


class UnderWeather:
    """An application whose requests are noted and may meet a fault."""

    def __init__(self, application: ASGIApp, part: str, weather: Weather) -> None:
        self._application, self._part, self._weather = application, part, weather

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        token = any(name == b"authorization" for name, _ in scope["headers"])
        query = scope["query_string"].decode("latin-1")
        path = scope["path"] + (f"?{query}" if query else "")
        fault = self._weather.next(Seen(self._part, scope["method"], path, token))
        if fault is None:
            await self._application(scope, receive, send)
        elif fault.cut:
            scope[TRANSPORT].abort()
        else:
            await fault.answer()(scope, receive, send)
