"""The local store behind the seam: its jobs; what belongs to them is in the modules beside this one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from shared.state import leases
from shared.state.artifacts import Artifacts
from shared.state.claims import Claims
from shared.state.database import Database
from shared.state.local.cancels import LocalCancels
from shared.state.local.files import LocalFiles
from shared.state.local.leasing import LocalLeases
from shared.state.local.outcomes import LocalOutcomes
from shared.state.local.readings import LocalReadings
from shared.state.local.right import stored_job
from shared.state.rows import job_from_text, job_to_text, microseconds
from shared.values.jobs import Job, JobState, Lease
from shared.values.life import refuse_forget, refuse_transition

_SAVE_JOB = """
INSERT INTO jobs (id, sync, state, created_us, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body
"""


class LocalState(LocalLeases, LocalCancels, LocalOutcomes, LocalReadings, LocalFiles):
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

    def save(self, job: Job) -> None:
        """Insert or replace one job. Raises `TransitionError`, `StaleLeaseError`."""
        row = (job.id, job.sync, job.state.value, microseconds(job.created_at), job_to_text(job))
        with self._database.writing() as connection:
            stored = stored_job(connection, job.id)
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
            if stored_job(connection, job.id) is not None:
                raise leases.there_already(job)
            into_place()
            connection.execute(_SAVE_JOB, row)

    def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""
        rows = self._database.rows("SELECT body FROM jobs WHERE id = ?", (job_id,))
        if not rows:
            raise leases.no_job(job_id)
        return job_from_text(str(rows[0][0]))

    def find(self, beginning: str, *, limit: int = 6) -> list[str]:
        """The ids that begin so, sorted."""
        sql = "SELECT id FROM jobs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT ?2"
        return [str(job_id) for (job_id,) in self._database.rows(sql, (beginning, limit))]

    def forget(self, job_id: str) -> None:
        """Remove a finished job with its outcomes and files; the job itself last."""
        with self._writing_job(job_id, missing_ok=True) as connection:
            stored = stored_job(connection, job_id)
            if stored is None:
                return
            refuse_forget(stored)
            self._artifacts.remove(job_id)
            for table in ("chunks", "cancels"):
                connection.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

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
