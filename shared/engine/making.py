"""The first half of a run: the plan is drafted, stored with the job, and held against the brakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from shared.brakes import PlanCounts, applied_brakes
from shared.definitions.sync import SyncDefinition
from shared.engine import preparing
from shared.engine.drafting import Draft, Drafter, store
from shared.engine.drift import drifted, told_columns
from shared.engine.incremental import since
from shared.engine.surroundings import Destination, Start, Surroundings
from shared.engine.workspace import Workspace, workspace_folder
from shared.errors import DefinitionError
from shared.ports import State
from shared.values.jobs import Brake, Job, JobState, Phase, Progress
from shared.values.life import FINISHED
from shared.values.problems import Problem, Severity


class Running(Protocol):
    """The run that asks for a plan."""

    around: Surroundings
    definition: SyncDefinition
    start: Start

    @property
    def state(self) -> State:
        """The store under the run's lease."""

    def save(self, job: Job) -> Job:
        """Store the job; gives it back."""

    def tell(self, progress: Progress) -> None:
        """Tell whoever watches; raises `CancelledError` when the run is to stop."""


@dataclass(frozen=True, slots=True)
class PlanMaking:
    """Makes the plan of one run."""

    run: Running
    destination: Destination

    def made(self, job: Job) -> tuple[Job, Draft]:
        """The job with its counts and the brakes that hold it, not saved yet; its plan is stored.

        Older plans are superseded.
        """
        job, draft = self._drafted(job)
        return replace(job, brakes=self._brakes(job, draft.counts)), draft

    def _drafted(self, job: Job) -> tuple[Job, Draft]:
        definition = self.run.definition
        self.run.tell(Progress(Phase.CHECK))
        prepared, metadata, problems = preparing.check(definition, self.destination.client)
        if prepared is None:
            errors = [problem for problem in problems if problem.severity is Severity.ERROR]
            raise DefinitionError(definition.name, errors)
        with workspace_folder(self.run.around.workspaces) as folder:
            source = self.run.around.open_source(definition, self.run.start, folder / "spool")
            columns = told_columns(definition, source)
            problems += self._drifted(columns)
            with Workspace(folder, limits=self.run.around.limits, readable=source.files) as workspace:
                drafter = Drafter(
                    workspace=workspace,
                    definition=definition,
                    client=self.destination.client,
                    metadata=metadata,
                    source=source,
                    variables=self.run.start.variables,
                    job_id=job.id,
                    now=job.created_at,
                    progress=self.run.tell,
                    since=since(definition, self.run.state),
                )
                draft = drafter.draft()
                for name, path in store(workspace, draft, folder).items():
                    self.run.state.put(job.id, name, path)
        warnings = tuple(str(problem) for problem in problems)
        job = replace(
            job,
            requests=requests_sent(self.destination),
            planned=draft.manifest.counts,
            source=draft.manifest.source,
            destination=draft.manifest.destination,
            skipped_cells=draft.skipped_cells,
            notes=(*draft.notes, *warnings),
            timings_s=drafter.timings_s,
            files=draft.files,
            columns=columns,
            watermark=draft.watermark,
        )
        return self._superseding(job), draft

    def _drifted(self, columns: Mapping[str, str]) -> list[Problem]:
        definition = self.run.definition
        found = drifted(definition, columns, self.run.state.list(sync=definition.name, states=FINISHED, limit=5))
        gone = [problem for problem in found if problem.severity is Severity.ERROR]
        if gone:
            raise DefinitionError(definition.name, gone)
        return found

    def _superseding(self, job: Job) -> Job:
        """The job, with a note for every open plan of the sync that it makes out of date."""
        waiting = self.run.state.list(sync=job.sync, states=[JobState.AWAITING_APPROVAL], limit=1000)
        older = [other for other in waiting if other.id != job.id]
        for other in older:
            self.run.save(replace(other, state=JobState.SUPERSEDED, finished_at=self.run.around.clock()))
        return replace(job, notes=(*job.notes, *(f"the open plan of job {o.id} is out of date now" for o in older)))

    def _brakes(self, job: Job, counts: PlanCounts) -> tuple[Brake, ...]:
        return applied_brakes(
            self.run.definition.behaviour.brakes, replace(counts, previous_read=self._previous_read(job))
        )

    def _previous_read(self, job: Job) -> int | None:
        """Records that the last finished job of the same choice of records read; a delta may have any length.

        What was chosen stands in the variables that were given; files and formulas differ from job to job.
        """
        if self.run.definition.reads_a_part:
            return None
        variables = self.run.definition.variables.items()
        given = [name for name, variable in variables if not variable.file and not variable.formula]
        finished = self.run.state.list(sync=job.sync, states=FINISHED, limit=50)
        alike = (o for o in finished if all(o.variables.get(n) == job.variables.get(n) for n in given))
        return next((o.source.read for o in alike if o.source.read), None)


def requests_sent(destination: Destination, earlier: Mapping[str, int] | None = None) -> dict[str, int]:
    """What was sent to Dataverse, and how long the service made us wait; with what earlier processes sent."""
    counts = destination.client.transport.requests
    now = {
        "requests": counts.requests,
        "throttled": counts.throttled,
        "retries": counts.retries,
        "throttled_s": round(counts.throttled_s),
    }
    return {name: count + (earlier or {}).get(name, 0) for name, count in now.items()}
