"""One limit of one credential: how much may be used within a sliding window. It is learned from refusals."""

from __future__ import annotations

import math
from collections import deque

from shared.dataverse.throughput.told import WINDOW_S, Told

HOLD = 0.99
"""The share of what was refused last that is used from then on."""
_FIRST_STEP, _BOLDEST = 0.01, 0.16
_SWAY = 0.01
"""So much more than the capacity may have been used when a request starts: what ends together now comes apart again."""
_QUIET_USES = 100
"""So a refusal that comes of trying more is one among some hundred requests."""
_USED_UP = 0.85
_LEAST = 0.95
_DISAGREES = 0.25
_LEAST_WAIT_S = 1e-3
_CONFIRMED, _PATIENT = 0.99, 3
"""A refusal at what was known already: the next try to use more comes so many times later."""


class Budget:
    """Uses within a window. Unit: seconds of execution, or requests. Times are seconds of any clock that only grows.

    Nothing is held back until the first refusal: what had been used within the window by then is what may be used in
    one, and from then on requests start evenly. A burst would come back after every window, and with each time the
    length of a request would be lost; so would it each time that starts are stopped until less was used, for what runs
    goes on to count. After a quiet quarter of a window, and at least a hundred requests, it tries a hundredth more,
    then twice as much each time; after a refusal that confirmed what was known, in three times that time.

    Less than `least_per_s` is never learned: a refusal may come of what others, or an earlier job, used of the window.
    """

    def __init__(self, *, least_per_s: float = 0.0) -> None:
        self._least_per_s = least_per_s
        self._told_s = self.window_s = WINDOW_S
        self.capacity: float | None = None
        self._uses: deque[tuple[float, float]] = deque()
        self._used = 0.0
        self._quiet_from = 0.0
        self._quiet_uses = 0
        self._step = _FIRST_STEP
        self._next_at = 0.0
        self._refused_at = -math.inf
        self._patience = 1

    @property
    def per_second(self) -> float | None:
        """What may be used each second, sustained; None while no limit was met."""
        return None if self.capacity is None else self.capacity / self.window_s

    def note(self, now: float, amount: float) -> None:
        """Something was used, ending now."""
        self._uses.append((now, amount))
        self._used += amount
        self._quiet_uses += 1
        self._forget(now)

    def used(self, now: float) -> float:
        """What was used within the window that ends now."""
        self._forget(now)
        return self._used

    def started(self, now: float) -> None:
        """A request starts; the next may when this one's share of the window has passed."""
        if self.capacity is not None and self._uses:
            share_s = self._used / len(self._uses) / self.capacity * self.window_s
            self._next_at = max(self._next_at + share_s, now)

    def refused(self, now: float, told: Told, *, began: float) -> None:
        """The service says that the limit is reached, and until when; a window that does not agree is made to.

        A request that `began` before the refusal that was learned from last says nothing new.
        """
        if began < self._refused_at:
            return
        self._refused_at = now
        if told.window_s != self._told_s:
            self._told_s = self.window_s = told.window_s
        used = max(self.used(now), 1e-9)
        known = used if self.capacity is None else self.capacity
        self.capacity = HOLD * max(min(used, known), known * _LEAST)
        self._quiet(now, _FIRST_STEP)
        self._patience = _PATIENT if used >= known * _CONFIRMED else 1
        too_long_s = self.wait_s(now) - told.pause_s
        if too_long_s > _DISAGREES * self.window_s:
            self.window_s = max(self.window_s - too_long_s, 1.0)
        self._keep_least(now)

    def _keep_least(self, now: float) -> None:
        """So little says nothing of the limit itself; more is soon tried."""
        least = HOLD * self._least_per_s * self.window_s
        if self.capacity is not None and self.capacity < least:
            self.capacity, self._patience = least, 1
            self._quiet(now, _BOLDEST)

    def wait_s(self, now: float) -> float:
        """0 when more may be used now, else the seconds until then."""
        if self.capacity is None:
            return 0.0
        over = self.used(now) - self._grown(now, self.capacity) * (1 + _SWAY)
        if over < 0:
            return max(self._next_at - now, _LEAST_WAIT_S) if self._next_at > now else 0.0
        for ended, amount in self._uses:
            over -= amount
            if over < 0:
                return max(ended + self.window_s - now, _LEAST_WAIT_S)
        return self.window_s

    def _grown(self, now: float, capacity: float) -> float:
        """The capacity, larger after a quiet time in which it was used up."""
        quiet_s, quiet_uses = now - self._quiet_from, self._quiet_uses
        if quiet_s < self._patience * self.window_s / 4 or quiet_uses < self._patience * _QUIET_USES:
            return capacity
        self._patience = 1
        if self._used > capacity * _USED_UP:
            self.capacity = capacity * (1 + self._step)
            self._quiet(now, min(2 * self._step, _BOLDEST))
        else:
            self._quiet(now, self._step)
        return capacity

    def _quiet(self, now: float, step: float) -> None:
        self._quiet_from, self._quiet_uses, self._step = now, 0, step

    def _forget(self, now: float) -> None:
        while self._uses and self._uses[0][0] <= now - self.window_s:
            self._used -= self._uses.popleft()[1]
        if not self._uses:
            self._used = 0.0
