"""What was measured of one table's writes: how long calls take, how large they may be, and how many rows are bad."""

from __future__ import annotations

import threading

from shared.dataverse.throughput.batch_size import BatchSize
from shared.dataverse.writing.narrowing import Costs, Way, best_size, way

_REMEMBERED_ROWS = 10_000
_WEIGHT_BEFORE = 30
_SMOOTH = 0.3
_TELLING = 10
"""A batch of fewer rows says little of what a row costs."""
_DEFAULT = Costs()


class _Line:
    """Seconds of a call as a straight line over its rows, newer calls counting more."""

    def __init__(self) -> None:
        self._n = self._x = self._y = self._xx = self._xy = 0.0

    def add(self, rows: int, seconds: float) -> None:
        keep = 0.95
        sums = (self._n, self._x, self._y, self._xx, self._xy)
        new = (1.0, rows, seconds, rows * rows, rows * seconds)
        self._n, self._x, self._y, self._xx, self._xy = (keep * a + b for a, b in zip(sums, new, strict=True))

    def fitted(self) -> tuple[float, float]:
        """Seconds per call and per row; with calls of one size only, the call's own share is assumed."""
        if not self._n:
            return _DEFAULT.call, _DEFAULT.row
        spread = self._n * self._xx - self._x**2
        if spread > 0.01 * self._x**2:
            row = (self._n * self._xy - self._x * self._y) / spread
        else:
            row = max(self._y - _DEFAULT.call * self._n, 0.5 * self._y) / self._x
        row = max(row, 1e-6)
        return max((self._y - row * self._x) / self._n, 1e-4), row


class Pace:
    """The measurements of one kind of write to one table. Thread-safe.

    `size` is that of bulk calls, `batch` that of batches; each follows what its own calls take.
    """

    def __init__(self, size: BatchSize, batch: BatchSize) -> None:
        self._size, self._batch = size, batch
        self._line = _Line()
        self._refused, self._part = _DEFAULT.refused, _DEFAULT.part / _DEFAULT.row
        self._batches = 0
        self._bad = self._rows = 0.0
        self._lock = threading.Lock()

    @property
    def costs(self) -> Costs:
        """What calls cost."""
        call, row = self._line.fitted()
        return Costs(call, row, self._refused, self._part * row)

    @property
    def bad(self) -> float:
        """The share of rows that were refused lately."""
        return self._bad / (self._rows + 1)

    def rows_of_next(self, left: int, *, bulk: bool) -> int:
        """How many of the rows that are left go into the next request."""
        with self._lock:
            if not bulk:
                return self._batch.pieces(left)
            most = self._size.pieces(left)
            if not self._bad or way(self.costs, self.bad, most, sure=False) is Way.BATCH:
                return most
            return min(most, best_size(self.costs, self.bad, most))

    def way(self, rows: int, *, bad: int, settled: int, sure: bool) -> Way:
        """How to send rows of a call of which so many are settled, and so many of these are bad."""
        with self._lock:
            share = (bad + self.bad * _WEIGHT_BEFORE) / (settled + _WEIGHT_BEFORE)
            return way(self.costs, share, rows, sure=sure)

    def bulk_took(self, rows: int, seconds: float) -> None:
        """A bulk call was carried out."""
        with self._lock:
            self._line.add(rows, seconds)
            self._size.took(rows, seconds)

    def refusal_took(self, rows: int, seconds: float) -> None:
        """A bulk call was refused for a bad row."""
        with self._lock:
            costs = self.costs
            share = min(max((seconds - costs.call) / (costs.row * rows), 0.0), 1.0)
            self._refused += _SMOOTH * (share - self._refused)

    def batch_took(self, rows: int, seconds: float) -> None:
        """A batch was answered."""
        with self._lock:
            costs = self.costs
            if rows >= _TELLING:
                ratio = max(seconds - costs.call, 0.0) / rows / costs.row
                self._part += (_SMOOTH if self._batches else 1.0) * (ratio - self._part)
                self._batches += 1
            self._batch.took(rows, seconds)

    def too_much(self, rows: int, *, bulk: bool) -> None:
        """A call was too slow or too large."""
        with self._lock:
            (self._size if bulk else self._batch).too_much(rows)

    def settled(self, rows: int, bad: int) -> None:
        """So many rows have their outcome now."""
        with self._lock:
            keep = 0.5 ** (rows / _REMEMBERED_ROWS)
            self._bad, self._rows = keep * self._bad + bad, keep * self._rows + rows
