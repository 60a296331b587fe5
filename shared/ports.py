"""The seams: what the engine needs from the outside, in protocols of a few methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.values.calls import RememberedCall
from shared.values.changes import ChunkOutcome
from shared.values.events import LedgerEntry, ParkedEvent, Pulse, RejectedEvent, Rule, Wish
from shared.values.files import FileRead
from shared.values.jobs import Job, JobState, Lease, Progress
from shared.values.schedules import Mark
from shared.values.secrets import SecretState
from shared.values.watermarks import Watermark

Clock = Callable[[], datetime]
"""Gives the present time, always with a zone."""


Explain = Callable[[Exception], Exception | None]
"""Says what an error of DuckDB means, or None when it means something else."""


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A record that the reader could not split into cells. `row` counts data records from 1."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class StagedSource:
    """What `Source.stage` left in the sink: `records` good ones, and the malformed ones.

    `in_place`: the sink reads the file anew with every statement, so the file must stay as it is.
    `files` are those that were read, where a source is made of files that can be told apart.
    """

    records: int
    malformed: tuple[MalformedRow, ...] = ()
    in_place: bool = False
    files: tuple[FileRead, ...] = ()


class SourceSink(Protocol):
    """Where a source puts its records: one DuckDB table (or view) that the engine owns.

    The table holds `row_no BIGINT` (data records from 1, malformed ones counted), one column per source column named in
    the definition that is not calculated, and for a source that tells absent from null a BOOLEAN column `"<name>?"`.
    """

    def fill(self, query: str, parameters: Mapping[str, object] | None = None) -> int:
        """Create the table from a DuckDB query; returns the records in it."""

    def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
        """As `fill`, from a query without `row_no` whose records are numbered as they come; it may be read by several
        threads. No column may be called `rowid`. `never`: further columns, BOOLEAN and false in every record.
        """

    def view(self, query: str, explain: Explain) -> int:
        """Let the table be a view of a query over a file that is quick to read anew; returns the records in it.

        A later error of DuckDB that `explain` knows becomes what it returns.
        """

    def create(self, columns: Mapping[str, str]) -> None:
        """Create the empty table from names and DuckDB types; `append` fills it."""

    def append(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Append rows in the order of `create`'s columns."""

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """Run one statement beside the table (the reader's own bookkeeping) and fetch its rows."""


class Source(Protocol):
    """One kind of source, bound to one definition and its variables."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files outside the workspace that the sink's queries read; empty for a database."""

    def stage(self, sink: SourceSink) -> StagedSource:
        """Put all records into the sink.

        Raises:
            SourceError: it cannot be read, or not to its end; names file, line and reason.
        """

    def column_types(self) -> Mapping[str, str]:
        """The source's own columns and their DuckDB types, in order (a look at the header or the first records)."""


class Secrets(Protocol):
    """Secrets by name."""

    def get(self, name: str) -> str:
        """The value. Raises `AuthenticationError` naming the secret (never a value) when there is none."""

    def renew(self, name: str) -> str:
        """The value as its home has it now, not as it is remembered; for one that was refused. Raises as `get`."""


class SecretHome(Secrets, Protocol):
    """Where secrets are kept, for those who look after them."""

    @property
    def place(self) -> str:
        """The home's name, for people."""

    @property
    def writable(self) -> bool:
        """Whether `put` can be of use."""

    def put(self, name: str, value: str) -> None:
        """Keep a value. Raises `NotAllowedError` where that cannot be done."""

    def states(self, names: Iterable[str]) -> Mapping[str, SecretState]:
        """Whether each can be read; and what else the home holds, where it can tell. Names come in lower case."""


