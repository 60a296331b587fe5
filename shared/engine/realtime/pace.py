"""How many events a listener takes a second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Pace:
    """Counts the events of the last minute, in this process."""

    _lately: deque[tuple[datetime, int]] = field(default_factory=deque)

    def rate(self, now: datetime, events: int) -> float:
        """Events a second over the last minute, with these."""
        self._lately.append((now, events))
        while self._lately[0][0] < now - _MINUTE:
            self._lately.popleft()
        return round(sum(number for _, number in self._lately) / _MINUTE.total_seconds(), 2)
