"""Jobs that wait for their turn: queued by one process, worked on by another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import AlreadyRunningError, RefuseError
from shared.state import LocalState
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync, column

HANDED = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    source={"path": "@extract"},
    rest={"variables": {"extract": {"file": True}, "day": {"formula": "FILENAME(@extract, '([0-9]+)')"}}},
)


def extract(world: World, *records: tuple[str, str], name: str = "extract 20260131.csv") -> Path:
    HANDED.define(world)
    folder = world.folder / "handed over"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("no,name\n" + "".join(f"{no},{text}\n" for no, text in records), encoding="utf-8")
    return path


def queue(world: World, path: Path, *, apply: bool = True) -> Job:
    """Queue a job, as a caller does whose upload is gone a moment later."""
    job = world.app.queue("story", variables={}, files={"extract": path}, started_by="timer", apply=apply)
    path.unlink()
    return job


def work(world: World, job: Job) -> Job:
    """One slice, by a process of its own."""
    return closes(world.app.slice(job.id, progress=ignore))


def test_a_queued_job_is_carried_out_by_another_process(world: World) -> None:
    """Its file, its variables and who started it are kept with it; another slice of a job that ended does nothing."""
    job = queue(world, extract(world, ("A1", "One")))
    assert (job.state, job.to_apply, job.started_by) == (JobState.QUEUED, True, "timer")
    assert world.dataverse.rows("account") == []

    done = work(world, job)

    assert (done.state, done.source.created, done.id) == (JobState.SUCCEEDED, 1, job.id)
    assert done.variables == {"extract": "extract 20260131.csv", "day": "20260131"}
    assert column(world, "name") == {"A1": "One"}
    assert work(world, job) == done


def test_only_a_plan_is_queued_and_approved_into_the_queue(world: World) -> None:
    """A queued plan waits for approval; approved, the next slice carries it out."""
    job = work(world, queue(world, extract(world, ("A1", "One")), apply=False))
    assert (job.state, job.planned) == (JobState.AWAITING_APPROVAL, {"create": 1})

    approved = world.app.queue_apply(job.id, by="nia")

    assert approved.state is JobState.RUNNING
    assert work(world, approved).state is JobState.SUCCEEDED
    with pytest.raises(RefuseError, match="final"):
        world.app.queue_apply(job.id, by="nia")


def test_queued_jobs_take_turns_by_age(world: World) -> None:
    """The older one comes first, also before a start that waits for nothing; so an older file never comes last."""
    first = queue(world, extract(world, ("A1", "old")))
    second = queue(world, extract(world, ("A1", "new")))

    assert work(world, second).state is JobState.QUEUED
    with pytest.raises(AlreadyRunningError, match=f"job {first.id} .* is Queued and comes first"):
        world.apply(second)
    with pytest.raises(AlreadyRunningError, match="comes first"):
        world.run("story", files={"extract": extract(world, ("A1", "newest"))})

    assert work(world, first).state is JobState.SUCCEEDED
    assert work(world, second).state is JobState.SUCCEEDED
    assert column(world, "name") == {"A1": "new"}


def test_apply_carries_a_queued_job_out_at_once(world: World) -> None:
    """On the command line nobody has to wait for an app."""
    job = queue(world, extract(world, ("A1", "One")))
    assert world.apply(job).state is JobState.SUCCEEDED


def test_a_job_is_cancelled_while_it_waits(world: World) -> None:
    """At once when its sync is free; while another job runs, as soon as its turn has come."""
    job = queue(world, extract(world, ("A1", "One")))
    assert world.app.cancel(job.id, by="nia").state is JobState.CANCELLED

    other = queue(world, extract(world, ("A1", "One")))
    state = LocalState(world.folder / "state")
    lease = state.acquire("story", "somebody", now=other.created_at, seconds=1e6)
    assert world.app.cancel(other.id, by="nia").state is JobState.QUEUED
    with pytest.raises(AlreadyRunningError):
        work(world, other)
    state.release(lease)
    ended = work(world, other)
    assert (ended.state, ended.error) == (JobState.CANCELLED, "cancelled by nia; nothing was written")
    assert world.dataverse.rows("account") == []


def test_a_definition_may_be_mended_while_its_jobs_wait(world: World) -> None:
    """The job goes by the definition as it stands when its turn comes, unless that asks for other variables."""
    job = queue(world, extract(world, ("A1", "One")))
    HANDED.behaving(new="ignore").define(world)
    done = work(world, job)
    assert (done.state, done.source.ignored) == (JobState.SUCCEEDED, 1)
    assert done.definition_hash != job.definition_hash

    job = queue(world, extract(world, ("A1", "One")))
    HANDED.but(rest={"variables": {"extract": {"file": True}}}).define(world)
    failed = work(world, job)
    assert failed.state is JobState.FAILED
    assert "variables of story were changed while the job waited" in str(failed.error)


def test_a_job_without_a_plan_reads_again(world: World) -> None:
    """Stopped before its plan was made, by an error or by its death, `apply` carries it through all the same."""
    path = extract(world, ("A1", "One"))
    world.dataverse.inject({"kind": "status", "status": 403, "path": "/accounts", "count": 1})
    job = queue(world, path)
    assert (work(world, job).state, work(world, job).planned) == (JobState.FAILED, {})
    assert world.apply(job).state is JobState.SUCCEEDED

    again = extract(world, ("A1", "Two"))
    world.dataverse.inject({"kind": "status", "status": 403, "path": "/accounts", "count": 1})
    failed = world.run("story", files={"extract": again})
    assert failed.state is JobState.FAILED
    with pytest.raises(RefuseError, match=r"its files \(extract\) are not kept"):
        world.apply(failed)
    assert world.app.job(failed.id) == failed

    plain = HANDED.but(source={}, rest={})
    plain.read(world, ["A1", "Three"])
    world.dataverse.inject({"kind": "status", "status": 403, "path": "/accounts", "count": 1})
    failed = world.run("story")
    assert (failed.state, failed.planned) == (JobState.FAILED, {})
    state = LocalState(world.folder / "state")
    state.save(replace(failed, state=JobState.RUNNING, error=None, finished_at=None))
    done = closes(world.apply(failed))
    assert (done.state, done.source.updated, done.id) == (JobState.SUCCEEDED, 1, failed.id)
