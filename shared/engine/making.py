"""The first half of a run: the plan is drafted, stored with the job, and held against the brakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from shared.brakes import PlanCounts, applied_brakes
from shared.definitions.sync import SyncDefinition
from shared.engine import preparing
from shared.engine.cases.ledger import REPLAYED, ledger
from shared.engine.cases.noting import note_records
from shared.engine.cases.replaying import ReplayedRecords, as_replayed, made_before, with_stale
from shared.engine.draft import Draft, store
from shared.engine.drafting import Drafter
from shared.engine.drift import drifted, told_columns
from shared.engine.fingerprint import shelf
from shared.engine.fingerprint.shelf import Kept
from shared.engine.incremental import since, watched
from shared.engine.realtime.claiming import keep_versions
from shared.engine.realtime.overtaking import Overtaking
from shared.engine.slicing import SliceOverError, fetch, keep, left_in
from shared.engine.surroundings import Destination, Start, Surroundings
from shared.engine.workspace import DATABASE, SPOOL, Workspace, workspace_folder
from shared.errors import DefinitionError
from shared.mapping.build import Metadata, Prepared
from shared.ports import Source, State
from shared.values.jobs import Brake, Job, JobState, Phase, Progress
from shared.values.life import FINISHED
from shared.values.problems import Problem, Severity

Checked = tuple[Prepared, Metadata, list[Problem]]
"""The mapping made ready, what is known of the environment, and what was found wrong so far."""


class Running(Protocol):
    """The run that asks for a plan."""

    around: Surroundings
    definition: SyncDefinition
    start: Start
    timings_s: Mapping[str, float]

    @property
    def state(self) -> State:
        """The store under the run's lease."""

    def save(self, job: Job) -> Job:
        """Store the job; gives it back."""

    def requests(self, destination: Destination) -> Mapping[str, int]:
        """What was sent to Dataverse for the job, earlier runs included."""

    def tell(self, progress: Progress) -> None:
        """Tell whoever watches; raises when the run is to stop."""


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
        self.run.tell(Progress(Phase.CHECK))
        prepared, metadata, problems = preparing.check(self.run.definition, self.destination.client)
        if prepared is None:
            errors = [problem for problem in problems if problem.severity is Severity.ERROR]
            raise DefinitionError(self.run.definition.name, errors)
        with workspace_folder(self.run.around.workspaces) as folder:
            fetch(self.run.state, job, folder)
            job = self._noting_where_it_reads_from(job, folder)
            tracked = self.run.definition.destination.change_tracking
            kept = shelf.fetch(self.run.state, job, folder) if tracked else Kept()
            try:
                drafter, draft = self._draft_in(folder, job, (prepared, metadata, problems), kept)
            except SliceOverError:
                keep(self.run.state, job, folder)
                raise
        warnings = tuple(str(problem) for problem in problems)
        job = replace(
            job,
            requests=self.run.requests(self.destination),
            planned=draft.manifest.counts,
            source=draft.manifest.source,
            destination=draft.manifest.destination,
            skipped_cells=draft.skipped_cells,
            notes=(*draft.notes, *warnings),
            timings_s=drafter.timings_s,
            files=draft.files,
            columns=drafter.begun.columns if drafter.begun else {},
            watermark=draft.watermark,
            fingerprint=job.id if drafter.tracking and drafter.tracking.file else kept.holder,
        )
        return superseding(self.run, job), draft

    def _noting_where_it_reads_from(self, job: Job, folder: Path) -> Job:
        """The job, knowing where the watermark of an incremental sync stood before its first slice read anything."""
        if watched(self.run.definition) is None or job.replays or (folder / DATABASE).exists():
            return job
        return self.run.save(replace(job, read_from=self.run.state.watermark(job.sync)))

    def _draft_in(self, folder: Path, job: Job, checked: Checked, kept: Kept) -> tuple[Drafter, Draft]:
        """Draft in a folder, from the beginning or from where an earlier slice stopped; store the plan."""
        prepared, metadata, problems = checked
        run = self.run
        fresh = not (folder / DATABASE).exists()
        definition = as_replayed(run.definition) if job.replays else run.definition
        source = self._source(job, definition, folder / SPOOL) if fresh else None
        columns = told_columns(definition, source) if source else {}
        problems += self._drifted(columns)
        with Workspace(folder, limits=run.around.limits, readable=source.files if source else ()) as workspace:
            begun = left_in(workspace)
            drafter = Drafter(
                workspace=workspace,
                definition=definition,
                client=self.destination.client,
                metadata=metadata,
                source=source,
                variables=run.start.variables,
                job_id=job.id,
                now=job.created_at,
                progress=run.tell,
                since=since(definition, run.state, run.start.variables),
                overtaking=self._overtaking(job),
                columns=columns,
                begun=begun,
                lasting=job.slices is not None,
                timings_s=dict(begun.timings_s) if begun else {},
                remembered=kept.file,
            )
            run.timings_s = drafter.timings_s
            try:
                draft = drafter.draft()
            except SliceOverError:
                raise SliceOverError(drafter.leave()) from None
            if job.replays:
                draft = with_stale(draft, run.state.path(job.id, REPLAYED))
            older = ledger(run.state, job.sync, before=job)
            heard = keep_versions(workspace, prepared.mapping, folder) if drafter.overtaking else {}
            left_out = drafter.left_out() if older else None
            noted = note_records(workspace, prepared.mapping, folder, older, left_out)
            for name, path in (store(workspace, draft, folder) | noted | heard).items():
                run.state.put(job.id, name, path)
            if drafter.tracking and drafter.tracking.file:
                shelf.put(run.state, job, drafter.tracking.file)
        return drafter, draft

    def _overtaking(self, job: Job) -> Overtaking | None:
        """What decides between this job and the sync's listener, record by record; None where it has none."""
        around, definition = self.run.around, self.run.definition
        if around.ledger is None or definition.listener is None:
            return None
        read = made_before(self.run.state.path(job.id, REPLAYED)) if job.replays else []
        return Overtaking(around.ledger, definition, job.created_at, read)

    def _source(self, job: Job, definition: SyncDefinition, spool: Path) -> Source:
        if job.replays:
            return ReplayedRecords(self.run.state.path(job.id, REPLAYED).resolve(), definition.source)
        return self.run.around.open_source(definition, self.run.start, spool)

    def _drifted(self, columns: Mapping[str, str]) -> list[Problem]:
        definition = self.run.definition
        found = drifted(definition, columns, self.run.state.list(sync=definition.name, states=FINISHED, limit=5))
        gone = [problem for problem in found if problem.severity is Severity.ERROR]
        if gone:
            raise DefinitionError(definition.name, gone)
        return found

    def _brakes(self, job: Job, counts: PlanCounts) -> tuple[Brake, ...]:
        return applied_brakes(
            self.run.definition.behaviour.brakes, replace(counts, previous_read=self._previous_read(job))
        )

    def _previous_read(self, job: Job) -> int | None:
        """Records that the last finished job of the same choice of records read; a delta may have any length.

        What was chosen stands in the variables that were given; files and formulas differ from job to job.
        """
        if job.replays or self.run.definition.reads_a_part:
            return None
        variables = self.run.definition.variables.items()
        given = [name for name, variable in variables if not variable.file and not variable.formula]
        finished = self.run.state.list(sync=job.sync, states=FINISHED, limit=50)
        runs = (o for o in finished if not o.undoes and not o.replays)
        alike = (o for o in runs if all(o.variables.get(n) == job.variables.get(n) for n in given))
        return next((o.source.read for o in alike if o.source.read), None)


def superseding(run: Running, job: Job) -> Job:
    """The job, with a note for every open plan of the sync that it makes out of date."""
    waiting = run.state.list(sync=job.sync, states=[JobState.AWAITING_APPROVAL], limit=1000)
    older = [other for other in waiting if other.id != job.id]
    for other in older:
        run.save(replace(other, state=JobState.SUPERSEDED, finished_at=run.around.clock()))
    return replace(job, notes=(*job.notes, *(f"the open plan of job {o.id} is out of date now" for o in older)))
