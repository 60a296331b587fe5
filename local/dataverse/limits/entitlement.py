"""The daily count of Power Platform requests: counted per user, never refused.

Source: Microsoft Learn, "Requests limits and allocations" (2024): each create, read, update and delete counts, also
inside batches and bulk calls; enforcement is announced for later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime


class Entitlement:
    """Requests of the current day (UTC), by user."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._day = date.min
        self._used: dict[str, int] = {}

    def count(self, user: str, requests: int) -> None:
        """Adds requests of a user."""
        today = self._today()
        today[user] = today.get(user, 0) + requests

    @property
    def used(self) -> Mapping[str, int]:
        """Today's requests, by user."""
        return dict(self._today())

    def _today(self) -> dict[str, int]:
        day = self._clock().astimezone(UTC).date()
        if day != self._day:
            self._day, self._used = day, {}
        return self._used
