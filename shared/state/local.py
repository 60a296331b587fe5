"""The local store: SQLite for jobs, leases and outcomes; a folder for each job's files."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.errors import AlreadyRunningError, NotFoundError
from shared.state.artifacts import Artifacts
from shared.state.database import Database
from shared.state.rows import exceptions_from_text, exceptions_to_text, job_from_text, job_to_text, microseconds
from shared.values.changes import ChunkOutcome
from shared.values.files import FileRead
from shared.values.jobs import Job, JobState, Lease

_SAVE_JOB = """
INSERT INTO jobs (id, sync, state, created_us, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET sync = excluded.sync, state = excluded.state, created_us = excluded.created_us,
  body = excluded.body
"""

_TAKE_LEASE = """
INSERT INTO leases (sync, job_id, holder, epoch, until_us) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (sync) DO UPDATE SET job_id = excluded.job_id, holder = excluded.holder, epoch = excluded.epoch,
  until_us = excluded.until_us
"""

_SAVE_CHUNK = """
INSERT INTO chunks (job_id, chunk, first_change, last_change, answered, exceptions) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (job_id, chunk) DO UPDATE SET first_change = excluded.first_change, last_change = excluded.last_change,
  answered = excluded.answered, exceptions = excluded.exceptions
"""

_SAVE_FILE = "INSERT INTO files_read (sync, name, version, job_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


class LocalState:
    """All of a job's memory in one folder; safe for several threads and several processes at once.

    Each instance is one *holder* of leases: a job's lease is renewed only by the instance that took it, so the same
    job started twice runs once.

    Raises:
        StateError: from every method, when the folder or its database cannot be read or written.
    """

    def __init__(self, folder: Path, *, busy_timeout_s: float = 30.0) -> None:
        self._database = Database(folder / "state.db", busy_timeout_s=busy_timeout_s)
        self._artifacts = Artifacts(folder / "jobs")
        self._holder = uuid.uuid4().hex

    def close(self) -> None:
        """Close the database; done by itself when the object is no longer used."""
        self._database.close()

    def save(self, job: Job) -> None:
        """Insert or replace one job."""
        row = (job.id, job.sync, job.state.value, microseconds(job.created_at), job_to_text(job))
        with self._database.writing() as connection:
            connection.execute(_SAVE_JOB, row)

    def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""
        rows = self._database.rows("SELECT body FROM jobs WHERE id = ?", (job_id,))
        if not rows:
            raise NotFoundError(f"there is no job {job_id!r}; `dynsync jobs` lists them")
        return job_from_text(str(rows[0][0]))

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """Take or renew the lease until `now` + `seconds`.

        Renewing keeps the epoch; taking it over, once it is free or has run out, raises it by one.

        Raises:
            AlreadyRunningError: a living job of the sync, or another start of this job, holds it.
        """
        until = now + timedelta(seconds=seconds)
        with self._database.writing() as connection:
            held = connection.execute("SELECT job_id, holder, epoch, until_us FROM leases WHERE sync = ?", (sync,))
            epoch = self._next_epoch(held.fetchone(), sync, job_id, now)
            connection.execute(_TAKE_LEASE, (sync, job_id, self._holder, epoch, microseconds(until)))
        return Lease(sync=sync, job_id=job_id, epoch=epoch, until=until)

    def _next_epoch(self, held: tuple[Any, ...] | None, sync: str, job_id: str, now: datetime) -> int:
        if held is None:
            return 1
        holding_job, holder, epoch, until_us = held
        if holding_job is None or until_us <= microseconds(now):
            return int(epoch) + 1
        if holding_job == job_id and holder == self._holder:
            return int(epoch)
        until = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=until_us)
        raise AlreadyRunningError(
            f"sync {sync!r} is being run by job {holding_job} (its lease lasts until "
            f"{until.isoformat(timespec='seconds')}); wait until it ends; after a crash, try again after that time"
        )

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing when it is no longer ours. The epoch is remembered."""
        ours = (lease.sync, lease.job_id, lease.epoch, self._holder)
        sql = "UPDATE leases SET job_id = NULL, holder = NULL, until_us = 0"
        with self._database.writing() as connection:
            connection.execute(f"{sql} WHERE sync = ? AND job_id = ? AND epoch = ? AND holder = ?", ours)

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably that the chunk is about to be sent: until `record`, it is in doubt."""
        self._save_chunk(job_id, chunk, answered=False)

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably what became of the chunk."""
        self._save_chunk(job_id, chunk, answered=chunk.answered)

    def _save_chunk(self, job_id: str, chunk: ChunkOutcome, *, answered: bool) -> None:
        exceptions = exceptions_to_text(chunk.exceptions)
        row = (job_id, chunk.chunk, chunk.first_change, chunk.last_change, int(answered), exceptions)
        with self._database.writing() as connection:
            connection.execute(_SAVE_CHUNK, row)

    def chunks(self, job_id: str) -> list[ChunkOutcome]:
        """All chunks noted so far, by number."""
        sql = (
            "SELECT chunk, first_change, last_change, answered, exceptions FROM chunks WHERE job_id = ? ORDER BY chunk"
        )
        return [_chunk(row) for row in self._database.rows(sql, (job_id,))]

    def note_files(self, job: Job) -> None:
        """Remember the files of a job that has finished."""
        rows = [(job.sync, file.name, file.version, job.id) for file in job.files]
        with self._database.writing() as connection:
            connection.executemany(_SAVE_FILE, rows)

    def files_read(self, sync: str) -> frozenset[FileRead]:
        """All files remembered for a sync."""
        rows = self._database.rows("SELECT name, version FROM files_read WHERE sync = ?", (sync,))
        return frozenset(FileRead(str(name), str(version)) for name, version in rows)

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Keep the file at `path` under `name` (whole or not at all); `path` is consumed."""
        self._artifacts.put(job_id, name, path)

    def path(self, job_id: str, name: str) -> Path:
        """A local, readable copy. Raises `NotFoundError`."""
        return self._artifacts.path(job_id, name)

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job."""
        return self._artifacts.names(job_id)

    def list(self, *, sync: str | None = None, states: Iterable[JobState] = (), limit: int = 50) -> list[Job]:
        """The newest first; of one sync, in some states, when asked."""
        wanted = tuple(state.value for state in states)
        conditions = (["sync = ?"] if sync is not None else []) + (
            [f"state IN ({', '.join('?' * len(wanted))})"] if wanted else []
        )
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        parameters = (*(() if sync is None else (sync,)), *wanted, limit)
        sql = f"SELECT body FROM jobs {where} ORDER BY created_us DESC, rowid DESC LIMIT ?"
        return [job_from_text(str(body)) for (body,) in self._database.rows(sql, parameters)]


def _chunk(row: tuple[Any, ...]) -> ChunkOutcome:
    chunk, first, last, answered, exceptions = row
    return ChunkOutcome(chunk, first, last, bool(answered), exceptions_from_text(exceptions))
