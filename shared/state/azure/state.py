"""The store in Azure behind the seam: its jobs and leases; what belongs to them is in the modules beside this one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from shared.state import leases
from shared.state.azure import keys, tables
from shared.state.azure.blobs import Blobs
from shared.state.azure.cancels import AzureCancels
from shared.state.azure.files import AzureFiles, file_row
from shared.state.azure.jobs import JobRows
from shared.state.azure.leasing import LeaseRows
from shared.state.azure.outcomes import AzureOutcomes
from shared.state.azure.readings import AzureReadings
from shared.state.azure.right import ATTEMPTS, busy
from shared.state.azure.tables import MovedRowError, Rows
from shared.state.names import checked
from shared.values.jobs import Job, JobState, Lease
from shared.values.life import refuse_forget, refuse_transition


class AzureState(AzureCancels, AzureOutcomes, AzureReadings, AzureFiles):
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
        raise busy(job.sync)

    def add(self, job: Job, files: Mapping[str, Path]) -> None:
        """Insert a new job together with copies of its files, in one transaction. Raises `StateError`."""
        self._leases.prepare(job.sync)
        if self._jobs.read(job.id) is not None:
            raise leases.there_already(job)
        blobs = {name: self._blobs.upload(job.id, checked(name, "file name"), path) for name, path in files.items()}
        rows = [file_row(job.sync, job.id, name, blob) for name, blob in blobs.items()]
        self._jobs.announce(job)
        try:
            self._commit(job.sync, [*self._jobs.saving(job, None), *map(tables.put, rows)], fenced=False)
        except MovedRowError as error:
            raise leases.there_already(job) from error

    def get(self, job_id: str) -> Job:
        """One job. Raises `NotFoundError`."""
        found = self._jobs.read(job_id)
        if found is None:
            raise leases.no_job(job_id)
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
        self._blobs.delete_all(job_id, "files")
        for kind in ("chunk", "cancel"):
            self._remove(job.sync, keys.of_job(kind, job_id))
        self._remove(job.sync, self._jobs.key(job))
        self._jobs.withdraw(job)
        self._blobs.delete_all(job_id, "texts")  # rows are made of them: after those, or the job could not be read

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
