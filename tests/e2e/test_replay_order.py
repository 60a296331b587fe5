"""Stories of open rejects among jobs that were stopped, listeners and steps: none is lost, none comes too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.engine.stepping import Steps
from shared.errors import RefuseError
from shared.values.cases import Choice
from shared.values.jobs import Job, JobState
from shared.wiring.job_ids import new_job_id
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


REGIONAL = DELTA.but(
    columns={"region": "text", **DELTA.columns},
    maps={"region": "fax", **DELTA.maps},
    source={"filter": "region = @region"},
    rest={"variables": {"region": {}}},
)
OWNED = REGIONAL.but(destination={"filter": "fax eq @region"})
EMEA, NA = {"region": "EMEA"}, {"region": "NA"}


def mended(sync: Sync) -> Sync:
    """The sync, taking names of any length."""
    return sync.but(columns={**sync.columns, "name": "text"})


def open_of(world: World) -> set[str]:
    """The jobs that set A1 aside, as far as that is open."""
    return {case.job for case in world.app.open_rejects("story") if case.reject.key == "A1"}


def replay_of(world: World, job: Job) -> Job:
    return closes(world.app.replay(job.id, Choice(), started_by="otto", progress=ignore, apply=True))


def test_a_key_is_open_for_each_choice_of_variables_whose_record_has_not_landed(world: World) -> None:
    """What another region's run may not write, or sets aside itself, closes nothing; each is replayed with its own."""
    OWNED.run(world, ["EMEA", "A1", "One"], variables=EMEA)
    ours = OWNED.run(world, ["EMEA", "A1", "Long"], variables=EMEA)
    outside = OWNED.run(world, ["NA", "A1", "Uno"], variables=NA)
    assert (outside.source.outside, open_of(world)) == (1, {ours.id})
    theirs = OWNED.run(world, ["NA", "A1", "Tres"], variables=NA)
    assert (outside.open_rejects, theirs.open_rejects, open_of(world)) == (1, 2, {ours.id, theirs.id})
    mended(OWNED).define(world)
    with pytest.raises(RefuseError, match=r"other values of region; replay them job by job: \S+, \S+$"):
        replay(world)
    done = replay_of(world, theirs)
    assert (done.source.outside, dict(done.variables), open_of(world)) == (1, NA, {ours.id})
    done = replay_of(world, ours)
    assert (done.source.updated, dict(done.variables), open_of(world)) == (1, EMEA, set())
    assert column(world, "name") == {"A1": "Long"}


@pytest.mark.parametrize("order", ["older first", "newer first", "a run lands", "a run is refused"])
def test_of_two_choices_the_newer_record_stands(world: World, order: str) -> None:
    """Where both may write the row, what is older is closed by what landed, whichever is replayed first."""
    older = REGIONAL.run(world, ["NA", "A1", "Older"], variables=NA)
    newer = REGIONAL.run(world, ["EMEA", "A1", "Newer"], variables=EMEA)
    assert open_of(world) == {older.id, newer.id}
    if order == "a run lands":
        REGIONAL.run(world, ["NA", "A1", "Now"], variables=NA)
        assert open_of(world) == set()
        return
    if order == "a run is refused":
        refused = REGIONAL.run(world, ["EMEA", "A1", "b\a"], variables=EMEA)  # by Dataverse: it was to land
        assert (refused.planned, open_of(world)) == ({"create": 1}, {older.id, refused.id})
        return
    mended(REGIONAL).define(world)
    first = replay_of(world, older if order == "older first" else newer)
    assert (first.source.created, open_of(world)) == (1, {newer.id} if order == "older first" else set())
    if order == "older first":
        assert replay_of(world, newer).source.updated == 1
    assert (column(world, "name"), open_of(world)) == ({"A1": "Newer"}, set())


def test_a_stopped_job_of_another_choice_that_may_not_write_a_row_leaves_it_to_the_replay(world: World) -> None:
    """It has read the key, and wrote others: what it left outside is not taken for newer."""
    OWNED.run(world, ["EMEA", "A1", "One"], variables=EMEA)
    ours = OWNED.run(world, ["EMEA", "A1", "Long"], variables=EMEA)
    OWNED.run(world, ["NA", "A2", "Two"], variables=NA)
    refuse(world, "UpdateMultiple")
    stopped = OWNED.run(world, ["NA", "A1", "Uno"], ["NA", "A2", "Due"], ["NA", "A3", "Tre"], variables=NA)
    assert (stopped.state, stopped.source.created) == (JobState.FAILED, 1)
    world.dataverse.application.faults.clear()
    mended(OWNED).define(world)
    done = replay_of(world, ours)
    assert (done.source.stale, done.source.updated, column(world, "name")["A1"]) == (0, 1, "Long")
