"""When a lock is renewed: before it ends, and only as long as the trigger does so.

Source: Microsoft's .NET client, whose processor the trigger is: half the rest of the lock before its end, ten seconds
at most; no longer than `maxAutoLockRenewalDuration` after the message, or the session, was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_MARGIN = timedelta(seconds=10)


@dataclass(slots=True)
class Renewal:
    """One lock: `renew` moves its end and gives the new one; `since` is when it was taken, `until` when it ends."""

    renew: Callable[[], datetime]
    until: datetime
    since: datetime
    longest: timedelta

    def __post_init__(self) -> None:
        self._due = _due(self.since, self.until)

    _due: datetime = field(init=False)

    def due_in_s(self, now: datetime) -> float | None:
        """How long until it is to be renewed; None when it is not renewed any more."""
        return None if self._due >= self.since + self.longest else max(0.0, (self._due - now).total_seconds())

    def keep(self, now: datetime) -> bool:
        """Renew it when that is due; whether it was."""
        if self.due_in_s(now) != 0:
            return False
        self.until = self.renew()
        self._due = _due(now, self.until)
        return True


def _due(now: datetime, until: datetime) -> datetime:
    left = max(timedelta(), until - now)
    return now + left - min(left / 2, _MARGIN)
