"""The memory of jobs: what they are, who may write, what became of their changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.values.calls import RememberedCall
from shared.values.changes import ChunkOutcome
from shared.values.files import FileRead
from shared.values.jobs import Job, JobState, Lease, Progress, ProgressNote
from shared.values.schedules import Mark
from shared.values.watermarks import Watermark

Clock = Callable[[], datetime]
"""Gives the present time, always with a zone."""


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


class ProgressMemory(Protocol):
    """Per sync: how far its job was the last time, for people who look from elsewhere. Nothing is decided by it."""

    def note(self, sync: str, note: ProgressNote) -> None:
        """Keep it in the place of the one before."""

    def noted(self, sync: str) -> ProgressNote | None:
        """The last one; None where there is none."""


class Schedules(Protocol):
    """Per sync: how far its schedule was followed."""

    def mark(self, sync: str) -> Mark | None:
        """How far; None before it was first looked at."""

    def change(self, sync: str, change: Callable[[Mark | None], Mark]) -> Mark:
        """Change the mark that stands there now; gives what stands there afterwards."""
