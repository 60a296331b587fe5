"""The lease of a start, by clocks that the test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.engine.leasing import MARGIN_S, Timing, after, leased
from shared.errors import AlreadyRunningError, StaleLeaseError, StateError
from shared.state import LocalState

TIMEOUT_S = 300.0
LEASE_S = TIMEOUT_S + MARGIN_S


@dataclass
class Clocks:
    """A wall clock and a monotonic one; a pause moves both."""

    wall: datetime = datetime(2025, 3, 1, 12, tzinfo=UTC)
    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds

    @property
    def timing(self) -> Timing:
        return Timing(lambda: self.wall, TIMEOUT_S, self.sleep, lambda: self.seconds)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    return LocalState(tmp_path)


def abandon(state: LocalState, clocks: Clocks, job_id: str = "job-0") -> None:
    """A start that takes the lease and dies."""
    state.acquire("accounts", job_id, now=clocks.wall, seconds=LEASE_S)
    clocks.pass_by(LEASE_S)


def test_a_lease_given_back_is_settled_at_once(state: LocalState, clocks: Clocks) -> None:
    """After a proper end nobody waits."""
    for _ in range(2):
        with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
            held.settle(lambda: False)
            held.permit()
    assert clocks.slept == []


def test_who_takes_over_waits_for_requests_of_the_dead(state: LocalState, clocks: Clocks) -> None:
    """The lease's length and the longest time-out pass before anything is sent; until then nothing is."""
    abandon(state, clocks)
    with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
        with pytest.raises(StaleLeaseError):
            held.permit()
        assert held.settles_in_s == LEASE_S + TIMEOUT_S
        told: list[tuple[float, float]] = []
        held.settle(lambda: False, lambda *seconds: told.append(seconds))
        assert sum(clocks.slept) == LEASE_S + TIMEOUT_S
        assert (told[0], told[-1]) == ((0, LEASE_S + TIMEOUT_S), (LEASE_S + TIMEOUT_S, LEASE_S + TIMEOUT_S))
        held.permit()
    with leased(state, "accounts", "job-2", timing=clocks.timing) as held:
        assert not held.lease.uneasy


def test_unease_outlives_a_holder_that_did_not_wait(state: LocalState, clocks: Clocks) -> None:
    """Who was stopped while it waited leaves the wait to the next."""
    abandon(state, clocks)
    with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
        held.settle(lambda: len(clocks.slept) == 3)
        assert len(clocks.slept) == 3
    with leased(state, "accounts", "job-2", timing=clocks.timing) as held:
        assert held.lease.uneasy


@pytest.mark.parametrize("jump_s", [LEASE_S - TIMEOUT_S, LEASE_S, 1e6])
def test_a_stalled_start_renews_before_it_sends(state: LocalState, clocks: Clocks, jump_s: float) -> None:
    """A lease that would not outlast the request is renewed first, as long as nobody else has taken it."""
    with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
        clocks.pass_by(jump_s)
        held.permit()
        assert held.lease.until == clocks.wall + timedelta(seconds=LEASE_S)


@pytest.mark.parametrize("only", ["wall", "monotonic"])
def test_either_clock_can_end_a_lease(state: LocalState, clocks: Clocks, only: str) -> None:
    """The wall clock goes on while a machine sleeps; the other one cannot be set back."""
    with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
        first = held.lease.until
        if only == "wall":
            clocks.wall += timedelta(seconds=MARGIN_S)
        else:
            clocks.seconds += MARGIN_S
        held.permit()
        assert held.lease.until > first or only == "monotonic"
        assert held._renewed_at == clocks.seconds


def test_who_was_overtaken_sends_nothing(state: LocalState, clocks: Clocks) -> None:
    """The stalled start is told so at its next request, and at every one after it."""
    with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
        clocks.pass_by(LEASE_S)
        state.acquire("accounts", "job-2", now=clocks.wall, seconds=LEASE_S)
        for _ in range(2):
            with pytest.raises(StaleLeaseError, match="job-1"):
                held.permit()
        assert held.lost
    with pytest.raises(AlreadyRunningError, match="job-2"):
        state.acquire("accounts", "job-3", now=clocks.wall, seconds=LEASE_S)


def test_a_store_that_does_not_answer_stops_the_requests_in_time(
    state: LocalState, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the lease lasts long enough, requests go on; then the store's error ends them."""

    def fail(*_: object, **__: object) -> None:
        raise StateError("the disk is away")

    with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
        monkeypatch.setattr(LocalState, "renew", fail)
        clocks.pass_by(MARGIN_S - 1)
        held.permit()
        clocks.pass_by(1)
        with pytest.raises(StateError, match="the disk is away"):
            held.permit()


def test_a_new_job_is_younger_than_the_last_one() -> None:
    """Also when the clock was set back."""
    now = datetime(2025, 3, 1, tzinfo=UTC)
    assert after(None, now) == now
    assert after(now - timedelta(seconds=1), now) == now
    assert after(now, now) == now + timedelta(microseconds=1)
    assert after(now + timedelta(days=1), now) == now + timedelta(days=1, microseconds=1)


def test_the_wait_may_be_shared_out(state: LocalState, clocks: Clocks) -> None:
    """What an earlier holder has waited counts for the next one, so that short runs get through a long wait."""
    state._claims.take = lambda *_: False  # type: ignore[method-assign]  # as on another machine
    abandon(state, clocks)
    waited, runs = 0.0, 0
    while True:
        with leased(state, "accounts", "job-1", timing=clocks.timing) as held:
            held.waited_before_s = waited
            ends = clocks.seconds + 200
            held.settle(lambda ends=ends: clocks.seconds >= ends)  # type: ignore[misc]
            runs += 1
            if not held.lease.uneasy:
                break
            assert held.waited_s == pytest.approx(waited + 200)
            waited = held.waited_s
    assert sum(clocks.slept) == pytest.approx(LEASE_S + TIMEOUT_S)
    assert runs == 4
    assert held.waited_s == 0
