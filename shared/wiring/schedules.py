"""What the timer asks of the product every minute: what is due, what was left lying, what is old."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from shared.definitions.catalogue import Catalogue
from shared.definitions.sync import SyncDefinition
from shared.engine.jobs import JobRunner
from shared.engine.queueing import AT_WORK
from shared.engine.retention import prune_all
from shared.engine.schedule import Timetable
from shared.engine.surroundings import Start
from shared.engine.ticking import BY, Ticker
from shared.values.jobs import Job
from shared.values.schedules import Upcoming
from shared.wiring.checking import Sources
from shared.wiring.states import Stores

FRESH = timedelta(minutes=1)
"""A job that was queued less long ago has a message of its own under way."""
_ALL = 1000


@dataclass(frozen=True, slots=True)
class ScheduleDesk:
    """Follows the schedules of all syncs. Finished jobs are kept for `retention_days`; None: for good."""

    catalogue: Catalogue
    stores: Stores
    runner: JobRunner
    sources: Sources
    retention_days: int | None

    def tick(self, now: datetime) -> list[Job]:
        """Queue a job for every sync that is due; broken definitions are left out until they are mended."""
        ticker = Ticker(self.stores.state, self.stores.schedules, self._queue)
        return ticker.tick(self._definitions(), now)

    def stranded(self, now: datetime) -> list[Job]:
        """Of every sync, the job that would be next and that nobody works on: its message may have been lost."""
        found = self.stores.state.list(states=AT_WORK, limit=_ALL)
        first: dict[str, Job] = {}
        for job in reversed(found):
            if job.slices is not None:
                first.setdefault(job.sync, job)
        return [job for job in first.values() if self._lies(job, now)]

    def prune(self, now: datetime) -> int:
        """Remove jobs that are old enough, also those of syncs that never run again; returns how many."""
        return prune_all(self.stores.state, days=self.retention_days, now=now)

    def upcoming(self, now: datetime, *, of: Callable[[str], bool] = lambda _: True, count: int = 3) -> list[Upcoming]:
        """Every sync that has a schedule, with its next times; those that are asked for."""
        found = [one for one in self._definitions() if one.schedule and of(one.name)]
        return [self._upcoming(definition, now, count) for definition in found]

    def next_times(self, now: datetime) -> dict[str, datetime]:
        """When each sync is due next, by name; those that are. Asks no store how far its schedule was followed."""
        found = {one.name: Timetable.of(one.schedule) for one in self._definitions() if one.schedule and one.enabled}
        return {name: when for name, times in found.items() if (when := times.after(now)) is not None}

    def _upcoming(self, definition: SyncDefinition, now: datetime, count: int) -> Upcoming:
        schedule = definition.schedule
        if schedule is None:
            raise TypeError("a definition without schedule has no next times")
        mark = self.stores.schedules.mark(definition.name)
        times = tuple(islice(_following(Timetable.of(schedule), now), count)) if definition.enabled else ()
        cron, zone = schedule.cron, schedule.time_zone
        return Upcoming(definition.name, cron, zone, definition.enabled, times, mark.dealt_with if mark else None)

    def _definitions(self) -> list[SyncDefinition]:
        return list(self.catalogue.sound().values())

    def _queue(self, definition: SyncDefinition, job_id: str, made: datetime) -> Job:
        start = Start(self.sources.variables(definition, {}, {}), BY)
        return self.runner.queue(definition, start, apply=True, job_id=job_id, at=made)

    def _lies(self, job: Job, now: datetime) -> bool:
        # One that was made in days to come, by a clock that ran ahead, is not fresh until then.
        fresh = not job.has_begun and abs(now - job.created_at) < FRESH
        return not fresh and self.stores.state.held_by(job.sync, now=now) is None


def _following(times: Timetable, when: datetime) -> Iterator[datetime]:
    following = times.after(when)
    while following is not None:
        yield following
        following = times.after(following)
