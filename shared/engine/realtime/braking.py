"""The rate brake of a listener: too many deletes within an hour hold its events back until a person releases them.

Each process counts its own; the share is that of the definition's brake `removals`, with its floor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.definitions.behaviour import Brakes

WINDOW = timedelta(hours=1)


@dataclass(slots=True)
class RateBrake:
    """Counts the deletes of the last hour."""

    _seen: deque[tuple[datetime, int]] = field(default_factory=deque)

    def reset(self) -> None:
        """Begin anew: a person has looked at it."""
        self._seen.clear()

    def count(self, deletes: int, now: datetime) -> None:
        """So many rows were deleted."""
        if deletes:
            self._seen.append((now, deletes))

    def why_held(self, limits: Brakes, deletes: int, now: datetime, rows: Callable[[], int]) -> str | None:
        """Why these deletes are held back, if they are. `rows` tells the destination's rows, when asked."""
        while self._seen and self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        wanted = deletes + sum(number for _, number in self._seen)
        if limits.removals is not None and wanted > limits.at_least:
            owned = rows()
            allowed = max(min(limits.at_least, owned // 2), int(owned * limits.removals))
            if wanted > allowed:
                return (
                    f"{wanted:,} deletes within an hour, of {owned:,} rows of the destination; the brake `removals` "
                    f"allows {allowed:,}. Look at the parked events, then release them, or change the brake"
                )
        return None
