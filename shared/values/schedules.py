"""Schedules, as the product remembers them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a sync's schedule was followed: the due times of this expression up to `dealt_with` are dealt with."""

    cron: str
    time_zone: str
    dealt_with: datetime


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A sync's schedule as a person sees it. `next` is empty when it is switched off or never due again."""

    sync: str
    cron: str
    time_zone: str
    enabled: bool
    next: tuple[datetime, ...] = ()
    dealt_with: datetime | None = None
