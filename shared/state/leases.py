"""The rule of leases, the same for every store: pure functions from one stored lease to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.errors import AlreadyRunningError, NotFoundError, StaleLeaseError, StateError
from shared.state.rows import microseconds
from shared.values.jobs import Job, Lease


@dataclass(frozen=True, slots=True)
class StoredLease:
    """A lease as it is stored; `job_id` is None while it is free. `holder` is made anew for every acquisition.

    A local store's holder begins with the mark of its machine and a colon (`claims`).
    """

    job_id: str | None
    holder: str | None
    epoch: int
    until_us: int
    length_us: int
    uneasy: bool

    def lease(self, sync: str) -> Lease:
        """As its holder sees it."""
        until = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.until_us)
        return Lease(sync=sync, job_id=self.job_id or "", epoch=self.epoch, until=until, uneasy=self.uneasy)


NEVER_HELD = StoredLease(None, None, 0, 0, 0, uneasy=False)


def seen(stored: StoredLease, now: datetime) -> StoredLease:
    """The lease as it stands at `now`: it never lasts longer than its length, though the clock was set back."""
    latest = microseconds(now) + stored.length_us
    return replace(stored, until_us=latest) if stored.until_us > latest else stored


def is_living(stored: StoredLease, now: datetime) -> bool:
    """Whether somebody holds it at `now`."""
    return stored.job_id is not None and stored.until_us > microseconds(now)


def taken(
    stored: StoredLease, job_id: str, holder: str, *, now: datetime, seconds: float, last_is_gone: bool = False
) -> StoredLease:
    """The lease in the hands of the next holder; uneasy when the last one did not give it back and may still live."""
    return StoredLease(
        job_id,
        holder,
        stored.epoch + 1,
        microseconds(now + timedelta(seconds=seconds)),
        round(seconds * 1_000_000),
        uneasy=stored.uneasy or (stored.job_id is not None and not last_is_gone),
    )


def renewed(stored: StoredLease, lease: Lease, *, now: datetime, seconds: float) -> StoredLease:
    """The lease with a later end; also after its end, while nobody else has taken it. Raises `StaleLeaseError`."""
    require_ours(stored, lease)
    until_us = microseconds(now + timedelta(seconds=seconds))
    return replace(stored, until_us=until_us, length_us=round(seconds * 1_000_000))


def released(stored: StoredLease, lease: Lease) -> StoredLease:
    """The lease, free; its epoch and its unease are remembered."""
    return StoredLease(None, None, stored.epoch, 0, 0, uneasy=lease.uneasy)


def is_ours(stored: StoredLease, lease: Lease) -> bool:
    """Whether it is the same acquisition."""
    return stored.job_id == lease.job_id and stored.epoch == lease.epoch


def require_ours(stored: StoredLease, lease: Lease) -> None:
    """Raises `StaleLeaseError` unless the lease is still the holder's."""
    if not is_ours(stored, lease):
        raise stale(lease, stored)


def require_right(sync: str, stored: StoredLease, lease: Lease | None) -> None:
    """Raises `StaleLeaseError` unless the lease is the sync's and still ours; without one, unless it is nobody's."""
    if lease is None:
        if stored.job_id is not None:
            raise held(sync, stored)
    elif lease.sync != sync:
        raise stale(lease)
    else:
        require_ours(stored, lease)


def stale(lease: Lease, stored: StoredLease | None = None) -> StaleLeaseError:
    """The error of a holder that lost its lease."""
    now_with = f"it is with job {stored.job_id} now" if stored and stored.job_id else "it has ended"
    return StaleLeaseError(
        f"job {lease.job_id} lost the lease of sync {lease.sync!r} ({now_with}); nothing more was stored or sent by "
        f"this start. `jobs --sync {lease.sync}` shows the one that goes on"
    )


def held(sync: str, stored: StoredLease) -> StaleLeaseError:
    """The error of somebody without a lease, while another holds it."""
    return StaleLeaseError(
        f"sync {sync!r} is being run by job {stored.job_id}; only that one changes its jobs until it ends. Wait, or "
        "cancel it"
    )


def running(sync: str, stored: StoredLease) -> AlreadyRunningError:
    """The error of a start while another one lives."""
    until = f"{stored.lease(sync).until:%Y-%m-%d %H:%M:%S} UTC"
    return AlreadyRunningError(
        f"sync {sync!r} is being run by job {stored.job_id} (its lease lasts until {until}); wait until it ends; after "
        "a crash, try again after that time"
    )


def no_job(job_id: str) -> NotFoundError:
    """The error that there is no such job."""
    return NotFoundError(f"there is no job {job_id!r}; `dynsync jobs` lists them")


def there_already(job: Job) -> StateError:
    """The error of a new job whose id another one has."""
    return StateError(f"there is a job {job.id} already; start again for a new id")


def refuse_other_identity(stored: Job, job: Job) -> None:
    """Raises `StateError` when a job would get another sync or another time of creation."""
    if (stored.sync, microseconds(stored.created_at)) != (job.sync, microseconds(job.created_at)):
        raise StateError(f"job {job.id} is stored for sync {stored.sync!r} and keeps its sync and its time of creation")
