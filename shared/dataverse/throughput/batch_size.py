"""How many rows one request holds: as many as take about five seconds. Decisions only."""

from __future__ import annotations

import math

TARGET_S = 5.0
"""Long enough that the cost of a call does not count, short enough that no server-side time-out is near."""
FIRST_ROWS = 100
"""Source: Microsoft Learn, "Use bulk operation messages": start with 100 rows a call."""
_TOO_LONG = 1.5
_SMOOTH = 0.5
_GOOD_CALLS = 20


class BatchSize:
    """The size for one table and one kind of write. For one thread at a time."""

    def __init__(self, *, most: int, first: int = FIRST_ROWS) -> None:
        self.rows = max(1, min(first, most))
        self._most = self._ceiling = max(1, most)
        self._row_s: float | None = None
        self._good = 0

    def took(self, rows: int, seconds: float) -> None:
        """A call was carried out. One much smaller than the present size says little, and is not heeded."""
        if rows < self.rows // 2:
            return
        self._raise_ceiling()
        row_s = seconds / rows
        self._row_s = row_s if self._row_s is None else _SMOOTH * row_s + (1 - _SMOOTH) * self._row_s
        fits = int(TARGET_S / max(self._row_s, 1e-9))
        if fits > self.rows:
            self.rows = min(fits, 2 * self.rows, self._ceiling)
        elif self.rows * self._row_s > _TOO_LONG * TARGET_S:
            self.rows = max(1, fits)

    def too_much(self, rows: int) -> None:
        """A call of so many rows did not end in time, or was too large: half of it, and no more for a while."""
        self._ceiling = self.rows = max(1, min(self.rows, rows // 2))
        self._row_s, self._good = None, 0

    def pieces(self, left: int) -> int:
        """Rows of the next request when `left` are to be sent: equal pieces, none larger than the size."""
        return math.ceil(left / math.ceil(left / self.rows))

    def _raise_ceiling(self) -> None:
        self._good += 1
        if self._good >= _GOOD_CALLS and self._ceiling < self._most:
            self._ceiling, self._good = min(self._ceiling + max(1, self._ceiling // 4), self._most), 0
