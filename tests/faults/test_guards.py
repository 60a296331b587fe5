from __future__ import annotations

import functools
import threading

import pytest

from shared.engine.applying import Applier
from shared.errors import StaleLeaseError
from shared.state import LocalState
from shared.values.jobs import JobState, Lease
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, column

ACCOUNT = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    destination={"parallel": 1},
    behaviour={"dropped": "delete"},
)
PATIENCE_S = 30
"""How long a thread waits for another one before the test fails."""


def test_a_job_that_loses_its_lease_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When another start takes the lease while this one applies, this one sends and stores nothing more."""
    ACCOUNT.run(world, ["A1", "One"], ["A2", "Two"])
    ACCOUNT.read(world, ["A1", "Uno"], ["A3", "Three"])
    created, record, lost = threading.Event(), LocalState.record, threading.Event()

    def renew(state: LocalState, lease: Lease, **_: object) -> Lease:
        assert created.wait(PATIENCE_S)
        if not lost.is_set():
            state.acquire(lease.sync, lease.job_id, now=lease.until, seconds=0)
            lost.set()
        raise StaleLeaseError("another start of the sync holds the lease")

    def recorded(*arguments: object) -> None:
        record(*arguments)  # type: ignore[arg-type]
        created.set()
        assert lost.wait(PATIENCE_S)

    with monkeypatch.context() as patch:
        patch.setattr("shared.engine.leasing.RENEW_S", 0.001)
        patch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=1))
        patch.setattr(LocalState, "renew", renew)
        patch.setattr(LocalState, "record", recorded)
        with pytest.raises(StaleLeaseError):
            world.run("story")

    (job,) = world.app.jobs(limit=1)
    assert (job.state, job.finished_at) == (JobState.RUNNING, None), "its state is for the next holder to tell"
    assert column(world, "name") == {"A1": "One", "A2": "Two", "A3": "Three"}
