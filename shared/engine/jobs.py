"""Starts jobs: a new one, the apply of a stored plan, and the end of one that is not wanted any more.

The states and what leads from one to the next: `docs/jobs.md`, as data in `values/life.py`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.definitions.catalogue import definition_hash
from shared.definitions.sync import SyncDefinition
from shared.engine import preparing, queueing
from shared.engine.cases.giving import variables_of
from shared.engine.cases.replaying import add_replay, choice_of, chosen, keep_open
from shared.engine.leasing import leased
from shared.engine.running import Run
from shared.engine.slicing import Span, sweep
from shared.engine.starting import leased_run, new_job, refuse_unbuilt, refuse_unless_applicable, timing
from shared.engine.surroundings import Start, Surroundings
from shared.engine.undoing import refuse_undo
from shared.errors import AlreadyRunningError, RefuseError
from shared.log import event
from shared.ports import ProgressListener
from shared.values.cases import Choice
from shared.values.jobs import Job, JobState, Slices
from shared.values.life import FINISHED, refuse_cancel
from shared.values.problems import Problem

__all__ = ["FINISHED", "JobRunner"]
_log = logging.getLogger(__name__)


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

    def undo(self, definition: SyncDefinition, job_id: str, start: Start, *, apply: bool) -> Job:
        """Plan what takes a job's changes back and keep it for approval; with `apply`, carry it out.

        Raises:
            RefuseError: the job was undone before, is an undo itself, or wrote nothing.
        """
        refuse_undo(self._state, self._state.get(job_id))
        job = replace(new_job(self._around, definition, start, apply=apply), undoes=job_id)
        return self._started(definition, job, start, lambda _: refuse_undo(self._state, self._state.get(job_id)))

    def replay(self, definition: SyncDefinition, choice: Choice, start: Start, *, apply: bool) -> Job:
        """Run open rejects of a sync again through the definition as it is now; nothing is dropped.

        The variables are those of the jobs that set them aside.

        Raises:
            RefuseError: no open reject is meant, or their jobs were given different values of a variable that it needs.
        """
        refuse_unbuilt(definition)
        rows = chosen(self._state, definition.name, choice)
        start = replace(start, variables=variables_of(self._state, definition, list(rows)))
        words = f"{definition.name} {choice}".strip()
        job = replace(new_job(self._around, definition, start, apply=apply), replays=words)
        return self._started(definition, job, start, lambda run: keep_open(run.state, job, definition, choice))

    def queue_replay(self, definition: SyncDefinition, choice: Choice, start: Start, *, apply: bool) -> Job:
        """A replay that waits for its turn; what is open then is run again. Raises as `replay`."""
        refuse_unbuilt(definition)
        rows = chosen(self._state, definition.name, choice)
        start = replace(start, variables=variables_of(self._state, definition, list(rows)))
        job, _ = queueing.queued(new_job(self._around, definition, start, apply=apply), start)
        job = replace(job, replays=f"{definition.name} {choice}".strip())
        add_replay(self._state, job, choice)
        event(_log, "job.queued", sync=job.sync, job=job.id)
        return job

    def queue(
        self,
        definition: SyncDefinition,
        start: Start,
        *,
        apply: bool,
        undoes: str | None = None,
        job_id: str | None = None,
        at: datetime | None = None,
    ) -> Job:
        """Store a job that waits for its turn, with the files handed over; returns at once. `slice` works on it.

        `undoes`: the job that it is to take back. `job_id`: its id, where it has to be a certain one; `at`: its time of
        creation then, for a store knows a new job by both.

        Raises:
            RefuseError: the sync is switched off, or a file is not there; or as `undo`.
            StateError: there is a job of that id.
        """
        if undoes is None:
            refuse_unbuilt(definition)
        else:
            refuse_undo(self._state, self._state.get(undoes))
        new = new_job(self._around, definition, start, apply=apply)
        job, files = queueing.queued(
            replace(new, id=job_id or new.id, created_at=at or new.created_at, undoes=undoes), start
        )
        self._state.add(job, files)
        event(_log, "job.queued", sync=job.sync, job=job.id)
        return job

    def slice(
        self,
        seen: Job,
        definition: SyncDefinition,
        *,
        max_slice_s: float,
        progress: ProgressListener = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Job:
        """Take the lease, begin a queued job or go on with it for about `max_slice_s`, and give the lease back.

        `seen` is the job as it was when its definition was chosen; when somebody has begun it since, nothing is done.
        A job that is `Queued` or `Running` in the answer needs another slice, a while later: it is not through, or an
        older one of its sync comes first. A job that needs none is given back as it is. `stopping`: end it early.

        Raises:
            AlreadyRunningError: another slice or start of its sync is at work; nothing was done.
            StaleLeaseError: another start took the sync over in the course.
        """
        job = self._state.get(seen.id)
        if job.state not in queueing.AT_WORK or job.slices is None or queueing.before_it(self._state, job):
            return job
        start = Start({}, job.started_by, progress=progress)
        with leased_run(self._around, job, definition, start) as run:
            job = self._state.get(seen.id)
            if job.state is not seen.state or queueing.before_it(self._state, job):
                return job
            run.end_the_dead(job)
            ends_at = self._around.monotonic() + max_slice_s
            run.span = Span(ends_at, stopping, self._around.monotonic)
            return run.guarded(job, lambda: self._sliced(run, job, definition))

    def _sliced(self, run: Run, job: Job, definition: SyncDefinition) -> Job:
        if job.state is JobState.RUNNING:
            self._refuse_other_definition(job, definition)
        if job.undoes is None:
            refuse_unbuilt(definition)
            queueing.refuse_other_variables(job, definition)
        elif job.state is JobState.QUEUED:
            refuse_undo(self._state, self._state.get(job.undoes))
        if job.replays is not None and job.state is JobState.QUEUED:
            keep_open(run.state, job, definition, choice_of(run.state, job))
        run.start = queueing.start_of(run.state, job, run.start)
        run.held.waited_before_s = job.slices.waited_s if job.slices else 0.0
        run.sent_before = job.requests
        job = run.save(queueing.begun(run.state, job, definition))
        event(_log, "slice.started", sync=job.sync, job=job.id, slice=job.slices.begun if job.slices else 0)
        return run.sliced(job)

    def queue_apply(self, definition: SyncDefinition, job_id: str, *, by: str) -> Job:
        """Let the plan of a job that waits for approval, or was stopped, be carried out by `slice`; returns at once.

        Raises:
            RefuseError: as `apply`.
            AlreadyRunningError: a start of its sync is at work.
        """
        job = self._state.get(job_id)
        self._refuse_other_definition(job, definition)
        refuse_unless_applicable(self._state, job)
        queueing.refuse_lost_files(job, definition)
        with leased(self._state, job.sync, job.id, timing=timing(self._around)) as held:
            job = self._state.get(job_id)
            refuse_unless_applicable(self._state, job)
            held.state.clear_cancel(job.id)
            slices = replace(job.slices or Slices(), resting=True, careful=True, mark="")
            job = queueing.resumed(job, slices, by)
            held.state.save(job)
        event(_log, "apply.queued", sync=job.sync, job=job.id, by=by)
        return job

    def apply(self, definition: SyncDefinition, job_id: str, start: Start) -> Job:
        """Apply a stored plan after approval, or go on with a job that was stopped; one without a plan reads again.

        Raises:
            RefuseError: the job is at its end, a newer job of the sync exists, the definition was changed, or the files
                that came with the start are not kept.
            StaleLeaseError: another start took the sync over in the course.
        """
        job = self._state.get(job_id)
        if job.state in queueing.AT_WORK and job.slices is not None:
            return self._carried_through(definition, job, start)
        if job.undoes is None:
            refuse_unbuilt(definition)
        self._refuse_other_definition(job, definition)
        refuse_unless_applicable(self._state, job)
        with leased_run(self._around, job, definition, start) as run:
            job = self._state.get(job_id)  # another start may have made its plan until the lease was ours
            if not job.planned:
                queueing.refuse_lost_files(job, definition)
                return self._from_the_beginning(run, job_id)
            with self._around.connect(definition) as destination:
                job = self._begun_again(run, job_id)
                return run.guarded(job, lambda: run.applied(job, destination, careful=True))

    def _from_the_beginning(self, run: Run, job_id: str) -> Job:
        """A job that was stopped before its plan was made: nothing was written, so it reads again."""
        job = self._begun_again(run, job_id)
        run.start = queueing.start_of(run.state, job, run.start)
        return run.guarded(job, lambda: run.drafted_and_applied(job, apply=job.to_apply))

    def _begun_again(self, run: Run, job_id: str) -> Job:
        job = self._state.get(job_id)
        refuse_unless_applicable(self._state, job)
        run.state.clear_cancel(job.id)
        slices = job.slices and replace(job.slices, resting=False, careful=True, mark="")
        run.sent_before = job.requests
        return run.save(queueing.resumed(job, slices, run.start.started_by))

    def _carried_through(self, definition: SyncDefinition, job: Job, start: Start) -> Job:
        """A queued job, carried out here and now."""
        first = queueing.before_it(self._state, job)
        if first is not None:
            queueing.refuse_unless_first(self._state, job)
        return self.slice(job, definition, max_slice_s=math.inf, progress=start.progress)

    def cancel(self, job_id: str, *, by: str) -> Job:
        """Stop a job: a running one is asked and stops within one batch; one that waits is cancelled at once.

        Raises:
            TransitionError: the job has come to its end.
            AlreadyRunningError: it waits while another job of its sync runs.
        """
        job = self._state.get(job_id)
        refuse_cancel(job)
        try:
            with leased(self._state, job.sync, job.id, timing=timing(self._around)) as held:
                job = self._state.get(job_id)
                refuse_cancel(job)
                ended = replace(
                    job, state=JobState.CANCELLED, error=f"cancelled by {by}", finished_at=self._around.clock()
                )
                held.state.save(ended)
                sweep(held.state, ended, ended=False)
                event(_log, "job.cancelled", sync=job.sync, job=job.id)
                return ended
        except AlreadyRunningError:
            if self._state.get(job_id).state not in queueing.AT_WORK:
                raise
        self._state.ask_to_cancel(job.id, by)
        event(_log, "cancel.asked", sync=job.sync, job=job.id)
        return self._state.get(job_id)

    # ---- starting

    def _start(self, definition: SyncDefinition, start: Start, *, apply: bool) -> Job:
        refuse_unbuilt(definition)
        return self._started(definition, new_job(self._around, definition, start, apply=apply), start)

    def _started(
        self, definition: SyncDefinition, job: Job, start: Start, first: Callable[[Run], None] = lambda _: None
    ) -> Job:
        """A new job, at work at once. `first` is done when the sync is ours and the job is stored."""
        with leased_run(self._around, job, definition, start) as run:
            queueing.refuse_unless_first(self._state, job)
            run.end_the_dead(job)
            run.save(job)
            event(_log, "job.started", sync=job.sync, job=job.id)

            def work() -> Job:
                first(run)
                return run.drafted_and_applied(job, apply=job.to_apply)

            return run.guarded(job, work)

    def _refuse_other_definition(self, job: Job, definition: SyncDefinition) -> None:
        if definition_hash(definition) != job.definition_hash:
            raise RefuseError(
                f"the definition of {job.sync} was changed after job {job.id} made its plan; "
                f"start a new one with `plan {job.sync}`"
            )
