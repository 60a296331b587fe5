"""What one user may still ask of one web server.

Source: Microsoft Learn, "Service protection API limits" (2024), for codes and texts. That a refused user's pause lasts
until the window has room, and how pressure lengthens it, is not published: it is decided here and nowhere else.
"""

from __future__ import annotations

from math import ceil

from local.dataverse.limits.settings import Limits
from local.dataverse.limits.window import Window
from local.dataverse.refusals import Refusal

_MICRO = 1_000_000
REQUESTS = "0x80072322"
EXECUTION = "0x80072321"
CONCURRENT = "0x80072326"


class Allowance:
    """Requests, execution time and concurrent requests of one user on one server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._requests = Window(limits.window)
        self._execution = Window(limits.window)
        self._blocked_until = 0.0
        self._blocked_by = ""
        self.in_flight = 0
        self.peak = 0
        self.refused = 0

    def admit(self, now: float) -> None:
        """Lets one request in; `leave` ends it.

        Raises:
            Refusal: 429 with `Retry-After`.
        """
        self._check(now)
        most = self._limits.concurrent
        if most is not None and self.in_flight >= most:
            raise self._throttled(CONCURRENT, 1.0)
        self._requests.add(now, 1)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def leave(self, now: float, execution_s: float) -> None:
        """Ends a request that executed so long."""
        self.in_flight -= 1
        self._execution.add(now, round(execution_s * _MICRO))

    def blocked_for(self, now: float) -> float:
        """Seconds for which nothing is taken from this user."""
        return max(0.0, self._blocked_until - now)

    def requests_used(self, now: float) -> int:
        """Requests that count now."""
        return self._requests.total(now)

    def execution_used(self, now: float) -> float:
        """Seconds of execution that count now."""
        return self._execution.total(now) / _MICRO

    def requests_left(self, now: float) -> int:
        """Of the unscaled limit, as the header says it."""
        fits, limit = self._limits.requests_in_window, self._limits.requests
        return 0 if fits is None or limit is None else max(0, (fits - self.requests_used(now)) * limit // fits)

    def execution_left(self, now: float) -> float:
        """Of the unscaled limit in seconds, as the header says it."""
        limit = self._limits.execution_s
        return 0.0 if limit is None else max(0.0, limit - self.execution_used(now) / self._limits.scale)

    def _check(self, now: float) -> None:
        limits = self._limits
        if now < self._blocked_until:
            longest = now + limits.window
            self._blocked_until = min(longest, self._blocked_until + limits.pressure_s * limits.scale)
        elif (most := limits.requests_in_window) is not None and self._requests.total(now) >= most:
            self._block(REQUESTS, self._requests.room_at(now, most))
        elif (time := limits.execution_in_window) is not None and self.execution_used(now) >= time:
            self._block(EXECUTION, self._execution.room_at(now, round(time * _MICRO)))
        else:
            return
        raise self._throttled(self._blocked_by, self._blocked_until - now)

    def _block(self, code: str, until: float) -> None:
        self._blocked_by, self._blocked_until = code, until

    def _throttled(self, code: str, wait_s: float) -> Refusal:
        self.refused += 1
        return Refusal(429, code, text_of(code, self._limits), headers=[("Retry-After", str(max(1, ceil(wait_s))))])


def text_of(code: str, limits: Limits) -> str:
    """What the refusal with this code says."""
    over = f"over time window of {limits.window_s:g} seconds."
    if code == REQUESTS:
        return f"Number of requests exceeded the limit of {limits.requests} {over}"
    if code == EXECUTION:
        return (
            f"Combined execution time of incoming requests exceeded limit of {(limits.execution_s or 0) * 1000:,.0f} "
            f"milliseconds {over} Decrease number of concurrent requests or reduce the duration of requests and try "
            "again later."
        )
    return f"Number of concurrent requests exceeded the limit of {limits.concurrent}."
