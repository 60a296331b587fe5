"""Stories of the life of a job: cancelled, overtaken, taken over, forgotten, looked back at."""

from __future__ import annotations

import functools
import itertools
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from shared.cli.root import dynsync
from shared.engine.applying import Applier
from shared.engine.planning import Planner
from shared.errors import AlreadyRunningError, TransitionError, UnavailableError
from shared.state import LocalState
from shared.values.changes import OutcomeStatus
from shared.values.jobs import JobState, Phase, Progress
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync, column

ACCOUNT = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    destination={"parallel": 1},
    behaviour={"dropped": "delete"},
)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=1))


def state_of(world: World) -> LocalState:
    return LocalState(world.folder / "state")


def test_cancel_stops_within_one_batch_and_apply_goes_on(world: World) -> None:
    """From another process, in the midst of an apply: the next chunk is not sent; the job can be applied again."""
    ACCOUNT.run(world, ["A1", "One"], ["A2", "Two"])
    ACCOUNT.read(world, ["A1", "Uno"], ["A2", "Due"], ["A3", "Three"], ["A4", "Four"])

    def cancels(progress: Progress) -> None:
        if progress.phase is Phase.APPLY and progress.done == 1:
            (running,) = world.app.jobs(limit=1)
            assert world.app.cancel(running.id, by="otto").state is JobState.RUNNING

    job = closes(world.app.start("story", variables={}, files={}, started_by="nia", progress=cancels, apply=True))

    assert (job.state, job.error) == (JobState.CANCELLED, "cancelled by otto; what was not attempted is counted so")
    assert job.source.created + job.source.updated + job.source.not_attempted == 4
    assert job.source.not_attempted >= 2

    state_of(world).acquire("story", job.id, now=job.created_at - timedelta(days=1), seconds=60)

    def waits(progress: Progress) -> None:
        if progress.phase is Phase.WAIT:
            world.app.cancel(job.id, by="nia")

    again = closes(world.app.apply(job.id, started_by="nia", progress=waits))
    assert (again.state, again.error) == (JobState.CANCELLED, "cancelled by nia; what was not attempted is counted so")
    assert again.source == job.source, "what it had done before, it still has done"

    app, ticks = world.app, itertools.count(0, 50)
    app._runner._around = replace(app._runner._around, sleep=ignore, monotonic=lambda: float(next(ticks)))
    done = closes(app.apply(job.id, started_by="nia", progress=ignore))
    assert (done.state, done.source.not_attempted) == (JobState.SUCCEEDED, 0)
    assert column(world, "name") == {"A1": "Uno", "A2": "Due", "A3": "Three", "A4": "Four"}


def test_a_job_that_reads_is_cancelled_before_it_writes(world: World) -> None:
    """While it drafts, nothing was written, and the job says so."""
    ACCOUNT.run(world, ["A1", "One"])
    ACCOUNT.read(world, ["A1", "Uno"])

    def cancels(progress: Progress) -> None:
        if progress.phase is Phase.CHECK:
            world.app.cancel(world.app.jobs(limit=1)[0].id, by="otto")

    job = world.app.start("story", variables={}, files={}, started_by="nia", progress=cancels, apply=True)
    assert (job.state, job.error) == (JobState.CANCELLED, "cancelled by otto; nothing was written")
    assert column(world, "name") == {"A1": "One"}


def test_a_waiting_plan_is_cancelled_at_once(world: World) -> None:
    """And may be applied all the same; a job that has come to its end cannot be cancelled."""
    ACCOUNT.run(world, ["A1", "One"])
    ACCOUNT.read(world, ["A1", "Uno"])
    plan = world.plan("story")
    cancelled = world.app.cancel(plan.id, by="otto")
    assert (cancelled.state, cancelled.error) == (JobState.CANCELLED, "cancelled by otto")
    with pytest.raises(TransitionError, match="is Cancelled and cannot be cancelled"):
        world.app.cancel(plan.id, by="otto")
    assert world.apply(plan).state is JobState.SUCCEEDED
    with pytest.raises(TransitionError, match="is Succeeded and cannot be cancelled"):
        world.app.cancel(plan.id, by="otto")


def test_a_waiting_plan_is_not_cancelled_beside_a_running_job(world: World) -> None:
    """Its state is the running job's to change."""
    ACCOUNT.run(world, ["A1", "One"])
    ACCOUNT.read(world, ["A1", "Uno"])
    plan = world.plan("story")
    state = state_of(world)
    lease = state.acquire("story", "another", now=plan.created_at, seconds=10**6)
    with pytest.raises(AlreadyRunningError, match="another"):
        world.app.cancel(plan.id, by="otto")
    state.release(lease)
    assert world.app.job(plan.id).state is JobState.AWAITING_APPROVAL


