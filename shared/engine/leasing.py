"""Holds a sync's lease while its job lives, and says when a request may be sent under it.

    taken ──▶ settled ──▶ requests, each only while the lease outlives its time-out ──▶ given back
      └────────────┴──▶ lost: nothing more is sent, and the store refuses every write

A lease that the last holder gave back is settled at once. After one that ran out, a request of the last holder may
still be under way: nothing is sent before the lease's length and the longest time-out have passed once more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.errors import DynsyncError, StaleLeaseError
from shared.ports import Clock, State
from shared.values.jobs import Lease

MARGIN_S = 120.0
"""How long a lease outlives the last sign of life of its job, beyond the longest time-out of a request."""
RENEW_S = 30.0
LOOK_S = 1.0
"""While it waits, a new holder looks so often whether it is to stop."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Clocks and the longest time-out of a request. `monotonic` gives seconds that no setting of the clock moves."""

    clock: Clock
    timeout_s: float
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    @property
    def lease_s(self) -> float:
        """The length of a lease."""
        return self.timeout_s + MARGIN_S


@dataclass(slots=True)
class Held:
    """A lease in our hands. `state` is the store under it. `waited_before_s`: what earlier holders waited to settle."""

    store: State
    timing: Timing
    lease: Lease
    _renewed_at: float
    _taken_at: float
    waited_before_s: float = 0.0
    _lost: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def state(self) -> State:
        """The store, each of whose writes is conditional on the lease's epoch."""
        return self.store.under(self.lease)

    @property
    def lost(self) -> bool:
        """Whether somebody else has it."""
        return self._lost

    def renew(self) -> None:
        """Move the lease's end. Raises `StaleLeaseError` when it is another's."""
        began = self.timing.monotonic()
        try:
            new = self.store.renew(self.lease, now=self.timing.clock(), seconds=self.timing.lease_s)
        except StaleLeaseError:
            self._lost = True
            raise
        with self._lock:
            self.lease, self._renewed_at = replace(new, uneasy=self.lease.uneasy), began

    def permit(self) -> None:
        """Called before every request that may write.

        Raises:
            StaleLeaseError: the lease was lost, or cannot be made to outlive the request's time-out.
        """
        if self._lost or self.lease.uneasy:
            raise self._too_late()
        if not self._outlives():
            self.renew()
            if not self._outlives():
                raise self._too_late()

    def settle(self, stop: Callable[[], bool], tell: Callable[[float, float], None] = lambda *_: None) -> None:
        """Wait until no request of an earlier holder can be under way; earlier when `stop` says so, still uneasy.

        `tell` is told, now and then, how many seconds have passed, and of how many.
        """
        whole = self.timing.lease_s + self.timing.timeout_s
        while self.lease.uneasy:
            left = whole - self.waited_s
            tell(whole - max(0.0, left), whole)
            if left <= 0:
                with self._lock:
                    self.lease = replace(self.lease, uneasy=False)
            elif stop():
                return
            else:
                self.timing.sleep(min(left, LOOK_S))

    @property
    def settles_in_s(self) -> float:
        """How long `settle` would wait."""
        whole = self.timing.lease_s + self.timing.timeout_s
        return max(0.0, whole - self.waited_s) if self.lease.uneasy else 0.0

    @property
    def waited_s(self) -> float:
        """How long it has been waited to settle, by earlier holders too; 0 once it is settled."""
        waited = self.waited_before_s + self.timing.monotonic() - self._taken_at
        return waited if self.lease.uneasy else 0.0

    def _outlives(self) -> bool:
        """By the clock on the wall, which goes on while a machine sleeps, and by the one that nobody sets."""
        with self._lock:
            until, renewed_at = self.lease.until, self._renewed_at
        by_wall = self.timing.clock() + timedelta(seconds=self.timing.timeout_s) < until
        elapsed = self.timing.monotonic() - renewed_at
        return by_wall and elapsed + self.timing.timeout_s < self.timing.lease_s

    def _too_late(self) -> StaleLeaseError:
        return StaleLeaseError(
            f"job {self.lease.job_id} could not keep the lease of sync {self.lease.sync!r} long enough for another "
            f"request; it stopped. `apply {self.lease.job_id}` goes on with its plan"
        )


@contextmanager
def leased(store: State, sync: str, job_id: str, *, timing: Timing) -> Iterator[Held]:
    """Hold the lease, renewed by a thread, and give it back at the end.

    Raises:
        AlreadyRunningError: another start of the sync holds it.
    """
    began = timing.monotonic()
    lease = store.acquire(sync, job_id, now=timing.clock(), seconds=timing.lease_s)
    held = Held(store, timing, lease, began, timing.monotonic())
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(RENEW_S):
            try:
                held.renew()
            except StaleLeaseError:
                return
            except DynsyncError:
                continue  # the store may answer again while the lease lasts; until then `permit` lets nothing out

    keeper = threading.Thread(target=keep, name="dynsync-lease", daemon=True)
    keeper.start()
    try:
        yield held
    finally:
        ended.set()
        keeper.join()
        store.release(held.lease)


def after(newest: datetime | None, now: datetime) -> datetime:
    """The time of a new job: now, yet later than the newest one's, though the clock was set back."""
    return now if newest is None or now > newest else newest + timedelta(microseconds=1)
