"""Holds a sync's lease while its job lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import DynsyncError
from shared.ports import Clock, JobStore

LEASE_S = 120.0
"""How long a lease outlives the last sign of life of its job."""
RENEW_S = 30.0


@contextmanager
def leased(store: JobStore, sync: str, job_id: str, *, clock: Clock) -> Iterator[Callable[[], bool]]:
    """Hold the lease, renewed by a thread; gives a function that says whether it was lost.

    Raises:
        AlreadyRunningError: a living job of the sync holds it.
    """
    lease = store.acquire(sync, job_id, now=clock(), seconds=LEASE_S)
    ended, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not ended.wait(RENEW_S):
            try:
                store.acquire(sync, job_id, now=clock(), seconds=LEASE_S)
            except DynsyncError:
                lost.set()
                return

    keeper = threading.Thread(target=renew, name="dynsync-lease", daemon=True)
    keeper.start()
    try:
        yield lost.is_set
    finally:
        ended.set()
        keeper.join()
        store.release(lease)