def test_after_a_crash_the_next_start_waits_before_it_writes(world: World) -> None:
    """A lease that ran out is taken over; until requests of the dead can be under way no more, nothing is sent."""
    ACCOUNT.run(world, ["A1", "One"])
    ACCOUNT.read(world, ["A1", "Uno"])
    plan = world.plan("story")
    state = state_of(world)
    state.acquire("story", plan.id, now=plan.created_at - timedelta(days=1), seconds=60)
    app, slept, told = world.app, [], []
    around = app._runner._around
    ticks = iter(range(0, 10**9, 50))
    app._runner._around = replace(around, sleep=slept.append, monotonic=lambda: float(next(ticks)))
    world.dataverse.clear_requests()

    def watch(progress: Progress) -> None:
        told.append((progress.phase, len(slept), world.writes()))

    job = app.apply(plan.id, started_by="nia", progress=watch)
    assert job.state is JobState.SUCCEEDED
    assert slept, "it waited"
    assert [phase for phase, *_ in told][:2] == [Phase.WAIT, Phase.WAIT], "and said so"
    assert not any(writes for phase, _, writes in told if phase is Phase.WAIT)
    assert all(pauses == len(slept) for phase, pauses, _ in told if phase is Phase.APPLY)
    assert column(world, "name") == {"A1": "Uno"}

    told.clear()
    state.acquire("story", "somebody", now=plan.created_at - timedelta(days=1), seconds=60)
    app.start("story", variables={}, files={}, started_by="nia", progress=watch, apply=True)
    phases = [phase for phase, *_ in told]
    assert Phase.WAIT in phases[: phases.index(Phase.READ_SOURCE)], "a late write is there when the rows are read"


