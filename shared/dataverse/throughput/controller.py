"""How many requests of one credential run at a time. Decisions from measurements; nothing is sent or waited for here.

The level starts at the service's hint and follows it. Above the hint it tries half as much again, and keeps that only
when at least half of the gain that it should bring is measured; else it goes back and waits twice as long before the
next try. Once a limit was met, its budget decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shared.dataverse.throughput.budget import Budget
from shared.dataverse.throughput.told import Limit, Told

FIRST = 4
"""Requests at a time while the service has not said how many it recommends."""
MOST = 52
"""Source: Microsoft Learn, "Service protection API limits": at least 52 requests at a time are allowed."""
LEAST_TIME, LEAST_REQUESTS = 4.0, 20.0
"""What each user may use each second, however few the web servers: seconds of execution, and requests.

Source: Microsoft Learn, "Service protection API limits": 1,200 s and 6,000 requests within 300 s, on each web server.
"""
UNTIL_ONE_ENDS = math.inf
_WORTH = 0.5
_SLOWER = 1.5
_ROUNDS_HELD = 8
_MOST_ROUNDS_HELD = 512
_CALLS = 4
_SIMILAR = 1.5
_CATCH_UP = 2.0
"""A pause leaves part of the window unused; so much faster than sustained it is caught up."""


@dataclass(slots=True)
class _Round:
    """What was measured at one level."""

    level: int
    began: float
    calls: int = 0
    seconds: float = 0.0
    rows: int = 0
    at_once: int = 0

    @property
    def row_s(self) -> float:
        return self.seconds / max(self.rows, 1)

    @property
    def rows_per_call(self) -> float:
        return self.rows / max(self.calls, 1)

    @property
    def rate(self) -> float:
        """Rows per second at this level."""
        return self.level / max(self.row_s, 1e-9)


class Controller:
    """The limits of one credential as they are known. For one thread at a time; `now` in seconds, never backwards."""

    def __init__(self, *, most: int = MOST) -> None:
        self.most = max(1, most)
        self.level = min(FIRST, self.most)
        self.running = 0
        self.time = Budget(least_per_s=LEAST_TIME)
        self.requests = Budget(least_per_s=LEAST_REQUESTS)
        self.held_back = False
        self._hint: int | None = None
        self._rest_until = 0.0
        self._round = _Round(self.level, 0.0)
        self._before: _Round | None = None
        self._hold = 0
        self._next_hold = _ROUNDS_HELD

    @property
    def useful(self) -> int:
        """How many requests at a time make sense now."""
        rate = self.time.per_second
        return self.level if rate is None else max(1, min(self.level, math.ceil(_CATCH_UP * rate) + 1))

    def rest_s(self, now: float) -> float:
        """The seconds that are left of the pause which the service asked for."""
        return max(self._rest_until - now, 0.0)

    def wait_s(self, now: float) -> float:
        """0: another request may start; `UNTIL_ONE_ENDS`, or so many seconds."""
        if now < self._rest_until:
            return self.rest_s(now)
        if self.running >= self.useful:
            return UNTIL_ONE_ENDS
        return max(self.time.wait_s(now), self.requests.wait_s(now))

    def started(self, now: float) -> None:
        """A request starts."""
        self.running += 1
        self.time.started(now)
        self.requests.started(now)
        self._round.at_once = max(self._round.at_once, self.running)

    def abandoned(self, now: float, began: float) -> None:
        """A request ended without an answer; it may have been worked on all the time."""
        self._ended(now, began)

    def answered(self, now: float, began: float, rows: int) -> None:
        """A request was answered; `rows` 0: not one that tells how fast rows are written."""
        self._ended(now, began)
        if rows and began >= self._round.began:
            self._measure(now, now - began, rows)

    def throttled(self, now: float, told: Told, *, began: float) -> None:
        """A request that `began` then was refused because a limit is reached."""
        at_once = self.running
        self.running -= 1
        self._refused(now, told, began, at_once)

    def throttled_within(self, now: float, told: Told, *, began: float) -> None:
        """A request was answered, and part of what it asked for was refused because a limit is reached."""
        self._refused(now, told, began, self.running + 1)

    def _refused(self, now: float, told: Told, began: float, at_once: int) -> None:
        self._rest_until = max(self._rest_until, now + told.pause_s)
        if told.limit is Limit.TIME:
            self.time.refused(now, told, began=began)
        elif told.limit is Limit.REQUESTS:
            self.requests.refused(now, told, began=began)
        elif began >= self._round.began:  # an older one says nothing of this level
            self._settle(now, max(1, min(self.level, at_once * 4 // 5)))

    def hinted(self, now: float, hint: int) -> None:
        """The service recommends so many requests at a time; a new recommendation is followed at once."""
        if hint != self._hint:
            self._hint = hint
            self._set(now, min(hint, self.most))
            self._before = None

    def _ended(self, now: float, began: float) -> None:
        self.running -= 1
        self.time.note(now, now - began)
        self.requests.note(now, 1)

    # --- the search for the best level -------------------------------------------------------------------------------

    def _measure(self, now: float, seconds: float, rows: int) -> None:
        found = self._round
        found.calls += 1
        found.seconds += seconds
        found.rows += rows
        if found.calls < max(_CALLS, found.level):
            return
        if self._hold > 0:
            self._hold_on(now, found)
        elif self._before is None or not _alike(self._before, found):
            self._before = found
            self._try_more(now, found)
        else:
            self._judge(now, self._before, found)

    def _hold_on(self, now: float, found: _Round) -> None:
        self._hold -= 1
        before = self._before
        if before and _alike(before, found) and found.row_s > _SLOWER * before.row_s:
            self._settle(now, max(1, found.level * 3 // 4))
        else:
            self._set(now, found.level)

    def _judge(self, now: float, before: _Round, found: _Round) -> None:
        """Keep the new level when it brought at least half of what it should."""
        wanted = 1 + _WORTH * (found.level / before.level - 1)
        if found.rate >= wanted * before.rate:
            self._before = found
            self._try_more(now, found)
        else:
            self.held_back = True
            self._settle(now, before.level)

    def _try_more(self, now: float, found: _Round) -> None:
        more = min(self.level + max(1, self.level // 2), self.most)
        if more > self.level and found.at_once >= self.level and self.time.capacity is None:
            self._set(now, more)
        else:
            self._settle(now, self.level)

    def _settle(self, now: float, level: int) -> None:
        """Stay at a level for some rounds before the next try."""
        self._set(now, level)
        self._hold, self._next_hold = self._next_hold, min(2 * self._next_hold, _MOST_ROUNDS_HELD)

    def _set(self, now: float, level: int) -> None:
        self.level = level
        self._round = _Round(level, now)


def _alike(one: _Round, other: _Round) -> bool:
    """Whether two rounds wrote calls of about the same size, so that their speeds may be compared."""
    low, high = sorted((one.rows_per_call, other.rows_per_call))
    return high <= _SIMILAR * low
