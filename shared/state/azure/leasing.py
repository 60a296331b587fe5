"""Leases as rows: one per sync, and the fence of its epoch."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from shared.errors import StateError
from shared.state import leases
from shared.state.azure import keys, tables
from shared.state.azure.tables import MovedRowError, Operation, Rows
from shared.state.leases import NEVER_HELD, StoredLease
from shared.values.jobs import Lease

ATTEMPTS = 20


class LeaseRows:
    """The leases of all syncs."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._prepared: set[str] = set()

    def prepare(self, sync: str) -> None:
        """Give a new sync its lease, free, and the fence that says so."""
        if sync in self._prepared:
            return
        partition = keys.partition(sync)
        if self._rows.get(partition, keys.LEASE) is None:
            try:
                operations = [
                    tables.create(_row(sync, NEVER_HELD)),
                    tables.create({"PartitionKey": partition, "RowKey": keys.FREE}),
                ]
                self._rows.commit(partition, operations)
            except MovedRowError:
                pass  # somebody else was faster
        self._prepared.add(sync)

    def read(self, sync: str) -> StoredLease:
        """The lease as it is stored."""
        found = self._rows.get(keys.partition(sync), keys.LEASE)
        return _stored(found[0]["body"]) if found else NEVER_HELD

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """Take the lease; its holder's fence goes, the next one comes. Raises `AlreadyRunningError`."""
        self.prepare(sync)
        holder = uuid.uuid4().hex
        for _ in range(ATTEMPTS):
            stored, etag = self._found(sync)
            if stored.holder == holder:  # the answer to our own taking was lost, and it was sent again
                return stored.lease(sync)
            seen = leases.seen(stored, now)
            living = leases.is_living(seen, now)
            new = seen if living else leases.taken(seen, job_id, holder, now=now, seconds=seconds)
            if not self._changed(sync, stored, etag, new):
                continue
            if living:
                raise leases.running(sync, seen)
            return new.lease(sync)
        raise _contended(sync)

    def renew(self, lease: Lease, *, now: datetime, seconds: float) -> Lease:
        """Move the lease's end. Raises `StaleLeaseError`."""
        for _ in range(ATTEMPTS):
            stored, etag = self._found(lease.sync, lease)
            new = leases.renewed(stored, lease, now=now, seconds=seconds)
            if self._changed(lease.sync, stored, etag, new):
                return new.lease(lease.sync)
        raise _contended(lease.sync)

    def release(self, lease: Lease) -> None:
        """Give the lease back, if it is still ours."""
        for _ in range(ATTEMPTS):
            stored, etag = self._found(lease.sync, lease)
            if not leases.is_ours(stored, lease):
                return
            if self._changed(lease.sync, stored, etag, leases.released(stored, lease)):
                return
        raise _contended(lease.sync)

    def held_by(self, sync: str, *, now: datetime) -> str | None:
        """The job whose start holds it; None when it can be taken."""
        stored = leases.seen(self.read(sync), now)
        return stored.job_id if leases.is_living(stored, now) else None

    def _found(self, sync: str, lease: Lease | None = None) -> tuple[StoredLease, str]:
        found = self._rows.get(keys.partition(sync), keys.LEASE)
        if found is None:
            self._prepared.discard(sync)
            raise leases.stale(lease) if lease else StateError(f"the lease of sync {sync!r} was removed; try again")
        return _stored(found[0]["body"]), found[1]

    def _changed(self, sync: str, stored: StoredLease, etag: str, new: StoredLease) -> bool:
        """Write the new lease in place of the stored one; False when somebody was faster."""
        if new == stored:
            return True
        partition = keys.partition(sync)
        operations: list[Operation] = [tables.replace_at(_row(sync, new), etag)]
        if _fence(stored) != _fence(new):
            operations.append(tables.remove(partition, _fence(stored)))
            operations.append(tables.create({"PartitionKey": partition, "RowKey": _fence(new)}))
        return self._committed(partition, operations)

    def _committed(self, partition: str, operations: Sequence[Operation]) -> bool:
        try:
            self._rows.commit(partition, operations, again=True)
        except MovedRowError:
            return False
        return True


def _fence(stored: StoredLease) -> str:
    return keys.FREE if stored.job_id is None else keys.fence(stored.epoch)


def _row(sync: str, stored: StoredLease) -> dict[str, str]:
    return {"PartitionKey": keys.partition(sync), "RowKey": keys.LEASE, "body": json.dumps(asdict(stored))}


def _stored(body: str) -> StoredLease:
    try:
        return StoredLease(**json.loads(body))
    except (ValueError, TypeError) as error:
        raise StateError(
            f"a stored lease cannot be read by this version ({error}); use the version that wrote it"
        ) from error


def _contended(sync: str) -> StateError:
    return StateError(f"the lease of sync {sync!r} is being changed by others all the time; try again")
