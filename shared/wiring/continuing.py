"""With which definition a job is brought on, when the sync's was edited since it began."""

from __future__ import annotations

from dataclasses import dataclass

from shared.definitions.catalogue import Catalogue, definition_hash, told
from shared.definitions.sync import SyncDefinition
from shared.errors import RefuseError
from shared.ports import OutcomeStore
from shared.values.jobs import Job, JobState


@dataclass(frozen=True, slots=True)
class Continuing:
    """Chooses among the definitions that a sync has or had."""

    catalogue: Catalogue
    outcomes: OutcomeStore

    def definition(self, job: Job) -> SyncDefinition:
        """The definition for the next piece of work on a job.

        One at work, or stopped in its course, goes on with that which it began with, whatever was edited, dropped or
        broken since. One that has not begun meets it as it is now, and so does a plan of which nothing is written yet.

        Raises:
            NotFoundError, DefinitionError: there is none, or it is broken.
            RefuseError: nothing of the plan is written yet, and the definition was edited since.
        """
        if job.state is JobState.QUEUED:
            return self.catalogue.get(job.sync)
        if job.state is JobState.AWAITING_APPROVAL or self._is_plan_alone(job):
            return self._unless_edited(job)
        return self.catalogue.begun(job.sync, job.definition_hash)

    def _is_plan_alone(self, job: Job) -> bool:
        """Whether it ended with a plan of which nothing was sent: cancelled, say, while it waited for approval."""
        ended = job.state in (JobState.FAILED, JobState.CANCELLED)
        return ended and bool(job.planned) and not self.outcomes.chunks(job.id)

    def _unless_edited(self, job: Job) -> SyncDefinition:
        definition = self.catalogue.get(job.sync)
        edit = self.catalogue.edited().get(job.sync)
        if edit is None or edit.revision.at < job.created_at or definition_hash(definition) == job.definition_hash:
            return definition
        raise RefuseError(
            f"the definition of {job.sync} was edited {told(edit.revision)}, after job {job.id} made its plan",
            remedy=f"start a new one with `plan {job.sync}`",
        )
