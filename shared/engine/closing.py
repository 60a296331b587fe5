"""Ends a job: what is kept of it, the steps that follow, and the last word on its state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from shared.definitions.sync import SyncDefinition
from shared.engine.cases.settling import settled
from shared.engine.incremental import moved
from shared.engine.slicing import sweep
from shared.engine.stepping import Steps
from shared.engine.surroundings import Start, Surroundings
from shared.engine.undoing import note_undone
from shared.log import event
from shared.ports import State
from shared.values.jobs import Job, JobState, Phase, Progress
from shared.values.life import FINISHED

_log = logging.getLogger(__name__)
_ENDINGS = {
    JobState.SUCCEEDED: "succeeded",
    JobState.COMPLETED_WITH_ERRORS: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}


class Ended(Protocol):
    """The run whose job comes to its end."""

    around: Surroundings
    definition: SyncDefinition
    start: Start

    @property
    def state(self) -> State:
        """The store under the run's lease."""

    @property
    def permit(self) -> Callable[[], None]:
        """Called before each request of a step; what it raises keeps the request from being sent."""

    def save(self, job: Job) -> Job:
        """Store the job; gives it back."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Ends the job of one run."""

    run: Ended

    def finish(self, job: Job, *, troubled: bool) -> Job:
        """The job was carried out; `troubled`: not as planned, or a rule was broken that only reports."""
        state, definition = self.run.state, self.run.definition
        errors = troubled or job.source.rejected or job.source.conflict
        # Kept before the source's own progress is noted, so nothing that is open is ever passed over.
        job = moved(state, self.run.save(settled(state, job, definition)))
        state.note_files(job)
        if job.undoes is not None:
            note_undone(state, job)
        return self.end(job, JobState.COMPLETED_WITH_ERRORS if errors else JobState.SUCCEEDED)

    def end(self, job: Job, state: JobState, *, error: str | None = None) -> Job:
        """Take the steps that follow such an end, then close the job."""
        run = self.run
        steps = Steps(run.around, run.definition, run.start.variables, run.permit, run.save)
        if job.undoes is None and steps.wanted(state):
            run.start.progress(Progress(Phase.POST_SYNC))
            job = steps.taken(replace(job, error=error), state)
            if state is JobState.SUCCEEDED and not all(step.succeeded for step in job.steps):
                state = JobState.COMPLETED_WITH_ERRORS
        return self.close(job, state, error=error)

    def close(self, job: Job, state: JobState, *, error: str | None = None) -> Job:
        """Store the state in which the job has ended, and tell it."""
        run = self.run
        job = run.save(replace(job, state=state, error=error, finished_at=run.around.clock()))
        sweep(run.state, job, ended=state in FINISHED)
        event(
            _log,
            f"job.{_ENDINGS[state]}",
            sync=job.sync,
            job=job.id,
            changes=sum(job.planned.values()),
            records=job.source.read,
            rejected=job.source.rejected,
            seconds=round(sum(job.timings_s.values())),
            throttled_s=job.requests.get("throttled_s", 0),
        )
        return job
