"""The life of a job: start, draft, brake or approval, apply, end.

Running ──▶ AwaitingApproval ──▶ Running ──▶ Succeeded | CompletedWithErrors
   │               │                └──▶ AwaitingApproval (a brake in the course) | Failed | Cancelled
   │               └──▶ Superseded (a newer plan of the sync)
   └──▶ Failed | Cancelled
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from shared.brakes import PlanCounts, applied_brakes
from shared.dataverse.throughput.wall import measured, sentence
from shared.definitions.catalogue import definition_hash
from shared.definitions.sync import SyncDefinition
from shared.definitions.unbuilt import unbuilt_parts
from shared.engine import preparing
from shared.engine.applying import OPEN, Applied, Applier, Tally
from shared.engine.balances import applied_destination, applied_source
from shared.engine.drafting import Draft, Drafter, store
from shared.engine.drift import drifted, told_columns
from shared.engine.leasing import leased
from shared.engine.plan import MANIFEST, ROWS, Manifest, PlanFile
from shared.engine.readback import ReadBack
from shared.engine.surroundings import Destination, Start, Surroundings
from shared.engine.workspace import Workspace, workspace_folder
from shared.errors import DefinitionError, DynsyncError, NotBuiltError, RefuseError
from shared.log import event
from shared.values.changes import OutcomeStatus
from shared.values.jobs import Brake, Job, JobState, Phase, Progress
from shared.values.problems import Problem, Severity

_log = logging.getLogger(__name__)
_APPLICABLE = (JobState.AWAITING_APPROVAL, JobState.RUNNING, JobState.FAILED, JobState.CANCELLED)
_ENDINGS = {
    JobState.SUCCEEDED: "succeeded",
    JobState.COMPLETED_WITH_ERRORS: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
FINISHED = (JobState.SUCCEEDED, JobState.COMPLETED_WITH_ERRORS)
"""The states of a job that came to its end."""


class JobRunner:
    """Runs jobs in this process, one at a time per sync."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._state = surroundings.state

    def check(self, definition: SyncDefinition) -> list[Problem]:
        """The definition held against Dataverse's metadata; errors and warnings.

        Raises:
            FailError, RetryError: Dataverse cannot be asked.
        """
        with self._around.connect(definition) as destination:
            _, _, problems = preparing.check(definition, destination.client)
        return problems

    def plan(self, definition: SyncDefinition, start: Start) -> Job:
        """Draft a plan and keep it for approval; nothing is written to Dataverse."""
        return self._start(definition, start, apply=False)

    def run(self, definition: SyncDefinition, start: Start) -> Job:
        """Draft a plan and apply it, unless a brake or the definition asks for approval."""
        return self._start(definition, start, apply=True)

    def apply(self, definition: SyncDefinition, job_id: str, start: Start) -> Job:
        """Apply a stored plan after approval, or go on with one that was stopped.

        Raises:
            RefuseError: the job has no plan to apply, a newer job of the sync exists, or the definition was changed.
        """
        job = self._state.get(job_id)
        self._refuse_unbuilt(definition)
        self._refuse_other_definition(job, definition)
        self._refuse_unless_applicable(job)
        with self._leased(job, start) as held, self._around.connect(definition) as destination:
            self._refuse_unless_applicable(job)
            job = self._save(replace(job, state=JobState.RUNNING, error=None, brakes=(), finished_at=None))
            return self._guarded(job, lambda: self._applied(job, definition, destination, held, careful=True))

    # ---- starting

    def _start(self, definition: SyncDefinition, start: Start, *, apply: bool) -> Job:
        self._refuse_unbuilt(definition)
        now = self._around.clock()
        job = Job(
            id=self._around.new_job_id(now),
            sync=definition.name,
            state=JobState.RUNNING,
            started_by=start.started_by,
            created_at=now,
            definition_version=definition.version,
            definition_hash=definition_hash(definition),
            variables=dict(start.variables),
        )
        with self._leased(job, start) as held:
            self._end_the_dead(job)
            self._save(job)
            event(_log, "job.started", sync=job.sync, job=job.id)
            return self._guarded(job, lambda: self._drafted_and_applied(job, definition, held, apply=apply))

    def _end_the_dead(self, job: Job) -> None:
        """With the lease in our hands, any other job of the sync that says it runs has lost its process."""
        for other in self._state.list(sync=job.sync, states=[JobState.RUNNING], limit=1000):
            if other.id != job.id:
                self._end(
                    other, JobState.FAILED, error="its process ended without a word; its counts are not confirmed"
                )

    def _refuse_other_definition(self, job: Job, definition: SyncDefinition) -> None:
        if definition_hash(definition) != job.definition_hash:
            raise RefuseError(
                f"the definition of {job.sync} was changed after job {job.id} made its plan; "
                f"start a new one with `plan {job.sync}`"
            )

    def _refuse_unbuilt(self, definition: SyncDefinition) -> None:
        if not definition.enabled:
            raise RefuseError(f"sync {definition.name!r} is switched off; set `enabled: true` to run it")
        problems = unbuilt_parts(definition)
        if problems:
            listed = "\n".join(f"  {problem}" for problem in problems)
            raise NotBuiltError(f"sync {definition.name!r} uses parts that do not run yet:\n{listed}")

    def _refuse_unless_applicable(self, job: Job) -> None:
        if job.state not in _APPLICABLE or ROWS not in self._state.names(job.id):
            found = f"job {job.id} is {job.state}" + ("" if job.state in _APPLICABLE else ", which is final")
            raise RefuseError(f"{found} and has no plan to apply; start a new one with `plan {job.sync}`")
        newest = self._state.list(sync=job.sync, limit=1)[0]
        if newest.id != job.id:
            raise RefuseError(
                f"job {job.id} is not the newest of {job.sync}: {newest.id} started later, so this plan is "
                f"out of date; start a new one with `plan {job.sync}`"
            )

    @contextmanager
    def _leased(self, job: Job, start: Start) -> Iterator[Start]:
        """Hold the sync's lease; a job that loses it stops like one that is cancelled."""
        with leased(self._state, job.sync, job.id, clock=self._around.clock) as lost:
            yield replace(start, cancelled=lambda: start.cancelled() or lost())

    def _guarded(self, job: Job, work: Callable[[], Job]) -> Job:
        """Run `work`; whatever ends it, the job's last state says so."""
        try:
            return work()
        except KeyboardInterrupt:
            self._end(self._state.get(job.id), JobState.CANCELLED, error="cancelled by the person who started it")
            raise
        except DynsyncError as error:
            return self._end(self._state.get(job.id), JobState.FAILED, error=str(error))
        except BaseException as error:
            text = f"unexpected {type(error).__name__}; this is a fault of the program"
            self._end(self._state.get(job.id), JobState.FAILED, error=text)
            raise

    # ---- drafting

    def _drafted_and_applied(self, job: Job, definition: SyncDefinition, start: Start, *, apply: bool) -> Job:
        with self._around.connect(definition) as destination:
            job, draft = self._drafted(job, definition, destination, start)
            job = self._save(replace(job, brakes=self._brakes(job, definition, draft.counts)))
            if draft.counts.changes == 0:
                return self._finish(job, troubled=draft.manifest.reported > 0)
            if not apply or job.brakes or definition.behaviour.approval == "required":
                return self._await_approval(job)
            return self._applied(job, definition, destination, start, careful=False)

    def _drafted(
        self, job: Job, definition: SyncDefinition, destination: Destination, start: Start
    ) -> tuple[Job, Draft]:
        start.progress(Progress(Phase.CHECK))
        prepared, metadata, problems = preparing.check(definition, destination.client)
        if prepared is None:
            errors = [problem for problem in problems if problem.severity is Severity.ERROR]
            raise DefinitionError(definition.name, errors)
        with workspace_folder(self._around.workspaces) as folder:
            source = self._around.open_source(definition, start, folder / "spool")
            columns = told_columns(definition, source)
            problems += self._drifted(definition, columns)
            with Workspace(folder, limits=self._around.limits, readable=source.files) as workspace:
                drafter = Drafter(
                    workspace=workspace,
                    definition=definition,
                    client=destination.client,
                    metadata=metadata,
                    source=source,
                    variables=start.variables,
                    job_id=job.id,
                    now=job.created_at,
                    progress=start.progress,
                )
                draft = drafter.draft()
                for name, path in store(workspace, draft, folder).items():
                    self._state.put(job.id, name, path)
        warnings = tuple(str(problem) for problem in problems)
        job = replace(
            job,
            requests=_requests(destination),
            planned=draft.manifest.counts,
            source=draft.manifest.source,
            destination=draft.manifest.destination,
            skipped_cells=draft.skipped_cells,
            notes=(*draft.notes, *warnings),
            timings_s=drafter.timings_s,
            files=draft.files,
            columns=columns,
        )
        return self._save(self._superseding(job)), draft

    def _drifted(self, definition: SyncDefinition, columns: Mapping[str, str]) -> list[Problem]:
        found = drifted(definition, columns, self._state.list(sync=definition.name, states=FINISHED, limit=5))
        gone = [problem for problem in found if problem.severity is Severity.ERROR]
        if gone:
            raise DefinitionError(definition.name, gone)
        return found

    def _superseding(self, job: Job) -> Job:
        """The job, with a note for every open plan of the sync that it makes out of date."""
        waiting = self._state.list(sync=job.sync, states=[JobState.AWAITING_APPROVAL], limit=1000)
        older = [other for other in waiting if other.id != job.id]
        for other in older:
            self._save(replace(other, state=JobState.SUPERSEDED, finished_at=self._around.clock()))
        return replace(job, notes=(*job.notes, *(f"the open plan of job {o.id} is out of date now" for o in older)))

    def _brakes(self, job: Job, definition: SyncDefinition, counts: PlanCounts) -> tuple[Brake, ...]:
        finished = self._state.list(sync=job.sync, states=FINISHED, limit=50)
        texts = {name for name, variable in definition.variables.items() if not variable.file}
        alike = [
            o for o in finished if o.source.read and all(o.variables.get(n) == job.variables.get(n) for n in texts)
        ]
        previous = alike[0].source.read if alike and not definition.only_new_files else None
        return applied_brakes(definition.behaviour.brakes, replace(counts, previous_read=previous))

    def _await_approval(self, job: Job) -> Job:
        job = self._save(replace(job, state=JobState.AWAITING_APPROVAL))
        event(_log, "job.braked" if job.brakes else "job.planned", sync=job.sync, job=job.id)
        return job

    # ---- applying

    def _applied(
        self, job: Job, definition: SyncDefinition, destination: Destination, start: Start, *, careful: bool
    ) -> Job:
        began = self._around.clock()
        start.progress(Progress(Phase.APPLY, 0, sum(job.planned.values())))
        rows, manifest = (self._state.path(job.id, name) for name in (ROWS, MANIFEST))
        with workspace_folder(self._around.workspaces) as folder, PlanFile(rows, manifest) as plan:
            table = destination.client.table(plan.manifest.table)
            transport = destination.client.transport
            before = transport.uses()
            self._refuse_other_environment(job, plan, destination)
            readback = ReadBack(destination.client, table, plan, folder)
            applier = Applier(
                job_id=job.id,
                plan=plan,
                writer=destination.writer(table),
                readback=readback,
                outcomes=self._state,
                brakes=definition.behaviour.brakes,
                parallel=lambda: transport.useful,
                careful=careful,
                progress=start.progress,
                cancelled=start.cancelled,
            )
            try:
                applied = applier.apply()
            except BaseException:
                self._save(_counted(job, plan.manifest, applier.noted()))
                raise
            finally:
                readback.close()
        seconds = (self._around.clock() - began).total_seconds()
        timings_s = {**job.timings_s, Phase.APPLY.value: round(seconds, 3)}
        wall = sentence(measured(before, transport.uses(), seconds), cap=definition.destination.parallel)
        job = replace(job, notes=(*job.notes, *([f"Writing: {wall}."] if wall else [])))
        earlier = job.requests if careful else {}
        job = replace(job, timings_s=timings_s, requests=_requests(destination, earlier))
        return self._after_apply(job, plan.manifest, applied, cancelled=start.cancelled())

    def _refuse_other_environment(self, job: Job, plan: PlanFile, destination: Destination) -> None:
        organization = destination.client.environment().organization_id
        if organization != plan.manifest.organization:
            raise RefuseError(
                f"the plan of job {job.id} was made for another environment than the one at service_url; "
                f"start a new one with `plan {job.sync}`"
            )

    def _after_apply(self, job: Job, manifest: Manifest, applied: Applied, *, cancelled: bool) -> Job:
        job = _counted(job, manifest, applied.tally)
        if applied.brake:
            return self._await_approval(replace(job, brakes=(applied.brake,)))
        if cancelled:
            return self._end(job, JobState.CANCELLED, error="cancelled; what was not attempted is counted so")
        lost = sum(n for (*_, status), n in applied.tally.items() if status in OPEN)
        if lost:
            error = f"Dataverse gave no answer for {lost:,} changes; `apply {job.id}` goes on with them"
            return self._end(job, JobState.FAILED, error=error)
        troubled = any(n for (*_, status), n in applied.tally.items() if status is not OutcomeStatus.DONE)
        return self._finish(job, troubled=troubled or manifest.reported > 0)

    def _finish(self, job: Job, *, troubled: bool) -> Job:
        errors = troubled or job.source.rejected or job.source.conflict
        self._state.note_files(job)
        return self._end(job, JobState.COMPLETED_WITH_ERRORS if errors else JobState.SUCCEEDED)

    def _end(self, job: Job, state: JobState, *, error: str | None = None) -> Job:
        job = self._save(replace(job, state=state, error=error, finished_at=self._around.clock()))
        event(_log, f"job.{_ENDINGS[state]}", sync=job.sync, job=job.id, changes=sum(job.planned.values()))
        return job

    def _save(self, job: Job) -> Job:
        self._state.save(job)
        return job


def _counted(job: Job, manifest: Manifest, tally: Tally) -> Job:
    """The job with its balances after an apply."""
    source, destination = applied_source(manifest.source, tally), applied_destination(manifest.destination, tally)
    return replace(job, source=source, destination=destination)


def _requests(destination: Destination, earlier: Mapping[str, int] | None = None) -> dict[str, int]:
    """What was sent to Dataverse, and how long the service made us wait; with what earlier processes sent."""
    counts = destination.client.transport.requests
    now = {
        "requests": counts.requests,
        "throttled": counts.throttled,
        "retries": counts.retries,
        "throttled_s": round(counts.throttled_s),
    }
    return {name: count + (earlier or {}).get(name, 0) for name, count in now.items()}
