"""Stories of open rejects among jobs that were stopped, listeners and steps: none is lost, none comes too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.engine.stepping import Steps
from shared.values.cases import Choice
from shared.values.jobs import Job, JobState
from shared.wiring.app import new_job_id
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.events import LISTENER, Feeds, feeds, put
from tests.e2e.stories import Sync, column

__all__ = ["feeds"]
SHORT = {"type": "text", "max_length": 3, "validate": True}
DELTA = Sync(
    columns={"no": "text", "name": SHORT},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    behaviour={"strategy": "delta"},
)
WIDER = DELTA.but(columns={"no": "text", "name": "text"})
DAY = "2026-01-31T"


def replay(world: World) -> Job:
    return closes(world.app.replay("story", Choice(), started_by="otto", progress=ignore, apply=True))


def open_keys(world: World) -> dict[str | None, str]:
    return {case.reject.key: case.job for case in world.app.open_rejects("story")}


def refuse(world: World, message: str) -> None:
    """Dataverse refuses a message from now on."""
    world.dataverse.inject({"status": 403, "code": "0x80040225", "message": message, "count": 100})


def test_a_replay_that_was_stopped_can_be_started_anew(world: World) -> None:
    """Its records have not landed, so they are not stale."""
    DELTA.run(world, ["A1", "Older"], ["A2", "Oldest"])
    WIDER.define(world)
    refuse(world, "CreateMultiple")
    assert replay(world).state is JobState.FAILED
    world.dataverse.application.faults.clear()
    done = replay(world)
    assert (done.source.stale, done.source.created, open_keys(world)) == (0, 2, {})
    assert column(world, "name") == {"A1": "Older", "A2": "Oldest"}


def test_a_stopped_jobs_values_outlive_the_next_job(world: World) -> None:
    """What it wrote is not put back either when a job of other keys has come to its end since."""
    DELTA.run(world, ["A1", "Older"], ["A5", "Fiv"])
    refuse(world, "UpdateMultiple")
    stopped = DELTA.run(world, ["A1", "New"], ["A5", "Fün"])
    assert (stopped.state, stopped.source.created) == (JobState.FAILED, 1)
    world.dataverse.application.faults.clear()
    DELTA.run(world, ["A7", "Sev"])
    WIDER.define(world)
    done = replay(world)
    assert (done.source.read, done.source.stale) == (1, 1)
    assert column(world, "name")["A1"] == "New"


def test_what_a_listener_applied_since_is_not_put_back(world: World, feeds: Feeds) -> None:
    """Without versions: after the job that set the record aside, also when a replay did so again in between."""
    rest = {"listener": LISTENER}
    DELTA.but(rest=rest).run(world, ["A1", "Older"], ["A2", "Oldest"])
    feeds(DELTA.but(rest=rest)).send(put("A1", name="New"))
    assert replay(world).source.rejected == 2
    WIDER.but(rest=rest).define(world)
    done = replay(world)
    assert (done.source.stale, done.source.created) == (1, 1)
    assert column(world, "name") == {"A1": "New", "A2": "Oldest"}
    assert open_keys(world) == {}


def test_rejects_are_kept_before_the_watermark_moves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that was ended during its steps has said what it did, and what is open."""
    sync = DELTA.but(
        columns={**DELTA.columns, "changed": "date"}, source={"watermark": {"column": "changed", "overlap": "1h"}}
    )

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    step = {"name": "tell", "http": {"url": "https://127.0.0.1:9/"}}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Steps, "_tried", interrupted)
        sync.but(rest={"post_sync": [step]}).run(world, ["A1", "One", f"{DAY}08:00Z"], ["A2", "Long", f"{DAY}10:00Z"])
    (ended,) = world.app.jobs(sync="story", limit=5)
    assert (closes(ended).source.created, ended.open_rejects) == (1, 1)
    sync.run(world, ["A2", "Long", f"{DAY}08:30Z"], ["A3", "Thr", f"{DAY}11:30Z"])
    assert open_keys(world) == {"A2": ended.id}


@pytest.mark.parametrize("mode", ["run", "queue"])
@pytest.mark.parametrize(
    "source", [{"watermark": {"column": "changed", "overlap": "1h"}}, {"path": "data*.csv"}], ids=["newer", "new files"]
)
def test_rejects_of_a_job_that_wrote_nothing_outlive_its_death(
    world: World, monkeypatch: pytest.MonkeyPatch, source: dict[str, object], mode: str
) -> None:
    """It died among its steps, when all was set aside: who goes on does not read anew what counts as read by now."""
    sync = DELTA.but(columns={**DELTA.columns, "changed": "date"}, source=source)
    step = {"name": "tell", "http": {"url": "https://127.0.0.1:9/"}}
    records = ["A1", "Long", f"{DAY}06:00Z"], ["A2", "Longer", f"{DAY}10:00Z"]
    sync.but(rest={"post_sync": [step]}).read(world, *records)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Steps, "_tried", interrupted)
        if mode == "run":
            world.run("story")
        queued = world.app.queue("story", variables={}, files={}, started_by="nia", apply=True)
        world.app.slice(queued.id, progress=ignore)
    (dead,) = world.app.jobs(sync="story", limit=5)
    slices = dead.slices and replace(dead.slices, resting=False)
    world.app._state.save(replace(dead, state=JobState.RUNNING, error=None, finished_at=None, slices=slices))
    assert open_keys(world) == {"A1": dead.id, "A2": dead.id}

    job = closes(world.apply(dead) if mode == "run" else world.app.slice(dead.id, progress=ignore))

    assert (job.state, job.source.read, job.source.rejected) == (JobState.COMPLETED_WITH_ERRORS, 2, 2)
    assert [one.name for one in job.steps] == ["tell"]
    assert open_keys(world) == {"A1": job.id, "A2": job.id}
    WIDER.but(columns={**WIDER.columns, "changed": "date"}, source=source).define(world)
    assert replay(world).source.created == 2


def test_rejects_of_a_job_that_was_stored_late_stay_open(world: World) -> None:
    """By its time it is older than a job that came and went before it; what either set aside is still open."""
    made = datetime.now(UTC)
    first = DELTA.run(world, ["A1", "Long"])
    DELTA.read(world, ["A2", "Longer"])
    late = world.app.queue(
        "story", variables={}, files={}, started_by="nia", apply=True, job_id=new_job_id(made), at=made
    )
    assert late.created_at < first.created_at
    closes(world.app.slice(late.id, progress=ignore))
    DELTA.run(world, ["A3", "Thr"])
    assert open_keys(world) == {"A1": first.id, "A2": late.id}
    DELTA.run(world, ["A2", "Two"])
    assert open_keys(world) == {"A1": first.id}


def test_a_replay_carries_its_chain_out(world: World) -> None:
    """On the command line, as a run does: nothing stays queued."""
    WIDER.but(name="second").define(world)
    chain = {"post_sync": [{"name": "then", "sync": {"name": "second"}}]}
    DELTA.but(rest=chain).run(world, ["A1", "Older"])
    WIDER.but(rest=chain).define(world)
    (chained,) = world.app.started_by(replay(world))
    assert chained.state is JobState.SUCCEEDED
