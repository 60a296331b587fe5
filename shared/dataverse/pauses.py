"""How long to wait before the same request is sent again: decisions only, nobody waits here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.dataverse.error_dictionary import Reaction, explain_refusal
from shared.dataverse.reply import Reply

UNAVAILABLE = frozenset({408, 502, 503, 504})
"""Statuses that say "not now" and leave open whether a write was carried out."""


@dataclass(frozen=True, slots=True)
class PausePolicy:
    """Bounds. Seconds; `attempts` counts repeats of one request after "not now" or a cut connection.

    `unanswered_total_s`: a request that has had no answer for so long is not repeated.

    Source: Microsoft's .NET client waits 5 s + 2^n where the service names no pause.
    """

    attempts: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    throttled_total_s: float = 900.0
    throttled_attempts: int = 30
    unanswered_total_s: float = math.inf

    def backoff_s(self, attempt: int, jitter: Callable[[], float]) -> float:
        """The pause before repeat `attempt` (from 1): doubling, between half and all of it by chance."""
        whole = min(self.first_s * 2.0 ** min(attempt - 1, 16), self.longest_s)
        return whole * (0.5 + 0.5 * jitter())

    def throttled_s(self, attempt: int, named_s: float | None) -> float:
        """The pause after throttling number `attempt` (from 1): what the service named, else (or for 0) 5 s + 2^n."""
        return named_s or min(5.0 + 2.0 ** min(attempt, 16), self.longest_s)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """The pause that `Retry-After` names, in seconds or as a date; None when it names none."""
    text = (headers.get("retry-after") or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _until(text, now)
    return seconds if 0 <= seconds < float("inf") else None


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)


def repeats_allowed(reply: Reply) -> int:
    """How often a definite refusal (one with an error code of Dataverse) may be tried again as it is."""
    entry = explain_refusal(reply.refusal)
    return entry.attempts if entry is not None and entry.reaction is Reaction.RETRY else 0


def is_definite(reply: Reply) -> bool:
    """Whether a refusal says for certain that nothing was done: any 4xx, or a 5xx with an error code of Dataverse."""
    if reply.status in UNAVAILABLE:
        return False
    return reply.status < 500 or reply.refusal.code is not None
