"""Jobs that take many slices: each ends soon, and the next goes on, on a machine that has nothing but the store."""

from __future__ import annotations

import functools
import random

import pytest

from shared.engine import slicing
from shared.engine.applying import Applier
from shared.state import LocalState
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync, column
from tests.e2e.stories import rejects as set_aside

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "parent": "text", "credit": {"type": "number", "validate": True}},
    maps={
        "no": "accountnumber",
        "name": "name",
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber"}},
        "credit": "creditlimit",
    },
    key=["accountnumber"],
    destination={"parallel": 1, "currency": "EUR"},
    behaviour={"dropped": "delete"},
)
OLD = [[f"A{n:02}", f"old {n}", "", str(n)] for n in range(24)]
NEW = [[f"A{n:02}", f"new {n}", "A05", str(n)] for n in range(4, 28)] + [
    ["B1", "bad", "", "many"],
    ["B2", "x", "Z9", ""],
]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three rows, two of them at a time, and chunks of two changes."""
    monkeypatch.setattr("shared.dataverse.reading.PAGE_SIZE", 3)
    monkeypatch.setattr("shared.engine.reading.PAGES_AT_A_TIME", 2)
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=2))


class Steps:
    """Ends a slice after so many looks at the time."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def slice_of(world: World, job: Job, looks: int) -> Job:
    return closes(world.app.slice(job.id, progress=ignore, stopping=Steps(looks)))


def queue(world: World) -> Job:
    return world.app.queue("story", variables={}, files={}, started_by="timer", apply=True)


def begin(world: World) -> Job:
    """A table of 24 rows; a job that creates, updates and deletes four and sets two aside is queued."""
    ACCOUNT.run(world, *OLD)
    ACCOUNT.read(world, *NEW)
    return queue(world)


def taken_back(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Job, dict[object, object]]:
    """A job that created, updated and deleted four; its undo is queued, and looks at three changes at a time."""
    monkeypatch.setattr("shared.engine.undoing.originals.AT_A_TIME", 3)
    monkeypatch.setattr("shared.engine.undoing.going._AT_A_TIME", 3)
    ACCOUNT.run(world, *OLD)
    before = {name: column(world, name) for name in ("accountid", "name", "_parentaccountid_value", "creditlimit")}
    job = ACCOUNT.run(world, *NEW)
    return world.app.queue_undo(job.id, by="otto", apply=True), before


