"""The right to write, in SQLite: under the lease of a sync, or while nobody holds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from shared.state import leases
from shared.state.database import Database
from shared.state.leases import NEVER_HELD, StoredLease
from shared.state.rows import job_from_text
from shared.values.jobs import Job, Lease

_READ_LEASE = "SELECT job_id, holder, epoch, until_us, length_us, uneasy FROM leases WHERE sync = ?"


class RightToWrite:
    """A store for the holder of a lease, or for somebody without one. What writes asks it first, in its transaction."""

    _database: Database
    _lease: Lease | None

    @contextmanager
    def _writing_job(self, job_id: str, *, missing_ok: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction in which nobody else can take the lease of the job's sync."""
        with self._database.writing() as connection:
            self._require_job(connection, job_id, missing_ok=missing_ok)
            yield connection

    def _require_job(self, connection: sqlite3.Connection, job_id: str, *, missing_ok: bool = False) -> None:
        found = connection.execute("SELECT sync FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if found is None and not missing_ok:
            raise leases.no_job(job_id)
        if found is not None or self._lease is not None:
            self._require_right(connection, found[0] if found else str(self._lease and self._lease.sync))

    def _require_right(self, connection: sqlite3.Connection, sync: str) -> None:
        leases.require_right(sync, stored_lease(connection, sync), self._lease)


def stored_job(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """One job as it is stored."""
    found = connection.execute("SELECT body FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return job_from_text(found[0]) if found else None


def stored_lease(connection: sqlite3.Connection, sync: str) -> StoredLease:
    """A sync's lease as it is stored."""
    found = connection.execute(_READ_LEASE, (sync,)).fetchone()
    if found is None:
        return NEVER_HELD
    job_id, holder, epoch, until_us, length_us, uneasy = found
    return StoredLease(job_id, holder, epoch, until_us, length_us, bool(uneasy))
