from __future__ import annotations

import functools
import threading

import pytest

from shared.engine.applying import Applier
from shared.errors import AlreadyRunningError
from shared.state import LocalState
from shared.values.jobs import JobState
from tests.e2e.conftest import World, closes
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
    """When another job takes the lease while this one applies, later chunks are not attempted and are counted so."""
    ACCOUNT.run(world, ["A1", "One"], ["A2", "Two"])
    ACCOUNT.read(world, ["A1", "Uno"], ["A3", "Three"])
    created, acquire, record = threading.Event(), LocalState.acquire, LocalState.record
    main = threading.current_thread()

    def acquired(*arguments: object, **options: object) -> object:
        if threading.current_thread() is main:
            return acquire(*arguments, **options)  # type: ignore[arg-type]
        assert created.wait(PATIENCE_S)
        raise AlreadyRunningError("another job of the sync holds the lease")

    def recorded(*arguments: object) -> None:
        record(*arguments)  # type: ignore[arg-type]
        created.set()
        for keeper in (thread for thread in threading.enumerate() if thread.name == "dynsync-lease"):
            keeper.join(PATIENCE_S)

    monkeypatch.setattr("shared.engine.leasing.RENEW_S", 0.001)
    monkeypatch.setattr("shared.engine.jobs.Applier", functools.partial(Applier, chunk_size=1))
    monkeypatch.setattr(LocalState, "acquire", acquired)
    monkeypatch.setattr(LocalState, "record", recorded)

    job = closes(world.run("story"))

    assert (job.state, job.source.created) == (JobState.CANCELLED, 1)
    assert (job.source.not_attempted, job.destination.not_attempted) == (1, 1)
    assert column(world, "name") == {"A1": "One", "A2": "Two", "A3": "Three"}
