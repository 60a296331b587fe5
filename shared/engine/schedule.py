"""When a sync is due, by its cron expression in its time zone, across every change of the clocks.

An expression names times on a wall clock. How they become instants, so that nothing runs twice and nothing is left out:

- An hour that is skipped in spring: what was due in it runs as long after the change as it lay behind the hour's
  beginning, as if the clocks had not been moved (02:30 runs at 03:30 by the new time).
- An hour that comes twice in autumn: an expression that lets every hour through (`*`, `0-23`) means an interval and
  runs through both; one that names hours runs the first time only.
- Several due times at one instant are one.

The library that knows cron (croniter) is asked for times on the wall only: in the hour that comes twice it would run a
daily sync twice. What a time on the wall is in UTC is the zone's own word (PEP 495).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from shared.definitions.schedule import Schedule
from shared.values.schedules import Mark

_NEAR = timedelta(hours=50)
"""A change of the clocks farther away than this (the longest skipped a day) does not touch an instant."""
_BEYOND = timedelta(seconds=1)
_AHEAD = timedelta(days=1)
"""No two machines' clocks differ so much."""
_HOUR = 1
"""Where the hours stand in what the library makes of an expression."""


@dataclass(frozen=True)
class Timetable:
    """The instants at which an expression is due in a time zone; all of them in UTC."""

    cron: str
    zone: tzinfo

    @classmethod
    def of(cls, schedule: Schedule) -> Timetable:
        """The timetable of a definition's `schedule`."""
        return cls(schedule.cron, ZoneInfo(schedule.time_zone))

    def after(self, when: datetime) -> datetime | None:
        """The first instant behind `when`; None when there is none in the next decades."""
        best: datetime | None = None
        for wall in self._walls(when + self._offset(when, min), croniter.get_next):
            if best is not None and wall - self._offset(_utc(wall), max) > _wall(best):
                break
            later = [instant for instant in self._instants(wall) if instant > when]
            best = min([*later, best] if best else later, default=best)
        return best

    def before(self, when: datetime) -> datetime | None:
        """The last instant at or before `when`."""
        best: datetime | None = None
        for wall in self._walls(when + self._offset(when, max), croniter.get_prev):
            if best is not None and wall - self._offset(_utc(wall), min) < _wall(best):
                break
            earlier = [instant for instant in self._instants(wall) if instant <= when]
            best = max([*earlier, best] if best else earlier, default=best)
        return best

    @cached_property
    def is_interval(self) -> bool:
        """Whether every hour is let through."""
        hours = croniter.expand(self.cron, second_at_beginning=True)[0][_HOUR]
        return hours == ["*"] or set(range(24)) <= set(hours)

    def _instants(self, wall: datetime) -> list[datetime]:
        """What a time on the wall is in UTC: one instant, or two in an hour that comes twice."""
        first, second = (wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        return [first, second] if self.is_interval and second > first else [first]

    def _walls(self, around: datetime, step: Callable[[croniter, type[datetime]], datetime]) -> Iterator[datetime]:
        """Due times on the wall from `around` (in the zone's time) on, forwards or backwards; without a zone."""
        beyond = -_BEYOND if step is croniter.get_next else _BEYOND
        times = croniter(self.cron, _utc(_wall(around)) + beyond, second_at_beginning=True)
        while True:
            try:
                yield _wall(step(times, datetime))
            except CroniterBadDateError:
                return

    def _offset(self, when: datetime, choose: Callable[[list[timedelta]], timedelta]) -> timedelta:
        """The least or greatest offset from UTC near an instant."""
        around = (when - _NEAR, when, when + _NEAR)
        return choose([one.astimezone(self.zone).utcoffset() or timedelta() for one in around])


def due(schedule: Schedule, mark: Mark, now: datetime) -> datetime | None:
    """The instant for which a job is due at `now`: the last one behind the mark, however many were missed."""
    last = Timetable.of(schedule).before(now)
    return last if last is not None and last > mark.dealt_with else None


def is_ahead(mark: Mark, now: datetime) -> bool:
    """Whether a mark can only be of a clock that ran ahead and was set back."""
    return mark.dealt_with - now > _AHEAD


def marked(schedule: Schedule, at: datetime) -> Mark:
    """The mark of a schedule whose due times up to `at` are dealt with."""
    return Mark(schedule.cron, schedule.time_zone, at)


def fits(schedule: Schedule, mark: Mark | None) -> bool:
    """Whether the mark is of this schedule, not of an earlier one."""
    return mark is not None and (mark.cron, mark.time_zone) == (schedule.cron, schedule.time_zone)


def later(stored: Mark | None, new: Mark) -> Mark:
    """The mark to keep: the new one, unless the stored one is of the same schedule and further on."""
    same = stored is not None and (stored.cron, stored.time_zone) == (new.cron, new.time_zone)
    return stored if stored is not None and same and stored.dealt_with > new.dealt_with else new


def job_id(sync: str, at: datetime) -> str:
    """The id of the job that is due at an instant: the same on every machine, so that there is one such job."""
    digest = hashlib.sha256(f"{sync}\n{at.astimezone(UTC).isoformat()}".encode()).hexdigest()
    return f"{at.astimezone(UTC):%Y%m%d-%H%M%S}-{digest[:10]}"


def _utc(wall: datetime) -> datetime:
    return wall.replace(tzinfo=UTC)


def _wall(when: datetime) -> datetime:
    return when.replace(tzinfo=None)
