"""The local store: SQLite for jobs, leases and outcomes; a folder for each job's files."""

from __future__ import annotations

import copy
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.errors import NotFoundError
from shared.state import leases
from shared.state.artifacts import Artifacts
from shared.state.claims import Claims, machine
from shared.state.database import Database
from shared.state.leases import NEVER_HELD, StoredLease
from shared.state.rows import (
    exceptions_from_text,
    exceptions_to_text,
    job_from_text,
    job_to_text,
    microseconds,
    watermark_from_text,
)
from shared.values.changes import ChunkOutcome
from shared.values.files import FileRead
from shared.values.jobs import Job, JobState, Lease
from shared.values.life import refuse_forget, refuse_transition
from shared.values.watermarks import Watermark

_SAVE_JOB = """
INSERT INTO jobs (id, sync, state, created_us, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body
"""

_READ_LEASE = "SELECT job_id, holder, epoch, until_us, length_us, uneasy FROM leases WHERE sync = ?"

_SAVE_LEASE = """
INSERT INTO leases (job_id, holder, epoch, until_us, length_us, uneasy, sync) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sync) DO UPDATE SET job_id = excluded.job_id, holder = excluded.holder, epoch = excluded.epoch,
  until_us = excluded.until_us, length_us = excluded.length_us, uneasy = excluded.uneasy
"""

_SAVE_CHUNK = """
INSERT INTO chunks (job_id, chunk, first_change, last_change, answered, exceptions) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (job_id, chunk) DO UPDATE SET first_change = excluded.first_change, last_change = excluded.last_change,
  answered = excluded.answered, exceptions = excluded.exceptions
"""

_SAVE_FILE = "INSERT INTO files_read (sync, name, version, job_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

_SAVE_CANCEL = "INSERT INTO cancels (job_id, asked_by) VALUES (?, ?) ON CONFLICT (job_id) DO NOTHING"


