"""How to find the bad rows of a refused bulk call with the least work for the service. Decisions only.

A bulk call lands all of its rows or none, and its refusal does not say which row was bad. A batch tells of each row,
but costs more per row. What is cheapest follows from the share of bad rows and from what calls were measured to take:
bulk calls of a better size, halves again and again, or a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

_RAREST = 1e-6
_MOST_COMMON = 0.999
_FEW = 1000
"""So few rows have no bad one among them, as good as always, where bad ones are rarest."""
_CLEARLY = 0.98
"""A batch costs the client more, so it has to be clearly cheaper for the service."""


class Way(StrEnum):
    """How to send some rows."""

    BULK = "bulk"
    HALVES = "halves"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of the service: `call` for any request, `row` for each row of a bulk call, `part` for each of a batch.

    `refused` is the share of its rows' time that a refused bulk call takes. What is assumed of batches before one was
    measured is low, so that one is tried.
    """

    call: float = 0.05
    row: float = 0.004
    refused: float = 0.5
    part: float = 0.006

    def rounded(self) -> Costs:
        """To two digits, so that decisions can be kept."""
        return Costs(*(float(f"{value:.1e}") for value in (self.call, self.row, self.refused, self.part)))


def way(costs: Costs, bad: float, rows: int, *, sure: bool) -> Way:
    """How to send so many rows, of which a share of `bad` is bad; `sure`: at least one of them is."""
    if not sure and bad <= _RAREST and rows <= _FEW and costs.part >= costs.row:
        return Way.BULK  # what the sums below come to, where no bad row was met lately
    costs, bad = costs.rounded(), _rounded(bad)
    if rows == 1:
        return Way.BATCH if sure or _batch(costs, 1) < _CLEARLY * _bulk(costs, bad, 1) else Way.BULK
    if sure:
        return Way.BATCH if _batch(costs, rows) < _CLEARLY * _halves(costs, bad, rows) else Way.HALVES
    return Way.BATCH if _batch(costs, rows) < _CLEARLY * _bulk(costs, bad, rows) else Way.BULK


def best_size(costs: Costs, bad: float, most: int) -> int:
    """The rows of one request for which a row costs least: `most`, or that halved some times."""
    costs, bad = costs.rounded(), _rounded(bad)
    sizes = [most]
    while sizes[-1] > 1:
        sizes.append((sizes[-1] + 1) // 2)
    return min(sizes, key=lambda rows: _unknown(costs, bad, rows) / rows)


def _rounded(bad: float) -> float:
    return float(f"{min(max(bad, _RAREST), _MOST_COMMON):.1e}")


def _batch(costs: Costs, rows: int) -> float:
    return costs.call + costs.part * rows


def _passed(costs: Costs, rows: int) -> float:
    return costs.call + costs.row * rows


def _refused(costs: Costs, rows: int) -> float:
    return costs.call + costs.refused * costs.row * rows


@cache
def _unknown(costs: Costs, bad: float, rows: int) -> float:
    """Seconds to settle rows of which nothing is known."""
    return min(_batch(costs, rows), _bulk(costs, bad, rows))


@cache
def _bulk(costs: Costs, bad: float, rows: int) -> float:
    """Likewise, when they are tried in one bulk call."""
    good = (1 - bad) ** rows
    after = 0.0 if rows == 1 else _sure(costs, bad, rows)  # a refused single row is told by its refusal
    return good * _passed(costs, rows) + (1 - good) * (_refused(costs, rows) + after)


@cache
def _sure(costs: Costs, bad: float, rows: int) -> float:
    """Seconds to settle rows of which at least one is bad."""
    return _batch(costs, rows) if rows == 1 else min(_batch(costs, rows), _halves(costs, bad, rows))


@cache
def _halves(costs: Costs, bad: float, rows: int) -> float:
    """Likewise, when the first half is tried: if it passes, the bad row is in the second; if not, that is unknown."""
    half, rest = rows // 2, rows - rows // 2
    in_first = (1 - (1 - bad) ** half) / max(1 - (1 - bad) ** rows, 1e-12)
    found = _refused(costs, half) + (_sure(costs, bad, half) if half > 1 else 0.0) + _unknown(costs, bad, rest)
    return in_first * found + (1 - in_first) * (_passed(costs, half) + _sure(costs, bad, rest))
