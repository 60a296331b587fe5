"""Leases, in SQLite; on this machine a holder that has died is known by its lock."""

from __future__ import annotations

import sqlite3
import uuid
from datetime import datetime

from shared.state import leases
from shared.state.claims import Claims, machine
from shared.state.leases import StoredLease
from shared.state.local.right import RightToWrite, stored_lease
from shared.values.jobs import Lease

_SAVE_LEASE = """
INSERT INTO leases (job_id, holder, epoch, until_us, length_us, uneasy, sync) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sync) DO UPDATE SET job_id = excluded.job_id, holder = excluded.holder, epoch = excluded.epoch,
  until_us = excluded.until_us, length_us = excluded.length_us, uneasy = excluded.uneasy
"""


class LocalLeases(RightToWrite):
    """Who runs which sync."""

    _claims: Claims

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """Take the lease until `now` + `seconds`; the epoch rises by one. Raises `AlreadyRunningError`."""
        with self._database.writing() as connection:
            stored = leases.seen(stored_lease(connection, sync), now)
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
            new = leases.renewed(stored_lease(connection, lease.sync), lease, now=now, seconds=seconds)
            _save_lease(connection, lease.sync, new)
        return new.lease(lease.sync)

    def release(self, lease: Lease) -> None:
        """Give the lease back; does nothing when it is no longer ours. The epoch is remembered."""
        with self._database.writing() as connection:
            stored = stored_lease(connection, lease.sync)
            if leases.is_ours(stored, lease):
                _save_lease(connection, lease.sync, leases.released(stored, lease))
                self._claims.release(lease.sync)

    def held_by(self, sync: str, *, now: datetime) -> str | None:
        """The job whose start holds it and may still live; None when it can be taken. Takes nothing."""
        with self._database.writing() as connection:
            stored = leases.seen(stored_lease(connection, sync), now)
            living = leases.is_living(stored, now) and not self._claims.is_gone(sync, stored.holder)
        return stored.job_id if living else None


def _save_lease(connection: sqlite3.Connection, sync: str, new: StoredLease) -> None:
    row = (new.job_id, new.holder, new.epoch, new.until_us, new.length_us, int(new.uneasy), sync)
    connection.execute(_SAVE_LEASE, row)
