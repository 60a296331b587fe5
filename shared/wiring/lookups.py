"""Looks into what is kept, page by page: jobs, the changes of a plan, rejects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from itertools import islice

from shared.engine.history import outcomes_of, written
from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.queueing import outdated_by
from shared.engine.rejects import rejects
from shared.errors import NotFoundError
from shared.ports import ProgressMemory, State
from shared.values.changes import Action, Outcome
from shared.values.jobs import Job, JobState
from shared.values.life import UNFINISHED
from shared.values.plans import PlannedChange
from shared.values.records import Reject, RejectType
from shared.values.stories import WrittenRow
from shared.wiring.progress import JobProgress, standing

_AT_A_TIME = 200
_OF_EACH = 10
"""Jobs of one sync that are asked for at first, where those of some syncs are merged."""


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """Rejects of one kind: of one column, for one reason. `example` is the first one's reason."""

    type: RejectType
    column: str | None
    code: str | None
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class NumberedReject:
    """A reject with its place in the list, from 1."""

    number: int
    reject: Reject


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job with its sums: whether both balances close, and its rejects by kind, the most frequent first."""

    job: Job
    source_closes: bool
    destination_closes: bool
    rejects: tuple[RejectGroup, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Lookups:
    """Reads jobs and what belongs to them."""

    state: State
    progress: ProgressMemory

    def standing(self, job: Job) -> JobProgress:
        """How far the job is, for who watches it."""
        if job.state not in UNFINISHED:
            return JobProgress(job.state)
        stopping = self.state.cancel_asked(job.id) is not None
        if job.state is JobState.QUEUED:
            ahead = self.state.list(sync=job.sync, states=(JobState.QUEUED, JobState.RUNNING), limit=1000)
            first = sum((one.created_at, one.id) < (job.created_at, job.id) for one in ahead)
            return JobProgress(job.state, stopping=stopping, before=first)
        return standing(job, self.progress.noted(job.sync), stopping=stopping)

    def wrote(self, job: Job) -> bool:
        """Whether some of its changes were sent."""
        return job.has_begun and bool(job.planned) and bool(self.state.chunks(job.id))

    def outdated_by(self, job: Job) -> str | None:
        """The later job of its sync that began, so that its plan is out of date."""
        newer = outdated_by(self.state, job)
        return newer.id if newer is not None else None

    def undo_of(self, job: Job) -> Job | None:
        """The job that took this one's changes back, or was to: the newest, where it is one of the sync's last."""
        others = self.state.list(sync=job.sync, limit=_AT_A_TIME)
        return next((one for one in others if one.undoes == job.id), None)

    def jobs(
        self,
        may_see: Callable[[str], bool],
        *,
        limit: int,
        among: Sequence[str] | None = None,
        sync: str | None = None,
        states: Sequence[JobState] = (),
        before: datetime | None = None,
        beginning: str = "",
    ) -> list[Job]:
        """The newest jobs of the syncs that may be seen, made before a time; whose id begins so.

        `among`: there are no others that may be seen, so no other's are read. Schedules make jobs of several syncs at
        one instant: those of the last one's come along, over the limit, so that nothing is left out between two pages.
        """
        seen: dict[str, bool] = {}
        found: list[Job] = []
        for job in self._newest(among if sync is None else (sync,), states, before, min(_AT_A_TIME, limit + 2)):
            if len(found) >= limit and job.created_at < found[-1].created_at:
                break
            if job.id.startswith(beginning) and seen.setdefault(job.sync, may_see(job.sync)):
                found.append(job)
        return found

    def _newest(
        self, among: Sequence[str] | None, states: Sequence[JobState], before: datetime | None, most: int
    ) -> Iterator[Job]:
        """The newest first; `most` are asked for at first."""
        if among is None:
            return self._before(None, states, before, most)
        first = most if len(among) == 1 else min(most, _OF_EACH)
        of_each = (self._before(one, states, before, first) for one in among)
        return merge(*of_each, key=lambda job: job.created_at, reverse=True)

    def _before(
        self, sync: str | None, states: Sequence[JobState], before: datetime | None, most: int
    ) -> Iterator[Job]:
        """All jobs, the newest first, asked for some at a time; those of one instant never in two parts."""
        while True:
            page = self.state.list(sync=sync, states=states, before=before, limit=most)
            whole = page if len(page) < most else [job for job in page if job.created_at > page[-1].created_at]
            yield from whole
            if len(page) < most:
                return
            before, most = (whole[-1].created_at, _AT_A_TIME) if whole else (before, most * 2)

    def changes(
        self, job: Job, *, limit: int, after: int = 0, actions: Sequence[Action] = (), key: str | None = None
    ) -> list[PlannedChange]:
        """The plan's changes in order, those behind number `after`; none when the job has no plan."""
        try:
            rows, manifest = self.state.path(job.id, ROWS), self.state.path(job.id, MANIFEST)
        except NotFoundError:
            return []
        with PlanFile(rows, manifest) as plan:
            return plan.page(limit=limit, after=after, actions=actions, key=key)

    def outcomes(self, job: Job, changes: Sequence[PlannedChange]) -> dict[int, Outcome]:
        """What became of changes of the job's plan, by their numbers."""
        return outcomes_of(self.state, job, [one.change for one in changes])

    def written(self, job: Job, *, limit: int, after: int = 0, actions: Sequence[Action] = ()) -> list[WrittenRow]:
        """The rows that the job wrote, in the plan's order, those behind the change of number `after`."""
        return list(islice(written(self.state, job.id, actions, after=after), limit))

    def rejects(
        self, job: Job, *, limit: int, after: int = 0, type_: RejectType | None = None, column: str | None = None
    ) -> list[NumberedReject]:
        """The job's rejects in order, those behind place `after`."""
        numbered = enumerate(rejects(self.state, job.id), start=1)
        fitting = (
            NumberedReject(number, reject)
            for number, reject in numbered
            if number > after and type_ in (None, reject.type) and column in (None, reject.column)
        )
        return list(islice(fitting, limit))

    def report(self, job: Job) -> JobReport:
        """The job with its sums."""
        groups = tuple(_groups(rejects(self.state, job.id)))
        return JobReport(job, job.source.closes, job.destination.closes, groups)


def _groups(found: Iterator[Reject]) -> Iterator[RejectGroup]:
    counts: Counter[tuple[RejectType, str | None, str | None]] = Counter()
    examples: dict[tuple[RejectType, str | None, str | None], str] = {}
    for reject in found:
        kind = (reject.type, reject.column, reject.code)
        counts[kind] += 1
        examples.setdefault(kind, reject.reason)
    for kind, count in counts.most_common():
        yield RejectGroup(*kind, count, examples[kind])