class LocalState:
    """All of a job's memory in one folder; safe for several threads and several processes at once.

    Raises:
        StateError: from every method, when the folder or its database cannot be read or written.
    """

    def __init__(self, folder: Path, *, busy_timeout_s: float = 30.0) -> None:
        self._database = Database(folder / "state.db", busy_timeout_s=busy_timeout_s)
        self._artifacts = Artifacts(folder / "jobs")
        self._claims = Claims(folder / "leases")
        self._lease: Lease | None = None

    def close(self) -> None:
        """Close the database; done by itself when the object is no longer used."""
        self._database.close()

    def under(self, lease: Lease) -> LocalState:
        """The same store for the holder of a lease: every write is conditional on the lease's epoch."""
        bound = copy.copy(self)
        bound._lease = lease
        return bound

    # ---- jobs

    def save(self, job: Job) -> None:
        """Insert or replace one job. Raises `TransitionError`, `StaleLeaseError`."""
        row = (job.id, job.sync, job.state.value, microseconds(job.created_at), job_to_text(job))
        with self._database.writing() as connection:
            stored = _job(connection, job.id)
            if stored is not None:
                leases.refuse_other_identity(stored, job)
            if stored is not None or self._lease is not None:
                self._require_right(connection, job.sync)
            if stored is not None:
                refuse_transition(stored, job.state)
            connection.execute(_SAVE_JOB, row)

    def add(self, job: Job, files: Mapping[str, Path]) -> None:
        """Insert a new job together with copies of its files. Raises `StateError` when there is such a job."""
        row = (job.id, job.sync, job.state.value, microseconds(job.created_at), job_to_text(job))
        with self._artifacts.copied(job.id, files) as into_place, self._database.writing() as connection:
            if _job(connection, job.id) is not None:
                raise leases.there_already(job)
            into_place()
            connection.execute(_SAVE_JOB, row)

    def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""
        rows = self._database.rows("SELECT body FROM jobs WHERE id = ?", (job_id,))
        if not rows:
            raise _not_found(job_id)
        return job_from_text(str(rows[0][0]))

    def find(self, beginning: str, *, limit: int = 6) -> list[str]:
        """The ids that begin so, sorted."""
        sql = "SELECT id FROM jobs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT ?2"
        return [str(job_id) for (job_id,) in self._database.rows(sql, (beginning, limit))]

    def forget(self, job_id: str) -> None:
        """Remove a finished job with its outcomes and files; the job itself last."""
        with self._writing_job(job_id, missing_ok=True) as connection:
            stored = _job(connection, job_id)
            if stored is None:
                return
            refuse_forget(stored)
            self._artifacts.remove(job_id)
            for table in ("chunks", "cancels"):
                connection.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    # ---- leases

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """Take the lease until `now` + `seconds`; the epoch rises by one. Raises `AlreadyRunningError`."""
        with self._database.writing() as connection:
            stored = leases.seen(_lease(connection, sync), now)
            gone = self._claims.take(sync, stored.holder)
            living = leases.is_living(stored, now) and not gone
            holder = f"{machine()}:{uuid.uuid4().hex}"
            new = stored
            if not living:
                new = leases.taken(stored, job_id, holder, now=now, seconds=seconds, last_is_gone=gone)
            _save_lease(connection, sync, new)
        if living:
            raise leases.running(sync, stored)
        return new.lease(sync)

    def renew(self, lease: Lease, *, now: datetime, seconds: float) -> Lease:
        """The same lease until `now` + `seconds`. Raises `StaleLeaseError`."""
        with self._database.writing() as connection:
            new = leases.renewed(_lease(connection, lease.sync), lease, now=now, seconds=seconds)
            _save_lease(connection, lease.sync, new)
        return new.lease(lease.sync)

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing when it is no longer ours. The epoch is remembered."""
        with self._database.writing() as connection:
            stored = _lease(connection, lease.sync)
            if leases.is_ours(stored, lease):
                _save_lease(connection, lease.sync, leases.released(stored, lease))
                self._claims.release(lease.sync)

    def held_by(self, sync: str, *, now: datetime) -> str | None:
        """The job whose start holds it and may still live; None when it can be taken. Takes nothing."""
        with self._database.writing() as connection:
            stored = leases.seen(_lease(connection, sync), now)
            living = leases.is_living(stored, now) and not self._claims.is_gone(sync, stored.holder)
        return stored.job_id if living else None

    # ---- the flag to cancel

    def ask_to_cancel(self, job_id: str, by: str) -> None:
        """Set the flag. Raises `NotFoundError`."""
        with self._database.writing() as connection:
            if _job(connection, job_id) is None:
                raise _not_found(job_id)
            connection.execute(_SAVE_CANCEL, (job_id, by))

    def cancel_asked(self, job_id: str) -> str | None:
        """Who asked, or None."""
        rows = self._database.rows("SELECT asked_by FROM cancels WHERE job_id = ?", (job_id,))
        return str(rows[0][0]) if rows else None

    def clear_cancel(self, job_id: str) -> None:
        """Take the flag back."""
        with self._writing_job(job_id) as connection:
            connection.execute("DELETE FROM cancels WHERE job_id = ?", (job_id,))

    # ---- outcomes

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably that the chunk is about to be sent: until `record`, it is in doubt."""
        self._save_chunk(job_id, chunk, answered=False)

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably what became of the chunk."""
        self._save_chunk(job_id, chunk, answered=chunk.answered)

    def _save_chunk(self, job_id: str, chunk: ChunkOutcome, *, answered: bool) -> None:
        exceptions = exceptions_to_text(chunk.exceptions)
        row = (job_id, chunk.chunk, chunk.first_change, chunk.last_change, int(answered), exceptions)

        def save(connection: sqlite3.Connection) -> None:
            self._require_job(connection, job_id)
            connection.execute(_SAVE_CHUNK, row)

        self._database.together(save)

    def chunks(self, job_id: str) -> list[ChunkOutcome]:
        """All chunks noted so far, by number."""
        sql = (
            "SELECT chunk, first_change, last_change, answered, exceptions FROM chunks WHERE job_id = ? ORDER BY chunk"
        )
        return [_chunk(row) for row in self._database.rows(sql, (job_id,))]

    # ---- files

    def note_files(self, job: Job) -> None:
        """Remember the files of a job that has finished."""
        rows = [(job.sync, file.name, file.version, job.id) for file in job.files]
        with self._database.writing() as connection:
            self._require_right(connection, job.sync)
            connection.executemany(_SAVE_FILE, rows)

    def files_read(self, sync: str) -> frozenset[FileRead]:
        """All files remembered for a sync."""
        rows = self._database.rows("SELECT name, version FROM files_read WHERE sync = ?", (sync,))
        return frozenset(FileRead(str(name), str(version)) for name, version in rows)

    def watermark(self, sync: str) -> Watermark | None:
        """As far as the finished jobs have come, or None."""
        rows = self._database.rows("SELECT column_name, value, choice FROM read_up_to WHERE sync = ?", (sync,))
        return watermark_from_text(*map(str, rows[0])) if rows else None

    def move_watermark(self, sync: str, to: Watermark | None) -> None:
        """Put it there, or take it away."""
        with self._database.writing() as connection:
            self._require_right(connection, sync)
            connection.execute("DELETE FROM read_up_to WHERE sync = ?", (sync,))
            if to is not None:
                row = (sync, to.column, str(to), to.choice)
                connection.execute("INSERT INTO read_up_to VALUES (?, ?, ?, ?)", row)

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Keep the file at `path` under `name` (whole or not at all); `path` is consumed."""
        with self._artifacts.staged(job_id, name, path) as into_place, self._writing_job(job_id):
            into_place()

    def path(self, job_id: str, name: str) -> Path:
        """A local, readable copy. Raises `NotFoundError`."""
        return self._artifacts.path(job_id, name)

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job."""
        return self._artifacts.names(job_id)

    def drop(self, job_id: str, name: str) -> None:
        """Remove one of them; nothing happens when it is not there."""
        with self._writing_job(job_id):
            self._artifacts.drop(job_id, name)

    # ---- the right to write

    @contextmanager
    def _writing_job(self, job_id: str, *, missing_ok: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction in which nobody else can take the lease of the job's sync."""
        with self._database.writing() as connection:
            self._require_job(connection, job_id, missing_ok=missing_ok)
            yield connection

    def _require_job(self, connection: sqlite3.Connection, job_id: str, *, missing_ok: bool = False) -> None:
        found = connection.execute("SELECT sync FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if found is None and not missing_ok:
            raise _not_found(job_id)
        if found is not None or self._lease is not None:
            self._require_right(connection, found[0] if found else str(self._lease and self._lease.sync))

    def _require_right(self, connection: sqlite3.Connection, sync: str) -> None:
        stored = _lease(connection, sync)
        if self._lease is None:
            if stored.job_id is not None:
                raise leases.held(sync, stored)
        elif self._lease.sync != sync:
            raise leases.stale(self._lease)
        else:
            leases.require_ours(stored, self._lease)

    def list(
        self,
        *,
        sync: str | None = None,
        states: Iterable[JobState] = (),
        before: datetime | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """The newest first; of one sync, in some states, made before a time, when asked."""
        wanted = tuple(state.value for state in states)
        tests: list[tuple[str, tuple[object, ...]]] = []
        if sync is not None:
            tests.append(("sync = ?", (sync,)))
        if wanted:
            tests.append((f"state IN ({', '.join('?' * len(wanted))})", wanted))
        if before is not None:
            tests.append(("created_us < ?", (microseconds(before),)))
        where = f"WHERE {' AND '.join(test for test, _ in tests)}" if tests else ""
        sql = f"SELECT body FROM jobs {where} ORDER BY created_us DESC, id DESC LIMIT ?"
        parameters = (*(value for _, values in tests for value in values), limit)
        return [job_from_text(str(body)) for (body,) in self._database.rows(sql, parameters)]


def _job(connection: sqlite3.Connection, job_id: str) -> Job | None:
    found = connection.execute("SELECT body FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return job_from_text(found[0]) if found else None


def _lease(connection: sqlite3.Connection, sync: str) -> StoredLease:
    found = connection.execute(_READ_LEASE, (sync,)).fetchone()
    if found is None:
        return NEVER_HELD
    job_id, holder, epoch, until_us, length_us, uneasy = found
    return StoredLease(job_id, holder, epoch, until_us, length_us, bool(uneasy))


def _save_lease(connection: sqlite3.Connection, sync: str, new: StoredLease) -> None:
    row = (new.job_id, new.holder, new.epoch, new.until_us, new.length_us, int(new.uneasy), sync)
    connection.execute(_SAVE_LEASE, row)


def _chunk(row: tuple[Any, ...]) -> ChunkOutcome:
    chunk, first, last, answered, exceptions = row
    return ChunkOutcome(chunk, first, last, bool(answered), exceptions_from_text(exceptions))


def _not_found(job_id: str) -> NotFoundError:
    return NotFoundError(f"there is no job {job_id!r}; `dynsync jobs` lists them")
