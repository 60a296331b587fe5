"""Jobs: their states, counts and progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.values.files import FileRead
from shared.values.watermarks import Watermark


class JobState(StrEnum):
    """The states of a job. The last six are final."""

    QUEUED = "Queued"
    RUNNING = "Running"
    AWAITING_APPROVAL = "AwaitingApproval"
    SUCCEEDED = "Succeeded"
    COMPLETED_WITH_ERRORS = "CompletedWithErrors"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"
    UNDONE = "Undone"


class Phase(StrEnum):
    """What a running job is doing.

    `WAIT`: until no request of an earlier start can be under way, in seconds. `COMPARE`: an undo looks at the rows.
    """

    WAIT = "wait"
    CHECK = "check"
    READ_SOURCE = "read source"
    READ_DESTINATION = "read destination"
    RESOLVE = "resolve"
    RECONCILE = "reconcile"
    COMPARE = "compare"
    PLAN = "plan"
    APPLY = "apply"
    POST_SYNC = "post-sync"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class SourceBalance:
    """Every source record read is in exactly one bucket."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    ignored: int = 0
    filtered: int = 0
    outside: int = 0
    rejected: int = 0
    conflict: int = 0
    stale: int = 0
    parked: int = 0
    asked_to_delete: int = 0
    not_attempted: int = 0

    @property
    def closes(self) -> bool:
        """Whether the buckets add up to what was read."""
        buckets = [int(getattr(self, name)) for name in SOURCE_BUCKETS]
        return min(buckets) >= 0 and self.read == sum(buckets)


SOURCE_BUCKETS = tuple(name for name in SourceBalance.__dataclass_fields__ if name != "read")


@dataclass(frozen=True, slots=True)
class DestinationBalance:
    """Every destination row read is matched, a duplicate or dropped; every dropped row has one fate."""

    read: int = 0
    matched: int = 0
    duplicate: int = 0
    deleted: int = 0
    expired: int = 0
    deactivated: int = 0
    kept: int = 0
    refused: int = 0
    not_attempted: int = 0

    @property
    def dropped(self) -> int:
        """Rows in the destination's filtered set whose key no source record carries."""
        return self.deleted + self.expired + self.deactivated + self.kept + self.refused + self.not_attempted

    @property
    def closes(self) -> bool:
        """Whether the buckets add up to what was read."""
        smallest = min(int(getattr(self, name)) for name in self.__dataclass_fields__)
        return smallest >= 0 and self.read == self.matched + self.duplicate + self.dropped


FATES = ("deleted", "expired", "deactivated", "kept", "refused", "not_attempted")
"""What becomes of a dropped row: the buckets of a destination's balance that `dropped` adds up."""


@dataclass(frozen=True, slots=True)
class Brake:
    """A limit that stopped a job before its first write (or in its course). Counts in rows."""

    name: str
    found: int
    of: int
    allowed: int
    message: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a step after a job. `detail` is what it said, or why it failed; `started` the job it started."""

    name: str
    kind: str
    succeeded: bool
    attempts: int
    seconds: float
    detail: str
    started: str | None = None


@dataclass(frozen=True, slots=True)
class Slices:
    """How a job that is worked on slice by slice stands.

    `begun`: slices so far. `resting`: no slice is at work, for the last one came to its end in order. `careful`: every
    row is compared before it is written, since a person approved the plan or a slice died. `reached`: where the job
    stands, in words; `waited_s`: how long it has waited for requests of a lost holder. `mark` is what the last slice
    found done, and `idle` how many in a row found nothing new.
    """

    begun: int = 0
    resting: bool = True
    careful: bool = False
    reached: str = ""
    waited_s: float = 0.0
    mark: str = ""
    idle: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One execution of a sync. `timings_s` holds seconds per phase; `notes` are sentences for a person.

    `files` are the source's, where they are remembered; `columns` its own columns and their types, where it tells them.
    `to_apply`: its plan is carried out unless something holds it. `handed_over`: by variable, the name under which the
    file that came with the start is kept with the job. `slices`: None for a job that one process carries through.
    `watermark` is how far its records reach, where the sync is incremental, and `read_from` where the sync's own stood
    when its read began. `steps` tells the steps after it, as far as
    they were taken; `chain` the syncs whose jobs led to this one.
    `applied_by`: who approved its plan, or let it go on after a stop, last.
    `undoes`: the job whose changes this one takes back. `replays`: which rejects it runs again, in words.
    `fingerprint`: the job that keeps what was last known of the destination's rows; see `engine/fingerprint`.
    `open_rejects`: records of the sync that were set aside and not read again, when the job came to its end; else None.
    `settled`: its place among the jobs of its sync that came to their end, from 1: not always their order by age.
    """

    id: str
    sync: str
    state: JobState
    started_by: str
    created_at: datetime
    definition_version: str = ""
    definition_hash: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    finished_at: datetime | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    source: SourceBalance = field(default_factory=SourceBalance)
    destination: DestinationBalance = field(default_factory=DestinationBalance)
    skipped_cells: int = 0
    brakes: tuple[Brake, ...] = ()
    error: str | None = None
    notes: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    files: tuple[FileRead, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    watermark: Watermark | None = None
    read_from: Watermark | None = None
    to_apply: bool = True
    handed_over: Mapping[str, str] = field(default_factory=dict)
    slices: Slices | None = None
    applied_by: str | None = None
    undoes: str | None = None
    replays: str | None = None
    open_rejects: int | None = None
    settled: int | None = None
    steps: tuple[StepResult, ...] = ()
    chain: tuple[str, ...] = ()
    fingerprint: str | None = None

    @property
    def worked_s(self) -> float:
        """How long it worked: without the wait for an approval."""
        return (
            sum(self.timings_s.values())
            or (self.finished_at or self.created_at).timestamp() - self.created_at.timestamp()
        )

    @property
    def has_begun(self) -> bool:
        """Whether it ever left the queue."""
        return self.state is not JobState.QUEUED and (self.slices is None or self.slices.begun > 0)

    @property
    def outdates(self) -> bool:
        """Whether older plans of its sync are out of date by it: it began, and did not end before it had a plan."""
        ended_early = self.state in (JobState.FAILED, JobState.CANCELLED) and not self.planned
        return self.has_begun and not ended_early


_OF_AN_UNDO = {
    "created": "made again", "updated": "restored", "unchanged": "as before already", "ignored": "not carried out",
    "asked_to_delete": "created, to go",
}  # fmt: skip
"""What the source's buckets mean where the source is what another job did."""


def bucket_word(job: Job, bucket: str) -> str:
    """What a bucket of the source's balance means for a job, in words."""
    return (_OF_AN_UNDO.get(bucket, bucket) if job.undoes else bucket).replace("_", " ")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a sync until `until`; `epoch` grows with every holder.

    `uneasy`: an earlier holder did not give it back, so a request of it may still be under way.
    """

    sync: str
    job_id: str
    epoch: int
    until: datetime
    uneasy: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is. `total` is None while it is not known."""

    phase: Phase
    done: int = 0
    total: int | None = None
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class ProgressNote:
    """How far the job of a sync was when somebody looked last: at `at`, in a phase that began at `since`."""

    job: str
    progress: Progress
    since: datetime
    at: datetime
