"""The timer's work: queue a job for every sync that is due, once, on however many machines the timer ticks.

The job that is due at an instant has an id made from sync and instant, and a store takes an id once; so it is one job
whoever queues it first, and whoever dies between queueing and noting so. What was missed is one job. A sync whose last
queued job is not finished is not due: what it misses meanwhile is caught up when that one has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.definitions.catalogue import definition_hash
from shared.definitions.schedule import Schedule
from shared.definitions.sync import SyncDefinition
from shared.engine import schedule as timetable
from shared.engine.leasing import after
from shared.engine.queueing import AT_WORK
from shared.errors import DynsyncError, NotFoundError, RetryError, StateError
from shared.log import event
from shared.ports import Schedules, State
from shared.values.jobs import Job, JobState, Slices
from shared.values.schedules import Mark

_log = logging.getLogger(__name__)
BY = "schedule"
"""Who starts these jobs."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """Queues what is due. `queue` takes a definition, the job's id and when it is made; it raises what a start raises.

    Both follow from the due time: instances that tick at once make the same job, and the store takes it once.
    """

    state: State
    schedules: Schedules
    queue: Callable[[SyncDefinition, str, datetime], Job]

    def tick(self, definitions: Iterable[SyncDefinition], now: datetime) -> list[Job]:
        """Look at every schedule; gives the jobs that were queued.

        A sync whose turn ends in an error does not keep the others from theirs: when trying again may help, it is due
        again at the next tick; otherwise a failed job tells why.
        """
        return [job for definition in definitions if (job := self._ticked(definition, now)) is not None]

    def _ticked(self, definition: SyncDefinition, now: datetime) -> Job | None:
        schedule = definition.schedule
        if schedule is None:
            return None
        try:
            return self._due(definition, schedule, now)
        except (RetryError, StateError) as error:
            event(_log, "schedule.put_off", level=logging.WARNING, sync=definition.name, error=type(error).__name__)
            return None

    def _due(self, definition: SyncDefinition, schedule: Schedule, now: datetime) -> Job | None:
        mark = self.schedules.mark(definition.name)
        if mark is None or not timetable.fits(schedule, mark):
            self._note(definition.name, timetable.marked(schedule, now))
            return None
        if timetable.is_ahead(mark, now):  # else nothing would be due before that day
            self._set_back(definition.name, mark, timetable.marked(schedule, now))
            return None
        at = timetable.due(schedule, mark, now)
        if at is None:
            return None
        if not definition.enabled:  # what passes while it is switched off is not missed
            self._note(definition.name, timetable.marked(schedule, at))
            return None
        job_id = timetable.job_id(definition.name, at)
        there = self._there(job_id)
        if not there and self._at_work(definition.name):
            return None
        job = None if there else self._queued(definition, job_id, self._made(definition.name, at), now)
        self._note(definition.name, timetable.marked(schedule, at))
        return job

    def _made(self, sync: str, due: datetime) -> datetime:
        newest = next(iter(self.state.list(sync=sync, limit=1)), None)
        return after(newest.created_at if newest else None, due)

    def _queued(self, definition: SyncDefinition, job_id: str, made: datetime, now: datetime) -> Job | None:
        """The job, when it was queued here; None when it is there already, or cannot be queued."""
        try:
            return self.queue(definition, job_id, made)
        except (RetryError, StateError):
            if self._there(job_id):
                return None
            raise
        except DynsyncError as error:
            self._fail(definition, job_id, made, now, error)
            return None

    def _fail(
        self, definition: SyncDefinition, job_id: str, made: datetime, now: datetime, error: DynsyncError
    ) -> None:
        """Leave a job that tells why none could be queued."""
        job = Job(
            id=job_id,
            sync=definition.name,
            state=JobState.FAILED,
            started_by=BY,
            created_at=made,
            definition_version=definition.version,
            definition_hash=definition_hash(definition),
            finished_at=now,
            error=str(error),
            slices=Slices(),
        )
        self.state.add(job, {})
        event(_log, "schedule.failed", level=logging.ERROR, sync=definition.name, job=job_id)

    def _there(self, job_id: str) -> bool:
        try:
            self.state.get(job_id)
        except NotFoundError:
            return False
        return True

    def _at_work(self, sync: str) -> bool:
        return bool(self.state.list(sync=sync, states=AT_WORK, limit=1))

    def _note(self, sync: str, new: Mark) -> None:
        self.schedules.change(sync, lambda stored: timetable.later(stored, new))

    def _set_back(self, sync: str, seen: Mark, new: Mark) -> None:
        self.schedules.change(sync, lambda stored: new if stored == seen else timetable.later(stored, new))
        event(_log, "schedule.set_back", level=logging.WARNING, sync=sync, was=seen.dealt_with.isoformat())