@pytest.mark.parametrize("seed", range(3))
def test_an_undo_in_slices_ends_as_one(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Wherever slices end, while it looks at rows or takes changes back: all is as it was, nothing is planned twice."""
    chance = random.Random(seed)
    job, before = taken_back(world, monkeypatch)
    reached = set()
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        job = slice_of(world, job, chance.randrange(3, 8))
        reached.add(job.slices.reached if job.slices else "")
    assert (job.state, job.error) == (JobState.SUCCEEDED, None), f"seed {seed}"
    assert (job.source.read, job.source.created, job.source.updated) == (28, 4, 20)
    assert job.destination.deleted == 4
    assert {name: column(world, name) for name in before} == before
    assert len({one for one in reached if "batches of round" in one}) > 3, reached
    assert not [name for name in kept(world, job) if name.startswith("work")]


def test_an_undo_looks_at_each_row_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a slice has looked at is not asked for again by the next one."""
    asked = []
    for looks in (1_000, 5):
        job, _ = taken_back(world, monkeypatch)
        world.dataverse.clear_requests()
        job = slice_of(world, job, looks)
        if looks == 5:
            assert (job.state, dict(job.planned)) == (JobState.RUNNING, {})
            assert "batches of round" in (job.slices.reached if job.slices else "")
            job = slice_of(world, job, 1_000)
        assert job.state is JobState.SUCCEEDED
        asked.append(len([request for request in world.dataverse.requests if "/accounts?" in request.path]))
    assert asked[0] == asked[1] > 10


def test_an_undo_without_progress_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices too short for a single batch: after two it fails, says where it stood, and leaves nothing behind."""
    job, _ = taken_back(world, monkeypatch)
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        job = slice_of(world, job, 0)
    assert job.state is JobState.FAILED
    assert "0 batches of round 1 are looked at" in str(job.error)
    assert not [name for name in kept(world, job) if name.startswith("work")]


def kept(world: World, job: Job) -> list[str]:
    return LocalState(world.folder / "state").names(job.id)


@pytest.mark.parametrize("seed", range(4))
def test_many_slices_end_as_one_run_does(world: World, seed: int) -> None:
    """Wherever slices end, while reading or applying: rows, balances and rejects are those of one run."""
    chance = random.Random(seed)
    job = begin(world)
    slices, reached = 0, set()
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        job = slice_of(world, job, chance.randrange(1, 6))
        slices += 1
        reached.add(job.slices.reached if job.slices else "")
    assert (job.state, job.error) == (JobState.COMPLETED_WITH_ERRORS, None)
    assert (job.source.created, job.source.updated, job.source.rejected, job.destination.deleted) == (4, 20, 2, 4)
    assert job.destination.read == 24
    assert slices > 4, f"seed {seed}"
    assert "the plan is made" in reached
    assert any("pages of the destination are read" in one for one in reached), reached
    assert set_aside(world, job) == [(25, "Invalid Format", "credit"), (26, "Unresolved Link", "parentaccountid")]
    assert column(world, "name") == {no: name for no, name, *_ in NEW[:24]}
    assert not [name for name in kept(world, job) if name.startswith(("work", "input"))]
    assert (job.slices and job.slices.begun) == slices
    ACCOUNT.settled(world)


def test_the_source_is_read_once(world: World) -> None:
    """What was read stays read: the file may be gone by the next slice, and the pages are not asked for again."""
    job = begin(world)
    (world.folder / "data.csv").rename(world.folder / "gone.csv")
    failed = slice_of(world, job, 100)
    assert failed.state is JobState.FAILED

    (world.folder / "gone.csv").rename(world.folder / "data.csv")
    job = queue(world)
    job = slice_of(world, job, 0)
    assert (job.state, job.slices and job.slices.reached) == (JobState.RUNNING, "the source is read")
    (world.folder / "data.csv").unlink()
    job = slice_of(world, job, 3)
    assert job.slices is not None
    assert job.slices.reached == "the records are resolved, 4 pages of the destination are read"
    world.dataverse.clear_requests()
    job = slice_of(world, job, 1000)
    assert job.state is JobState.COMPLETED_WITH_ERRORS
    assert job.destination.read == 24
    pages = [request.path for request in world.dataverse.requests if "skiptoken" in request.path]
    assert len(pages) == len(set(pages))


def test_a_row_that_moves_between_two_slices_is_seen(world: World) -> None:
    """What is edited behind the reader is read again, as within one run."""
    job = begin(world)
    job = slice_of(world, job, 0)
    job = slice_of(world, job, 3)
    row = next(row for row in world.dataverse.rows("account") if row["accountnumber"] == "A10")
    world.edit("accounts", row["accountid"], {"name": "new 10", "creditlimit": 10})
    job = slice_of(world, job, 1000)
    assert job.state is JobState.COMPLETED_WITH_ERRORS
    assert column(world, "name")["A10"] == "new 10"


def test_two_slices_without_progress_end_the_job(world: World) -> None:
    """A slice too short for any step: after two the job fails, and says where it stood; `apply` tries again."""
    job = begin(world)
    job = slice_of(world, job, 0)
    job = slice_of(world, job, 0)
    assert job.state is JobState.RUNNING
    job = slice_of(world, job, 0)
    assert job.state is JobState.RUNNING
    job = slice_of(world, job, 0)
    assert job.state is JobState.FAILED
    assert "2 slices in a row brought the job no further (their time was up; the source is read" in str(job.error)
    assert not any(name.startswith("work") for name in kept(world, job))


def test_a_cancelled_job_leaves_nothing_behind(world: World) -> None:
    """Cancelled between two slices, the job's unfinished work is deleted."""
    job = slice_of(world, begin(world), 0)
    assert slicing.KEPT in kept(world, job)
    job = world.app.cancel(job.id, by="nia")
    assert job.state is JobState.CANCELLED
    assert slicing.KEPT not in kept(world, job)