class JobStore(Protocol):
    """Jobs, by id and by age. A job's id, sync and time of creation never change."""

    def save(self, job: Job) -> None:
        """Insert or replace one job.

        Raises:
            TransitionError: the stored job's state does not lead to the new one (`values.life`).
        """

    def add(self, job: Job, files: Mapping[str, Path]) -> None:
        """Insert a new job together with copies of its files: all of it or nothing.

        Raises:
            StateError: there is such a job already, or a file cannot be kept.
        """

    def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""

    def find(self, beginning: str, *, limit: int = 6) -> list[str]:
        """The ids that begin so, sorted."""

    def list(
        self,
        *,
        sync: str | None = None,
        states: Iterable[JobState] = (),
        before: datetime | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """The newest first, by time of creation and then by id; of one sync, in some states, made before a time."""

    def forget(self, job_id: str) -> None:
        """Remove a job with its outcomes and files; the job itself last. Nothing happens when it is not there.

        Raises:
            TransitionError: the job is not finished.
        """


class LeaseStore(Protocol):
    """One lease per sync, with an epoch that grows with every holder."""

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """Take the lease until `now` + `seconds`. Raises `AlreadyRunningError` while another start holds it."""

    def renew(self, lease: Lease, *, now: datetime, seconds: float) -> Lease:
        """The same lease until `now` + `seconds`. Raises `StaleLeaseError` when it is no longer ours."""

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing when it is no longer ours. `lease.uneasy` is remembered for the next."""

    def held_by(self, sync: str, *, now: datetime) -> str | None:
        """The job whose start holds it and may still live; None when it can be taken. Takes nothing."""


class CancelStore(Protocol):
    """A flag per job: somebody asks it to stop. It may be set by anybody at any time."""

    def ask_to_cancel(self, job_id: str, by: str) -> None:
        """Set the flag. Raises `NotFoundError`."""

    def cancel_asked(self, job_id: str) -> str | None:
        """Who asked, or None."""

    def clear_cancel(self, job_id: str) -> None:
        """Take the flag back."""


class OutcomeStore(Protocol):
    """What became of each chunk of a plan of a stored job; written before and after every request."""

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably that the chunk is about to be sent."""

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably what became of the chunk."""

    def chunks(self, job_id: str) -> list[ChunkOutcome]:
        """All chunks noted so far, by number."""


class ArtifactStore(Protocol):
    """Files that belong to a job: its plan, its rejects, its report."""

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Keep the file at `path` under `name` (atomically: whole or not at all); `path` is consumed."""

    def path(self, job_id: str, name: str) -> Path:
        """A local, readable copy. Raises `NotFoundError`."""

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job."""

    def drop(self, job_id: str, name: str) -> None:
        """Remove one of them; nothing happens when it is not there."""


class WatermarkMemory(Protocol):
    """How far each incremental sync has read its source."""

    def watermark(self, sync: str) -> Watermark | None:
        """As far as the finished jobs have come, or None."""

    def move_watermark(self, sync: str, to: Watermark | None) -> None:
        """Put it there, or take it away."""


class FileMemory(Protocol):
    """Which files the finished jobs of a sync have read."""

    def note_files(self, job: Job) -> None:
        """Remember the files of a job that has finished (`Job.files`)."""

    def files_read(self, sync: str) -> frozenset[FileRead]:
        """All files remembered for a sync."""


class State(JobStore, LeaseStore, CancelStore, OutcomeStore, ArtifactStore, FileMemory, WatermarkMemory, Protocol):
    """All of a job's memory behind one seam.

    As it is opened, it changes a stored job, its outcomes and files only while nobody holds the lease of its sync; new
    jobs and the flag to cancel may be written at any time. What holds the lease writes through `under(lease)`. Either
    raises `StaleLeaseError` when the lease is another's, and then nothing is changed.
    """

    def under(self, lease: Lease) -> State:
        """The same store for the holder of a lease: every write is conditional on the lease's epoch."""


class CallMemory(Protocol):
    """Starts that came with a key, so that the same key leads to the same job."""

    def remember(self, call: RememberedCall) -> RememberedCall:
        """Keep the call unless its key is known; gives what is kept under the key."""

    def forget(self, key: str) -> None:
        """Forget one call."""

    def forget_before(self, moment: datetime) -> None:
        """Forget the calls from before a time."""


class ProgressListener(Protocol):
    """Somebody who watches a job."""

    def __call__(self, progress: Progress) -> None:
        """Called now and then, from the job's own thread."""


class Schedules(Protocol):
    """Per sync: how far its schedule was followed."""

    def mark(self, sync: str) -> Mark | None:
        """How far; None before it was first looked at."""

    def change(self, sync: str, change: Callable[[Mark | None], Mark]) -> Mark:
        """Change the mark that stands there now; gives what stands there afterwards."""


class Ledger(Protocol):
    """Per sync and record: the last event that was applied, and which batch job is writing the record."""

    def entries(self, sync: str, keys: Collection[str]) -> Mapping[str, LedgerEntry]:
        """What is known of these records, by key; a record without an event is left out."""

    def change(self, sync: str, entries: Iterable[LedgerEntry], rule: Rule) -> frozenset[str]:
        """Store what the rule makes of each entry, and nothing else in between; the keys that it left alone."""


class Park(Protocol):
    """Events that wait, per sync: by key, and within one key in the order of sending."""

    def put(self, events: Sequence[ParkedEvent]) -> None:
        """Keep events; one that waits already (same sync, key and origin) takes its own place again."""

    def waiting(self, sync: str, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that have an event waiting."""

    def first(self, sync: str, *, limit: int, after: tuple[str, int, int] | None = None) -> list[ParkedEvent]:
        """The first ones; behind a place when it is given."""

    def take(self, sync: str, places: Collection[tuple[str, int, int]]) -> None:
        """Take events away; one that is not there does no harm."""

    def count(self, sync: str) -> int:
        """How many wait."""


class RejectedEvents(Protocol):
    """Events that were set aside for good, per sync, in the order of sending."""

    def note(self, events: Sequence[RejectedEvent]) -> None:
        """Keep events; one that is there already is replaced."""

    def first(self, sync: str, *, limit: int, after: tuple[int, int] | None = None) -> list[RejectedEvent]:
        """The first ones; behind a place (number and part of its origin) when it is given."""

    def take(self, sync: str, places: Collection[tuple[int, int]]) -> None:
        """Take events away; one that is not there does no harm."""

    def count(self, sync: str) -> int:
        """How many were set aside."""


class Listeners(Protocol):
    """What is wanted of each sync's listener, and what it has done."""

    def wish(self, sync: str) -> Wish:
        """What is wanted; the default where nobody has said anything."""

    def change(self, sync: str, change: Callable[[Wish], Wish]) -> Wish:
        """Change what is wanted, of what stands there now; gives what stands there afterwards."""

    def pulse(self, sync: str) -> Pulse:
        """What was done so far."""

    def beat(self, sync: str, pulse: Pulse) -> None:
        """Add what was done since the last time: counts are added up, the later of times and numbers stays."""
