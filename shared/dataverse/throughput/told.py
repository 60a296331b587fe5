"""What a refusal for too much use (429) says about the limit that was met."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.dataverse.refusals import Refusal

WINDOW_S = 300.0
"""Source: Microsoft Learn, "Service protection API limits": all limits hold within 300 seconds."""
_CODES = {"0x80072321": "execution time", "0x80072322": "number of requests", "0x80072326": "requests at a time"}
_WINDOW = re.compile(r"time window of ([\d.,]{1,12}) seconds?", re.IGNORECASE)


class Limit(StrEnum):
    """The three limits that hold for each user on each web server."""

    TIME = "execution time"
    REQUESTS = "number of requests"
    CONCURRENCY = "requests at a time"


@dataclass(frozen=True, slots=True)
class Told:
    """One refusal: which limit, how long to pause, and the limit's window. Seconds."""

    limit: Limit
    pause_s: float
    window_s: float = WINDOW_S


def told(refusal: Refusal, pause_s: float) -> Told:
    """Read a refusal. The window is the one it names; a code that is not known counts as too many at a time."""
    found = _WINDOW.search(refusal.message)
    window_s = _number(found[1]) if found else 0.0
    limit = Limit(_CODES.get(refusal.code or "", Limit.CONCURRENCY))
    return Told(limit, pause_s, window_s or WINDOW_S)


def _number(text: str) -> float:
    try:
        return min(float(text.replace(",", "").rstrip(".")), 86_400.0)
    except ValueError:
        return 0.0
