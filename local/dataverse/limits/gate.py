"""Where a request comes in: which web server takes it, whether it may, how long it executes, and what is told of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from local.dataverse.limits.allowance import Allowance
from local.dataverse.limits.settings import Limits

Headers = list[tuple[str, str]]
_UNUSED_S, _UNUSED = 1200.0, 6000
"""What the headers tell of a limit that there is not: the service's own, untouched."""
_COOKIE = re.compile(r"(?:^|;)\s*ARRAffinity=([0-9a-f]{64})\s*(?:;|$)")


@dataclass(slots=True)
class _Server:
    """One virtual web server; `free_at` is when what it has taken so far is done."""

    mark: str
    free_at: float = 0.0
    users: dict[str, Allowance] = field(default_factory=dict)

    def done_at(self, now: float, seconds: float, capacity: float | None) -> float:
        """When a request of so many seconds is done that is taken now."""
        if capacity is None:
            return now + seconds
        self.free_at = max(now, self.free_at) + seconds / capacity
        return max(now + seconds, self.free_at)


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of its limits one user has used on one server; seconds are this machine's, `peak` the most at once."""

    user: str
    server: int
    requests: int
    requests_limit: int | None
    execution_s: float
    execution_limit_s: float | None
    concurrent: int
    concurrent_limit: int | None
    peak: int
    blocked_s: float
    refused: int


class Gate:
    """The front of an environment: `enter` for each request of a known user, and the visit it gives."""

    def __init__(self, limits: Limits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits or Limits(requests=None, execution_s=None, concurrent=None)
        self.on = limits is not None
        self._clock = clock
        self._turns: dict[str, int] = {}
        marks = [sha256(f"web server {number}".encode()).hexdigest() for number in range(self.limits.servers)]
        self._servers = [_Server(mark) for mark in marks]

    def enter(self, user: str, cookie: str = "") -> Visit:
        """Takes a request of `user`; `cookie` is the request's Cookie header."""
        server = self._server(user, cookie)
        allowance = server.users.get(user)
        if allowance is None:
            allowance = server.users[user] = Allowance(self.limits)
        return Visit(self, server, allowance, self._clock)

    def gauges(self) -> list[Gauge]:
        """One per user and server that was used."""
        return [
            self._gauge(user, number, allowance)
            for number, server in enumerate(self._servers)
            for user, allowance in server.users.items()
        ]

    def _server(self, user: str, cookie: str) -> _Server:
        """The server that the affinity cookie names; without one the servers take turns, for each user by themselves.

        Turns for all together would tie two users who take turns, too, to one server each.
        """
        found = _COOKIE.search(cookie) if cookie else None
        if found is not None:
            for server in self._servers:
                if server.mark == found[1]:
                    return server
        turn = self._turns.get(user, 0)
        self._turns[user] = (turn + 1) % len(self._servers)
        return self._servers[turn]

    def _gauge(self, user: str, number: int, allowance: Allowance) -> Gauge:
        now, limits = self._clock(), self.limits
        return Gauge(
            user,
            number + 1,
            allowance.requests_used(now),
            limits.requests_in_window,
            allowance.execution_used(now),
            limits.execution_in_window,
            allowance.in_flight,
            limits.concurrent,
            allowance.peak,
            allowance.blocked_for(now),
            allowance.refused,
        )


class Visit:
    """One request on its server: `admit`, `execute` (how long the answer waits), `leave`, `headers`."""

    def __init__(self, gate: Gate, server: _Server, allowance: Allowance, clock: Callable[[], float]) -> None:
        self._gate = gate
        self._server = server
        self._allowance = allowance
        self._clock = clock
        self._started = clock()
        self._execution_s = 0.0

    def admit(self) -> None:
        """Lets the request in; `leave` must follow.

        Raises:
            Refusal: 429.
        """
        self._allowance.admit(self._started)

    def execute(self, rows: int, operations: int, extra_s: float = 0.0, *, reading: bool = False) -> float:
        """Sets the execution time of the work that was done, and gives the seconds for which its answer still waits.

        Without simulated time the execution is what the work really took.
        """
        now = self._clock()
        took = now - self._started
        simulated = self._gate.limits.service_time(rows, operations, reading=reading) + extra_s
        self._execution_s = simulated or took
        done = self._server.done_at(self._started, self._execution_s, self._gate.limits.capacity)
        return max(0.0, done - now)

    def leave(self) -> None:
        """Ends the request, whatever became of it."""
        self._allowance.leave(self._clock(), self._execution_s)

    def headers(self) -> Headers:
        """What the service tells of its limits with every answer.

        The cookie lacks the service's `secure`: this is HTTP, where no client would send it back.
        """
        now, limits = self._clock(), self._gate.limits
        execution = _UNUSED_S if limits.execution_s is None else self._allowance.execution_left(now)
        requests = _UNUSED - 1 if limits.requests is None else self._allowance.requests_left(now)
        told = [
            ("x-ms-dop-hint", str(limits.hint)),
            ("x-ms-ratelimit-time-remaining-xrm-requests", f"{execution:,.2f}"),
            ("x-ms-ratelimit-burst-remaining-xrm-requests", str(requests)),
        ]
        if not self._gate.on:
            return told
        return [*told, ("Set-Cookie", f"ARRAffinity={self._server.mark}; path=/; HttpOnly")]
