"""Lets requests start: each on the lane of one credential, when that credential's limits allow it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shared.dataverse.auth import TokenSource
from shared.dataverse.connection import Connection
from shared.dataverse.throughput.controller import UNTIL_ONE_ENDS, Controller
from shared.dataverse.throughput.told import Limit, Told
from shared.ports import Clock

_HINT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class LaneUse:
    """What one credential has used so far.

    `busy_s`: seconds of its requests, added up. `per_second`: what a limit, once met, allows each second (seconds of
    execution, requests). `held_back`: more requests at a time were tried and brought no more.
    """

    busy_s: float
    requests: int
    refused: Mapping[Limit, int]
    per_second: Mapping[Limit, float]
    level: int
    held_back: bool


class Lane:
    """One credential: its token, its connections, and its limits."""

    def __init__(self, tokens: TokenSource, connection: Connection, *, most: int) -> None:
        self.tokens, self.connection = tokens, connection
        self.controller = Controller(most=most)
        self.hint: int | None = None
        self.busy_s = 0.0
        self.requests = 0
        self.refused = dict.fromkeys(Limit, 0)

    def use(self) -> LaneUse:
        """A snapshot."""
        budgets = {Limit.TIME: self.controller.time, Limit.REQUESTS: self.controller.requests}
        per_second = {limit: rate for limit, budget in budgets.items() if (rate := budget.per_second) is not None}
        return LaneUse(
            self.busy_s, self.requests, dict(self.refused), per_second, self.controller.level, self.controller.held_back
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """The right to send one request; give it back with one of `Lanes`' other methods."""

    lane: Lane
    began: float


class Lanes:
    """All lanes to one environment. Thread-safe. At most `most` requests run at a time, over all lanes."""

    def __init__(
        self, lanes: Sequence[Lane], *, most: int, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._lanes, self._most = tuple(lanes), most
        self._clock, self._sleep = clock, sleep
        self._changed = threading.Condition()
        self._running = 0
        self._latest = clock().timestamp()
        self._passed = 0.0

    @property
    def useful(self) -> int:
        """How many requests at a time make sense now."""
        with self._changed:
            return min(self._most, sum(lane.controller.useful for lane in self._lanes))

    @property
    def hint(self) -> int | None:
        """The service's recommendation for one credential, None while it has given none."""
        return next((lane.hint for lane in self._lanes if lane.hint is not None), None)

    def uses(self) -> list[LaneUse]:
        """What each credential has used so far."""
        with self._changed:
            return [lane.use() for lane in self._lanes]

    def enter(self, may_rest: Callable[[float], None] = lambda rest_s: None) -> Visit:
        """Wait until some lane may start a request.

        `may_rest` is told for how many seconds all lanes rest by the service's word; what it raises ends the waiting.
        """
        while True:
            with self._changed:
                now = self._now()
                may_rest(self._rest_s(now))
                lane, wait_s = self._chosen(now)
                if lane is not None:
                    return self._started(lane, now)
                if self._running:
                    self._changed.wait(None if wait_s == UNTIL_ONE_ENDS else wait_s)
                    continue
            self._sleep(wait_s)

    def abandoned(self, visit: Visit) -> None:
        """There was no answer."""
        with self._ended(visit) as now:
            visit.lane.controller.abandoned(now, visit.began)

    def answered(self, visit: Visit, headers: Mapping[str, str], rows: int) -> None:
        """The service answered; `rows` as `Controller.answered` has it."""
        with self._ended(visit) as now:
            visit.lane.controller.answered(now, visit.began, rows)
            self._note_hint(visit.lane, now, headers)

    def throttled(self, visit: Visit, told: Told) -> float:
        """The service refused because a limit is reached: this lane rests as long as it says.

        The seconds until some lane rests no more: 0 when another one may go on.
        """
        with self._ended(visit) as now:
            visit.lane.refused[told.limit] += 1
            visit.lane.controller.throttled(now, told, began=visit.began)
            return self._rest_s(now)

    def throttled_within(self, visit: Visit, told: Told) -> None:
        """Part of an answered request was refused because a limit is reached: this lane rests, too."""
        with self._changed:
            visit.lane.refused[told.limit] += 1
            visit.lane.controller.throttled_within(self._now(), told, began=visit.began)

    def close(self) -> None:
        """Give the connections back."""
        for lane in self._lanes:
            lane.connection.close()

    def _chosen(self, now: float) -> tuple[Lane | None, float]:
        """The lane with the most room, or how long until there is one."""
        if self._running >= self._most:
            return None, UNTIL_ONE_ENDS
        waits_s = [lane.controller.wait_s(now) for lane in self._lanes]
        free = [lane for lane, wait_s in zip(self._lanes, waits_s, strict=True) if wait_s <= 0]
        if not free:
            return None, min(waits_s)
        return min(free, key=lambda lane: lane.controller.running / lane.controller.useful), 0.0

    def _rest_s(self, now: float) -> float:
        """The seconds until some lane rests no more."""
        return min(lane.controller.rest_s(now) for lane in self._lanes)

    def _started(self, lane: Lane, now: float) -> Visit:
        lane.controller.started(now)
        self._running += 1
        return Visit(lane, now)

    def _note_hint(self, lane: Lane, now: float, headers: Mapping[str, str]) -> None:
        text = headers.get("x-ms-dop-hint", "")
        if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _HINT_LIMIT:
            lane.hint = int(text[:6])
            lane.controller.hinted(now, lane.hint)

    @contextmanager
    def _ended(self, visit: Visit) -> Iterator[float]:
        """Note a request's end; then the next may start."""
        with self._changed:
            now = self._now()
            self._running -= 1
            visit.lane.requests += 1
            visit.lane.busy_s += now - visit.began
            yield now
            self._changed.notify_all()

    def _now(self) -> float:
        """Seconds that never go backwards; a clock that is set back does not stop them."""
        now = self._clock().timestamp()
        self._passed += max(now - self._latest, 0.0)
        self._latest = now
        return self._passed
