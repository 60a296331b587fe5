"""The steps after a job: in order, each noted when it was taken, so that none is taken twice when a job goes on.

A step that was under way when its process died is taken again: steps are carried out at least once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from shared.definitions.post_sync import PostSyncStep
from shared.definitions.sync import SyncDefinition
from shared.engine.history import written_rows
from shared.engine.surroundings import StepTaker, Surroundings
from shared.errors import DynsyncError, NotBuiltError, RetryError, StaleLeaseError
from shared.log import event
from shared.values.jobs import Job, JobState, StepResult
from shared.values.life import FINISHED
from shared.values.steps import Ended, Said

_log = logging.getLogger(__name__)
_PAUSE_S = 2.0
_DETAIL = 500


@dataclass(frozen=True, slots=True)
class Steps:
    """Takes the steps of one definition after a job. `permit` raises when the lease does not allow more."""

    around: Surroundings
    definition: SyncDefinition
    variables: Mapping[str, str]
    permit: Callable[[], None]
    save: Callable[[Job], Job]

    def wanted(self, state: JobState) -> list[PostSyncStep]:
        """The steps that follow a job that ends in a state."""
        if state not in (*FINISHED, JobState.FAILED):
            return []
        outcome = "failed" if state is JobState.FAILED else "succeeded"
        return [step for step in self.definition.post_sync if step.when in (outcome, "always")]

    def taken(self, job: Job, state: JobState) -> Job:
        """The job, with what became of each step; those that it has taken before are not taken again.

        Raises:
            StaleLeaseError: another start has taken the sync over.
        """
        known = {step.name for step in job.steps}
        for step in self.wanted(state):
            if step.name not in known:
                result = self._tried(step, replace(job, state=state))
                job = self.save(replace(job, steps=(*job.steps, result)))
                told = {"sync": job.sync, "job": job.id, "step": step.name, "attempts": result.attempts}
                level = logging.INFO if result.succeeded else logging.ERROR
                event(_log, "step.taken" if result.succeeded else "step.failed", level=level, **told)
        return job

    def _tried(self, step: PostSyncStep, job: Job) -> StepResult:
        began = self.around.monotonic()
        for attempt in range(1, step.attempts + 1):
            said, succeeded, again = self._once(step, job)
            if succeeded or not again or attempt == step.attempts:
                break
            self.around.sleep(_PAUSE_S**attempt)
        seconds = round(self.around.monotonic() - began, 3)
        return StepResult(step.name, step.kind, succeeded, attempt, seconds, said.words[:_DETAIL], said.started)

    def _once(self, step: PostSyncStep, job: Job) -> tuple[Said, bool, bool]:
        """What the step said, whether it succeeded, and whether another try may."""
        self.permit()
        try:
            return self._taker.take(self.definition, step, self._ended(job)), True, False
        except StaleLeaseError:
            raise
        except RetryError as error:
            return Said(str(error)), False, True
        except DynsyncError as error:
            return Said(str(error)), False, False

    @property
    def _taker(self) -> StepTaker:
        if self.around.steps is None:
            raise NotBuiltError("steps after a job cannot be taken here")
        return self.around.steps

    def _ended(self, job: Job) -> Ended:
        return Ended(job, {**self.variables, **self._outputs(job)}, partial(written_rows, self.around.state, job.id))

    def _outputs(self, job: Job) -> dict[str, str]:
        """The job's own variables; see `post_sync.JOB_VARIABLES`."""
        source, rows = job.source, job.destination
        written = f"{self.around.app_url}/api/jobs/{job.id}/rows" if self.around.app_url else ""
        return {
            "job_id": job.id,
            "job_sync": job.sync,
            "job_state": job.state.value,
            "job_created": str(source.created),
            "job_updated": str(source.updated),
            "job_removed": str(rows.deleted + rows.expired + rows.deactivated),
            "job_unchanged": str(source.unchanged),
            "job_rejected": str(source.rejected),
            "job_created_url": f"{written}?action=create" if written else "",
            "job_updated_url": f"{written}?action=update,revive" if written else "",
        }
