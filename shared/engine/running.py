"""One run of one job under its lease: draft, brake or approval, apply, end.

Running ──▶ AwaitingApproval ──▶ Running ──▶ Succeeded | CompletedWithErrors
   │               │                └──▶ AwaitingApproval (a brake in the course) | Failed | Cancelled
   │               └──▶ Superseded (a newer plan of the sync)
   └──▶ Failed | Cancelled

Every write to the store is conditional on the lease; once it is lost, nothing is written any more.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.dataverse.throughput.wall import measured, sentence
from shared.definitions.sync import SyncDefinition
from shared.engine.applying import Applied, Applier
from shared.engine.balances import counted
from shared.engine.closing import Closing
from shared.engine.guarding import Claims, no_guard
from shared.engine.leasing import Held
from shared.engine.linking import OPEN
from shared.engine.making import PlanMaking
from shared.engine.plan import MANIFEST, ROWS, Manifest, PlanFile
from shared.engine.queueing import with_own_names
from shared.engine.readback import ReadBack
from shared.engine.realtime.claiming import claims_of
from shared.engine.retention import prune
from shared.engine.slicing import RESTS, SliceOverError, Span, sweep
from shared.engine.surroundings import Destination, Start, Surroundings
from shared.engine.undoing import UndoMaking, guard
from shared.engine.workspace import workspace_folder
from shared.errors import CancelledError, DynsyncError, StaleLeaseError
from shared.log import event
from shared.ports import State
from shared.values.changes import OutcomeStatus
from shared.values.jobs import Job, JobState, Phase, Progress, Slices

_log = logging.getLogger(__name__)
_UNTOUCHED, _COUNTED = "nothing was written", "what was not attempted is counted so"
LOOK_S = 1.0
"""How often, at most, a run looks whether somebody asked it to stop while it reads."""


@dataclass(slots=True)
class Run:
    """One run of one job, from its lease to its end, or to that of its slice. `sent_before`: by earlier runs of it.

    `timings_s`: seconds of the phases of a draft, told while it is made.
    """

    around: Surroundings
    definition: SyncDefinition
    start: Start
    held: Held
    job_id: str
    span: Span = field(default_factory=Span)
    sent_before: Mapping[str, int] = field(default_factory=dict)
    timings_s: Mapping[str, float] = field(default_factory=dict)
    _sent: Mapping[str, int] = field(default_factory=dict)
    _looked_at: float = 0.0

    @property
    def state(self) -> State:
        """The store under the run's lease."""
        return self.held.state

    def save(self, job: Job) -> Job:
        """Store the job; gives it back."""
        self.state.save(job)
        return job

    def cancelled(self) -> bool:
        """Whether the run is to stop: the starter says so, somebody asked, or the lease was lost."""
        return self.start.cancelled() or self.held.lost or self.state.cancel_asked(self.job_id) is not None

    def tell(self, progress: Progress) -> None:
        """Tell the starter; while nothing is written, this is where a run stops that was asked to."""
        self.start.progress(progress)
        now = self.around.monotonic()
        if progress.phase is not Phase.APPLY and now >= self._looked_at + LOOK_S:
            self._looked_at = now
            self._stop_if_asked()
        if progress.phase in RESTS and self.span.over:
            raise SliceOverError(progress.phase.value)

    def requests(self, destination: Destination) -> Mapping[str, int]:
        """What was sent to Dataverse for the job, earlier runs included, and how long the service made us wait."""
        counts = destination.client.transport.requests
        now = {
            "requests": counts.requests,
            "throttled": counts.throttled,
            "retries": counts.retries,
            "throttled_s": round(counts.throttled_s),
        }
        return {name: count + self.sent_before.get(name, 0) for name, count in now.items()}

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Destination]:
        with self.around.connect(self.definition) as destination:
            try:
                yield destination
            finally:
                self._sent = self.requests(destination)

    def _stop_if_asked(self, *, left: str = _UNTOUCHED) -> None:
        if self.held.lost:
            self.held.renew()
        if self.cancelled():
            raise CancelledError(f"{self._asked()}; {left}")

    def _asked(self) -> str:
        who = self.state.cancel_asked(self.job_id)
        return "cancelled" if who is None else f"cancelled by {who}"

    def end_the_dead(self, job: Job) -> None:
        """With the lease in our hands, any other job of the sync that says it runs has lost its process."""
        for other in self.state.list(sync=job.sync, states=[JobState.RUNNING], limit=1000):
            if other.id != job.id and other.slices is None:
                self._closing.close(
                    other, JobState.FAILED, error="its process ended without a word; its counts are not confirmed"
                )

    def guarded(self, job: Job, work: Callable[[], Job]) -> Job:
        """Run `work`; whatever ends it, the job's last state says so, unless the lease was lost.

        Raises:
            StaleLeaseError: another start has taken the sync over; the job's state is its to tell.
        """
        try:
            return self._pruned(work())
        except StaleLeaseError:
            event(_log, "lease.lost", level=logging.WARNING, sync=job.sync, job=job.id)
            raise
        except SliceOverError as over:
            return self._rest(self._as_left(job), over.reached)
        except CancelledError as error:
            return self._closing.end(self._as_left(job), JobState.CANCELLED, error=str(error))
        except DynsyncError as error:
            left = self._as_left(job)
            return self._closing.end(left, JobState.FAILED, error=with_own_names(str(error), left, self.start))
        except KeyboardInterrupt:
            self._end_if_ours(job, JobState.CANCELLED, "cancelled by the person who started it")
            raise
        except BaseException as error:
            self._end_if_ours(
                job, JobState.FAILED, f"unexpected {type(error).__name__}; this is a fault of the program"
            )
            raise

    def _end_if_ours(self, job: Job, state: JobState, error: str) -> None:
        with contextlib.suppress(StaleLeaseError):
            self._closing.close(self._as_left(job), state, error=error)

    def _as_left(self, job: Job) -> Job:
        """The stored job, with what was sent for it in vain, and the time that it took."""
        stored = self.state.get(job.id)
        timings_s = {**stored.timings_s, **self.timings_s}
        return replace(stored, requests=self._sent or stored.requests, timings_s=timings_s)

    def _pruned(self, job: Job) -> Job:
        prune(self.state, job, days=self.around.retention_days, now=self.around.clock())
        return job

    def _rest(self, job: Job, reached: str) -> Job:
        """The slice is over; the job goes on with the next."""
        slices = job.slices or Slices()
        slices = replace(slices, resting=True, reached=reached, waited_s=self.held.waited_s)
        event(_log, "slice.finished", sync=job.sync, job=job.id, slice=slices.begun)
        return self.save(replace(job, slices=slices, requests=self._sent or job.requests))

    def _settle(self, job: Job) -> None:
        """Wait for what an earlier start, whose lease ran out, may still have under way."""
        if self.held.lease.uneasy:
            told = {"sync": job.sync, "job": job.id, "wait_s": round(self.held.settles_in_s)}
            event(_log, "lease.awaited", level=logging.WARNING, **told)
            self.held.settle(lambda: self.cancelled() or self.span.over, self._waiting)
            self._stop_if_asked(left=_COUNTED if job.planned else _UNTOUCHED)
            if self.held.lease.uneasy:
                raise SliceOverError(job.slices.reached if job.slices else "")

    def _waiting(self, passed_s: float, whole_s: float) -> None:
        self.start.progress(Progress(Phase.WAIT, round(passed_s), round(whole_s)))

    # ---- drafting

    def drafted_and_applied(self, job: Job, *, apply: bool) -> Job:
        """Draft the plan and store it; with `apply`, carry it out unless a brake or the definition holds it."""
        if job.open_rejects is not None:  # it had come to its end, whose plan was empty: another look finds less
            manifest = Manifest.from_json(self.state.path(job.id, MANIFEST).read_bytes())
            return self._closing.finish(job, troubled=manifest.reported > 0)
        if apply:
            self._settle(job)  # before the rows are read: a late write of an earlier start has to be seen
        with self._connected() as destination:
            making = PlanMaking(self, destination) if job.undoes is None else UndoMaking(self, destination)
            job, draft = making.made(job)
            if draft.counts.changes == 0:
                return self._closing.finish(job, troubled=draft.manifest.reported > 0)
            if not apply or job.brakes or self.definition.behaviour.approval == "required":
                return self._await_approval(job)
            # One write says that the plan is there and that nothing holds it: who goes on may rely on both.
            sweep(self.state, self.save(job), ended=False)
            return self.applied(job, destination, careful=False)

    def sliced(self, job: Job) -> Job:
        """Bring a queued job on: make its plan, or go on with the one that is stored."""
        if not job.planned:
            return self.drafted_and_applied(job, apply=job.to_apply)
        with self._connected() as destination:
            return self.applied(job, destination, careful=job.slices is not None and job.slices.careful)

    def _await_approval(self, job: Job) -> Job:
        job = self.save(replace(job, state=JobState.AWAITING_APPROVAL))
        sweep(self.state, job, ended=False)
        event(_log, "job.braked" if job.brakes else "job.planned", sync=job.sync, job=job.id)
        return job

    # ---- applying

    def applied(self, job: Job, destination: Destination, *, careful: bool) -> Job:
        """Carry the stored plan out, from where it was left; each request only while the lease outlives it."""
        self._settle(job)
        began = self.around.monotonic()
        self.tell(Progress(Phase.APPLY, 0, sum(job.planned.values())))
        rows, manifest = (self.state.path(job.id, name) for name in (ROWS, MANIFEST))
        with workspace_folder(self.around.workspaces) as folder, PlanFile(rows, manifest) as plan:
            transport = destination.client.transport
            before = transport.uses()
            plan.manifest.refuse_another(destination.client.organization_id)
            transport.permit = self.held.permit
            careful_now = careful or job.undoes is not None
            with claims_of(self.around.ledger, self.state, job, self.around.clock) as claims:
                applied = self._carried_out(job, plan, destination, folder, claims, careful=careful_now)
        seconds = self.around.monotonic() - began
        wall = sentence(measured(before, transport.uses(), seconds), cap=self.definition.destination.parallel)
        job = replace(job, notes=(*job.notes, *([f"Writing: {wall}."] if wall else [])))
        job = replace(job, timings_s=_with_apply(job, seconds), requests=self.requests(destination))
        return self._after_apply(job, plan, applied)

    def _carried_out(
        self, job: Job, plan: PlanFile, destination: Destination, folder: Path, claims: Claims, *, careful: bool
    ) -> Applied:
        table = destination.client.table(plan.manifest.table)
        readback = ReadBack(destination.client, table, plan, folder)
        applier = Applier(
            job_id=job.id,
            plan=plan,
            writer=destination.writer(table),
            readback=readback,
            outcomes=self.state,
            brakes=self.definition.behaviour.brakes,
            parallel=lambda: destination.client.transport.useful,
            careful=careful,
            same_keys=job.undoes is None,
            progress=self.tell,
            cancelled=lambda: self.span.over or self.cancelled(),
            guard=guard(destination.client, table, plan) if job.undoes else no_guard,
            claims=claims,
        )
        began = self.around.monotonic()
        try:
            return applier.apply()
        except BaseException:
            with contextlib.suppress(StaleLeaseError):
                timings_s = _with_apply(job, self.around.monotonic() - began)
                job = replace(job, timings_s=timings_s, requests=self.requests(destination))
                self.save(counted(job, plan.manifest, applier.noted()))
            raise
        finally:
            readback.close()

    def _after_apply(self, job: Job, plan: PlanFile, applied: Applied) -> Job:
        if self.held.lost:
            self.held.renew()  # raises: who holds the lease now tells what became of the job
        job = counted(job, plan.manifest, applied.tally)
        if applied.brake:
            return self._await_approval(replace(job, brakes=(applied.brake,)))
        if sum(applied.tally.values()) < plan.total:
            if self.span.over and not self.cancelled():
                return self._rest(job, "the plan is made")
            error = f"{self._asked()}; {_COUNTED}"
            return self._closing.end(job, JobState.CANCELLED, error=error)
        lost = sum(n for (*_, status), n in applied.tally.items() if status in OPEN)
        if lost:
            error = f"Dataverse gave no answer for {lost:,} changes; `apply {job.id}` goes on with them"
            return self._closing.end(job, JobState.FAILED, error=error)
        troubled = any(n for (*_, status), n in applied.tally.items() if status is not OutcomeStatus.DONE)
        return self._closing.finish(job, troubled=troubled or plan.manifest.reported > 0)

    def permit(self) -> None:
        """Called before each request of a step after the job."""
        if not self.held.lease.uneasy:
            self.held.permit()

    @property
    def _closing(self) -> Closing:
        return Closing(self)


def _with_apply(job: Job, seconds: float) -> dict[str, float]:
    """The seconds of every phase, when the plan was carried out for so many more."""
    return {**job.timings_s, Phase.APPLY.value: round(seconds + job.timings_s.get(Phase.APPLY.value, 0.0), 3)}
