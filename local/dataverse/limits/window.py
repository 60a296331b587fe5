"""Something counted over a sliding window of time."""

from __future__ import annotations

from collections import deque


class Window:
    """Amounts that count for `length` seconds after they were added. Amounts are whole numbers, so sums stay exact."""

    def __init__(self, length: float) -> None:
        self._length = length
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now: float, amount: int) -> None:
        """Counts `amount` from `now` on."""
        self.total(now)
        self._entries.append((now, amount))
        self._sum += amount

    def total(self, now: float) -> int:
        """What counts now."""
        oldest = now - self._length
        while self._entries and self._entries[0][0] <= oldest:
            self._sum -= self._entries.popleft()[1]
        return self._sum

    def room_at(self, now: float, limit: int) -> float:
        """The moment from which less than `limit` counts, if nothing is added."""
        left = self.total(now)
        for moment, amount in self._entries:
            if left < limit:
                break
            left -= amount
            now = max(now, moment + self._length)
        return now
