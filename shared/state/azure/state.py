"""The store in Azure behind the seam: jobs, outcomes and files under the lease of their sync."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from shared.errors import NotFoundError, StaleLeaseError, StateError
from shared.state import leases
from shared.state.azure import keys, tables
from shared.state.azure.blobs import Blobs
from shared.state.azure.jobs import JobRows
from shared.state.azure.leasing import LeaseRows
from shared.state.azure.tables import FenceGoneError, MovedRowError, Operation, Row, Rows
from shared.state.azure.texts import packed, unpacked
from shared.state.names import checked
from shared.state.rows import exceptions_from_text, exceptions_to_text, watermark_from_text
from shared.values.changes import ChunkOutcome
from shared.values.files import FileRead
from shared.values.jobs import Job, JobState, Lease
from shared.values.life import refuse_forget, refuse_transition
from shared.values.watermarks import Watermark

ATTEMPTS = 20
"""How often a write is tried whose rows others change meanwhile."""


class AzureState:
    """All of a job's memory in one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows, blobs: Blobs) -> None:
        self._rows, self._blobs = rows, blobs
        self._jobs, self._leases = JobRows(rows, blobs), LeaseRows(rows)
        self._lease: Lease | None = None

    def under(self, lease: Lease) -> AzureState:
        """The same store for the holder of a lease: every write is conditional on the lease's epoch."""
        bound = copy.copy(self)
        bound._lease = lease
        return bound

    # ---- jobs

    def save(self, job: Job) -> None:
        """Insert or replace one job. Raises `TransitionError`, `StaleLeaseError`."""
        self._leases.prepare(job.sync)
        for _ in range(ATTEMPTS):
            found = self._jobs.read(job.id)
            if found is not None:
                leases.refuse_other_identity(found[0], job)
            if found is not None or self._lease is not None:
                self._require_right(job.sync)
            if found is not None:
                refuse_transition(found[0], job.state)
            else:
                self._jobs.announce(job)
            try:
                self._commit(job.sync, self._jobs.saving(job, found), fenced=found is not None)
            except MovedRowError:
                continue
            return
        raise _busy(job.sync)

    def add(self, job: Job, files: Mapping[str, Path]) -> None:
        """Insert a new job together with copies of its files, in one transaction. Raises `StateError`."""
        self._leases.prepare(job.sync)
        if self._jobs.read(job.id) is not None:
            raise leases.there_already(job)
        blobs = {name: self._blobs.upload(job.id, checked(name, "file name"), path) for name, path in files.items()}
        rows = [_artifact(job.sync, job.id, name, blob) for name, blob in blobs.items()]
        self._jobs.announce(job)
        try:
            self._commit(job.sync, [*self._jobs.saving(job, None), *map(tables.put, rows)], fenced=False)
        except MovedRowError as error:
            raise leases.there_already(job) from error

    def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""
        found = self._jobs.read(job_id)
        if found is None:
            raise _not_found(job_id)
        return found[0]

    def find(self, beginning: str, *, limit: int = 6) -> list[str]:
        """The ids that begin so, sorted."""
        return self._jobs.find(beginning, limit)

    def forget(self, job_id: str) -> None:
        """Remove a finished job with its outcomes and files; the job itself last."""
        found = self._jobs.read(job_id)
        sync = found[0].sync if found else (self._lease.sync if self._lease else None)
        if sync is not None:
            self._require_right(sync)
        if found is None:
            return
        job = found[0]
        refuse_forget(job)
        self._remove(job.sync, keys.of_job("artifact", job_id))
        self._blobs.delete_all(job_id)
        for kind in ("chunk", "cancel"):
            self._remove(job.sync, keys.of_job(kind, job_id))
        self._remove(job.sync, self._jobs.key(job))
        self._jobs.withdraw(job)

    def _remove(self, sync: str, prefix: str) -> None:
        """Delete the rows whose key begins so, under the fence."""
        partition = keys.partition(sync)
        found = self._rows.beginning(partition, prefix)
        while some := [tables.remove(partition, row["RowKey"]) for row in itertools.islice(found, 90)]:
            try:
                self._commit(sync, some)
            except MovedRowError as error:
                raise _busy(sync) from error

    # ---- leases

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """Take the lease until `now` + `seconds`; the epoch rises by one. Raises `AlreadyRunningError`."""
        return self._leases.acquire(sync, job_id, now=now, seconds=seconds)

    def renew(self, lease: Lease, *, now: datetime, seconds: float) -> Lease:
        """The same lease until `now` + `seconds`. Raises `StaleLeaseError`."""
        return self._leases.renew(lease, now=now, seconds=seconds)

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing when it is no longer ours. The epoch is remembered."""
        self._leases.release(lease)

    def held_by(self, sync: str, *, now: datetime) -> str | None:
        """The job whose start holds it and may still live; None when it can be taken. Takes nothing."""
        return self._leases.held_by(sync, now=now)

    # ---- the flag to cancel

    def ask_to_cancel(self, job_id: str, by: str) -> None:
        """Set the flag. Raises `NotFoundError`."""
        partition = keys.partition(self.get(job_id).sync)
        row = {"PartitionKey": partition, "RowKey": keys.of_job("cancel", job_id), **packed(by, job_id, self._blobs)}
        if self._rows.get(partition, row["RowKey"]) is None:
            self._rows.put(row)

    def cancel_asked(self, job_id: str) -> str | None:
        """Who asked, or None."""
        sync = self._known_sync(job_id)
        found = self._rows.get(keys.partition(sync), keys.of_job("cancel", job_id)) if sync is not None else None
        return unpacked(found[0], self._blobs) if found else None

    def clear_cancel(self, job_id: str) -> None:
        """Take the flag back."""
        sync = self._sync(job_id)
        self._require_right(sync)
        self._remove(sync, keys.of_job("cancel", job_id))

    # ---- outcomes

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably that the chunk is about to be sent: until `record`, it is in doubt."""
        self._save_chunk(job_id, chunk, answered=False)

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably what became of the chunk."""
        self._save_chunk(job_id, chunk, answered=chunk.answered)

    def _save_chunk(self, job_id: str, chunk: ChunkOutcome, *, answered: bool) -> None:
        sync = self._sync(job_id)
        row = {
            "PartitionKey": keys.partition(sync),
            "RowKey": keys.of_job("chunk", job_id, f"{chunk.chunk:010}"),
            "first": str(chunk.first_change),
            "last": str(chunk.last_change),
            "answered": answered,
            **packed(exceptions_to_text(chunk.exceptions), job_id, self._blobs),
        }
        self._commit(sync, [tables.put(row)])

    def chunks(self, job_id: str) -> list[ChunkOutcome]:
        """All chunks noted so far, by number."""
        return [self._chunk(row) for row in self._of_job("chunk", job_id)]

    def _chunk(self, row: Row) -> ChunkOutcome:
        number = int(row["RowKey"].rpartition("!")[2])
        exceptions = exceptions_from_text(unpacked(row, self._blobs))
        return ChunkOutcome(number, int(row["first"]), int(row["last"]), bool(row["answered"]), exceptions)

    # ---- files

    def note_files(self, job: Job) -> None:
        """Remember the files of a job that has finished."""
        self._leases.prepare(job.sync)
        self._require_right(job.sync)
        partition = keys.partition(job.sync)
        rows = {
            keys.file_read(file): {
                "PartitionKey": partition,
                "RowKey": keys.file_read(file),
                **packed(f"{len(file.name)}!{file.name}{file.version}", job.id, self._blobs),
            }
            for file in job.files
        }
        for some in itertools.batched(rows.values(), 90, strict=False):
            self._commit(job.sync, [tables.put(row) for row in some])

    def files_read(self, sync: str) -> frozenset[FileRead]:
        """All files remembered for a sync."""
        rows = self._rows.beginning(keys.partition(sync), "file!")
        return frozenset(_file(unpacked(row, self._blobs)) for row in rows)

    def watermark(self, sync: str) -> Watermark | None:
        """As far as the finished jobs have come, or None."""
        row = self._rows.get(keys.partition(sync), keys.WATERMARK)
        found = row[0] if row else {"value": ""}
        return watermark_from_text(found["column"], found["value"], found["choice"]) if found["value"] else None

    def move_watermark(self, sync: str, to: Watermark | None) -> None:
        """Put it there, or take it away."""
        self._leases.prepare(sync)
        self._require_right(sync)
        value = {"column": to.column, "value": str(to), "choice": to.choice} if to else {"column": "", "value": ""}
        row = {"PartitionKey": keys.partition(sync), "RowKey": keys.WATERMARK, **value}
        self._commit(sync, [tables.put(row)])

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Keep the file at `path` under `name` (whole or not at all); `path` is consumed.

        The blob is there first; the row that makes it the job's file is written under the fence.
        """
        checked(name, "file name")
        checked(job_id, "job id")
        if path.is_symlink() or not path.is_file():
            raise StateError(f"{path} is not a plain file; only files can be kept with a job")
        sync = self._sync(job_id)
        older = self._rows.get(keys.partition(sync), keys.of_job("artifact", job_id, name))
        blob = self._blobs.upload(job_id, name, path)
        try:
            self._commit(sync, [tables.put(_artifact(sync, job_id, name, blob))])
        except StaleLeaseError:
            self._blobs.delete(blob)
            raise
        if older is not None:
            self._blobs.delete(older[0]["blob"])
        path.unlink()

    def path(self, job_id: str, name: str) -> Path:
        """A local, readable copy. Raises `NotFoundError`."""
        checked(name, "file name")
        checked(job_id, "job id")
        sync = self._known_sync(job_id)
        row = self._rows.get(keys.partition(sync), keys.of_job("artifact", job_id, name)) if sync is not None else None
        if row is None:
            kept = ", ".join(self.names(job_id)) or "nothing"
            raise NotFoundError(f"job {job_id} keeps no {name!r}; it keeps {kept}")
        return self._blobs.local(row[0]["blob"], name)

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job."""
        return [row["RowKey"].rpartition("!")[2] for row in self._of_job("artifact", job_id)]

    def drop(self, job_id: str, name: str) -> None:
        """Remove one of them; nothing happens when it is not there."""
        sync = self._sync(job_id)
        partition, key = keys.partition(sync), keys.of_job("artifact", job_id, checked(name, "file name"))
        found = self._rows.get(partition, key)
        if found is None:
            self._require_right(sync)
            return
        try:
            self._commit(sync, [tables.remove(partition, key)])
        except MovedRowError as error:
            raise _busy(sync) from error
        self._blobs.delete(found[0]["blob"])

    # ---- the right to write

    def _of_job(self, kind: str, job_id: str) -> Iterator[Row]:
        sync = self._known_sync(job_id)
        return self._rows.beginning(keys.partition(sync), keys.of_job(kind, job_id)) if sync is not None else iter(())

    def _known_sync(self, job_id: str) -> str | None:
        if self._lease is not None and self._lease.job_id == job_id:
            return self._lease.sync
        return self._jobs.sync_of(job_id)

    def _sync(self, job_id: str) -> str:
        sync = self._known_sync(job_id)
        if sync is None:
            raise _not_found(job_id)
        return sync

    def _require_right(self, sync: str) -> None:
        """Look whether the lease is ours, or nobody's; the fence decides in the end."""
        stored = self._leases.read(sync)
        if self._lease is None:
            if stored.job_id is not None:
                raise leases.held(sync, stored)
        elif self._lease.sync != sync:
            raise leases.stale(self._lease)
        else:
            leases.require_ours(stored, self._lease)

    def _commit(self, sync: str, operations: Sequence[Operation], *, fenced: bool = True) -> None:
        if self._lease is not None:
            fence: str | None = keys.fence(self._lease.epoch)
        else:
            fence = keys.FREE if fenced else None
        try:
            self._rows.commit(keys.partition(sync), operations, fence=fence)
        except FenceGoneError:
            self._require_right(sync)
            raise _busy(sync) from None

    def list(
        self,
        *,
        sync: str | None = None,
        states: Iterable[JobState] = (),
        before: datetime | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """The newest first; of one sync, in some states, made before a time, when asked."""
        return self._jobs.list(sync, frozenset(states), before, limit)


def _artifact(sync: str, job_id: str, name: str, blob: str) -> Row:
    """The row that makes a blob the job's file."""
    return {"PartitionKey": keys.partition(sync), "RowKey": keys.of_job("artifact", job_id, name), "blob": blob}


def _file(text: str) -> FileRead:
    length, _, rest = text.partition("!")
    return FileRead(rest[: int(length)], rest[int(length) :])


def _not_found(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id!r}; `dynsync jobs` lists them")


def _busy(sync: str) -> StateError:
    return StateError(f"the jobs of sync {sync!r} are being changed by others all the time; try again")