def test_a_clock_set_back_changes_no_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that starts after the clock was set back is still the newest, and the older plan is superseded."""
    ACCOUNT.run(world, ["A1", "One"])
    ACCOUNT.read(world, ["A1", "Uno"])
    first = world.plan("story")
    app = world.app
    around = app._runner._around
    app._runner._around = replace(around, clock=lambda: around.clock() - timedelta(days=400))
    second = app.start("story", variables={}, files={}, started_by="nia", progress=ignore, apply=False)
    assert second.created_at > first.created_at
    assert [job.id for job in world.app.jobs(limit=2)] == [second.id, first.id]
    assert world.app.job(first.id).state is JobState.SUPERSEDED
    assert world.apply(second).state is JobState.SUCCEEDED


def test_old_jobs_are_removed_at_the_end_of_one(world: World) -> None:
    """By age, with their files; never an unfinished one."""
    ACCOUNT.run(world, ["A1", "One"])
    state = state_of(world)
    (last,) = state.list()
    old = last.created_at - timedelta(days=200)
    for number, kind in enumerate([JobState.FAILED, JobState.SUCCEEDED, JobState.QUEUED]):
        name = f"old-{kind}"
        state.save(replace(last, id=name, state=kind, created_at=old + timedelta(seconds=number)))
        state.put(name, "rejects.parquet", world.write("made", "plan"))
    world.environ["DYNSYNC_RETENTION_DAYS"] = "100"
    ACCOUNT.read(world, ["A1", "Uno"])
    job = world.run("story")
    kept = {one.id for one in state.list()}
    assert kept == {job.id, last.id, "old-Queued"}
    assert {path.name for path in (world.folder / "state" / "jobs").iterdir()} == kept
    world.environ["DYNSYNC_RETENTION_DAYS"] = "0"
    world.run("story")
    assert kept < {one.id for one in state.list()}


def test_what_jobs_did_to_one_record(world: World) -> None:
    """Created, refused, changed: each job tells its part, the newest first; another record is not mixed in."""
    first = ACCOUNT.run(world, ["A1", "One"], ["A2", "Two"])
    ACCOUNT.read(world, ["A1", "Uno"], ["A2", "Two"])
    second = world.plan("story")
    planned = world.app.stories("A1")
    assert [(one.job.id, one.changes[0].outcome.status) for one in planned] == [
        (second.id, OutcomeStatus.NOT_ATTEMPTED),
        (first.id, OutcomeStatus.DONE),
    ]
    world.apply(second)
    ACCOUNT.read(world, ["A1", "Uno"], ["A1", "Again"], ["A2", "Two"])
    third = world.run("story")
    stories = world.app.stories("A1")
    assert [one.job.id for one in stories] == [third.id, second.id, first.id]
    assert [len(one.rejects) for one in stories] == [2, 0, 0]
    change = stories[1].changes[0]
    assert [(f.column, f.old, f.new) for f in change.planned.fields] == [("name", "One", "Uno")]
    assert change.outcome.status is OutcomeStatus.DONE
    assert [one.job.id for one in world.app.stories("A2")] == [first.id]
    assert [one.job.id for one in world.app.stories("A1", limit=1)] == [third.id]
    assert world.app.stories("A1", sync="another") == []
    assert [one.job.id for one in world.app.stories("a1 ")] == [third.id, second.id, first.id]
    (alone,) = world.app.stories("A2", job_id=second.id)
    assert (alone.changes, alone.rejects) == ((), ())


def test_a_job_leads_to_all_that_jobs_did_to_a_record(world: World) -> None:
    """`show JOB --record KEY`: every job of the sync that changed it or set it aside, whichever job is named."""
    first = ACCOUNT.run(world, ["A1", "One"])
    second = ACCOUNT.run(world, ["A1", "Uno"])
    ACCOUNT.run(world, ["A1", "Uno"])
    ACCOUNT.but(name="other").run(world, ["A1", "Eins"])
    taken_back = world.app.undo(second.id, started_by="otto", progress=ignore, apply=True)
    where = ["--syncs", str(world.folder / "syncs"), "--state", str(world.folder / "state"), "--json"]
    said = CliRunner(env={"COLUMNS": "120"}).invoke(dynsync, ["show", first.id, "--record", "A1", *where])
    told = json.loads(said.output)["jobs"]
    assert [one["job"]["id"] for one in told] == [taken_back.id, second.id, first.id]
    assert [one["type"] for one in told[0]["rejects"]] == ["Conflict"]
    assert [one["changes"][0]["outcome"]["status"] for one in told[1:]] == ["done", "done"]


def test_who_carried_a_plan_out_is_kept(world: World) -> None:
    """Beside who made it: the one who approved it, or let it go on."""
    ACCOUNT.read(world, ["A1", "One"])
    plan = world.plan("story")
    assert (plan.started_by, plan.applied_by) == ("tester", None)
    job = world.app.apply(plan.id, started_by="otto", progress=ignore)
    assert (job.started_by, job.applied_by, world.app.job(job.id).applied_by) == ("tester", "otto", "otto")


def test_a_record_that_was_written_without_its_link_says_so(world: World) -> None:
    """What became of a record is the last word of both its steps, the link's included."""
    link = {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber", "missing": "defer"}}
    sync = ACCOUNT.but(columns={**ACCOUNT.columns, "parent": "text"}, maps={**ACCOUNT.maps, "parent": link})
    job = sync.run(world, ["A1", "bell \a", ""], ["A2", "Two", "A1"])
    ((child,),) = [story.changes for story in world.app.stories("A2", job_id=job.id)]
    assert (child.outcome.status, child.outcome.link) == (OutcomeStatus.REJECTED, "parentaccountid")


@pytest.mark.needs("azurite")
def test_a_job_runs_with_its_state_in_azure(world: World, storage: object, tmp_path: Path) -> None:
    """Plan, apply, look back: the same, with nothing kept in the folder."""
    world.environ["DYNSYNC_STATE_SECRET"] = "state"
    world.environ["DYNSYNC_SECRET_STATE"] = storage.connection  # type: ignore[attr-defined]
    ACCOUNT.run(world, ["A1", "One"])
    ACCOUNT.read(world, ["A1", "Uno"], ["A2", "Two"])
    plan = world.plan("story")
    job = closes(world.apply(plan))
    assert (job.state, job.source.updated, job.source.created) == (JobState.SUCCEEDED, 1, 1)
    assert [one.changes[0].planned.action for one in world.app.stories("A1")] == ["update", "create"]
    assert not (world.folder / "state").exists()


def test_a_start_that_failed_before_its_plan_outdates_no_plan(world: World) -> None:
    """A file that was away for a minute costs nobody the plan that waits, nor the rest of a job that was stopped."""
    planned = ACCOUNT.plan(world, ["A1", "One"], ["A2", "Two"])
    (world.folder / "data.csv").unlink()
    assert world.run("story").state is JobState.FAILED

    assert closes(world.apply(planned)).source.created == 2
    assert column(world, "name") == {"A1": "One", "A2": "Two"}


def test_a_failed_job_tells_how_long_it_took(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seconds of every phase of a draft, and those and the requests of an apply, are told that was cut short."""

    def cut(*_: object, **__: object) -> None:
        raise UnavailableError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(Planner, "plan", cut)
        drafted = ACCOUNT.plan(world, ["A1", "One"], ["A2", "Two"])
    assert drafted.state is JobState.FAILED
    assert {Phase.READ_SOURCE.value, Phase.RECONCILE.value, Phase.PLAN.value} <= drafted.timings_s.keys()

    job = ACCOUNT.plan(world, ["A1", "One"], ["A2", "Two"])
    monkeypatch.setattr(Applier, "apply", cut)
    failed = world.apply(job)

    assert failed.state is JobState.FAILED
    assert Phase.APPLY.value in failed.timings_s
    assert failed.requests["requests"] >= job.requests["requests"]
