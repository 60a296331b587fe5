"""The right to write, in Azure Tables: every transaction carries a write to the fence of its lease's epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from shared.errors import StateError
from shared.state import leases
from shared.state.azure import keys, tables
from shared.state.azure.blobs import Blobs
from shared.state.azure.jobs import JobRows
from shared.state.azure.leasing import LeaseRows
from shared.state.azure.tables import FenceGoneError, MovedRowError, Operation, Row, Rows
from shared.values.jobs import Lease

ATTEMPTS = 20
"""How often a write is tried whose rows others change meanwhile."""


class RightToWrite:
    """A store for the holder of a lease, or for somebody without one: what writes commits through it."""

    _rows: Rows
    _blobs: Blobs
    _jobs: JobRows
    _leases: LeaseRows
    _lease: Lease | None

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
            raise leases.no_job(job_id)
        return sync

    def _require_right(self, sync: str) -> None:
        """Look whether the lease is ours, or nobody's; the fence decides in the end."""
        leases.require_right(sync, self._leases.read(sync), self._lease)

    def _commit(self, sync: str, operations: Sequence[Operation], *, fenced: bool = True) -> None:
        if self._lease is not None:
            fence: str | None = keys.fence(self._lease.epoch)
        else:
            fence = keys.FREE if fenced else None
        try:
            self._rows.commit(keys.partition(sync), operations, fence=fence, again=fenced)
        except FenceGoneError:
            self._require_right(sync)
            raise busy(sync) from None

    def _remove(self, sync: str, prefix: str) -> None:
        """Delete the rows whose key begins so, under the fence."""
        partition = keys.partition(sync)
        for _ in range(ATTEMPTS):
            found = self._rows.beginning(partition, prefix)
            try:
                while some := [tables.remove(partition, row["RowKey"]) for row in itertools.islice(found, 90)]:
                    self._commit(sync, some)
            except MovedRowError:  # some are gone already
                continue
            return
        raise busy(sync)


def busy(sync: str) -> StateError:
    """The error that others are faster all the time."""
    return StateError(f"the jobs of sync {sync!r} are being changed by others all the time; try again")
