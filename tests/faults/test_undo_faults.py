from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import cycle

import pytest

from shared.dataverse.transport import Transport
from shared.engine.applying import Applier
from shared.state import LocalState
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync

TREE = Sync(
    columns={"no": "text", "name": "text", "parent": "text", "state": "text"},
    maps={
        "no": "accountnumber",
        "name": "name",
        "state": "statecode",
        "parent": {
            "target": "parentaccountid",
            "link": {"entity": "account", "column": "accountnumber", "missing": "defer"},
        },
    },
    key=["accountnumber"],
    destination={"parallel": 1},
    behaviour={"dropped": "delete"},
)
FIRST = [
    ["A1", "One", "", "Active"],
    ["A2", "Two", "A1", "Inactive"],
    ["A3", "Three", "A1", "Active"],
    ["A4", "Four", "", "Active"],
]
SECOND = [
    ["A3", "3", "", "Active"],
    ["A4", "4", "B1", "Inactive"],
    ["B1", "b", "", "Active"],
    ["B2", "bb", "B1", "Inactive"],
]
_STAMPS = ("createdon", "modifiedon", "versionnumber")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=1))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "wait", lambda _self, _seconds, **_: None)


def table(world: World) -> dict[object, Mapping[str, object]]:
    return {
        row["accountid"]: {name: value for name, value in row.items() if name not in _STAMPS}
        for row in world.dataverse.rows("account")
    }


def begin(world: World) -> tuple[Job, dict[object, Mapping[str, object]]]:
    """A job that creates, updates, links and deletes two each; and the table before it."""
    TREE.run(world, *FIRST)
    before = table(world)
    job = TREE.run(world, *SECOND)
    assert job.state is JobState.SUCCEEDED
    world.dataverse.clear_requests()
    return job, before


def undo(world: World, job: Job, *, apply: bool = True) -> Job:
    return closes(world.app.undo(job.id, started_by="otto", progress=ignore, apply=apply))


@pytest.mark.parametrize("kind", ["drop_before", "drop_during", "drop_after", "drop_answer"])
def test_cut_connections_during_an_undo_change_nothing(world: World, kind: str) -> None:
    """Whichever write loses its connection, before or after the commit, the table is restored."""
    job, before = begin(world)
    for _ in range(3):
        world.dataverse.inject({"kind": kind, "path": "$batch", "count": 1})
        world.dataverse.inject({"kind": kind, "message": "CreateMultiple", "count": 1})
    done = undo(world, job)
    assert (done.state, done.error) == (JobState.SUCCEEDED, None), list(world.app.rejects(done.id))
    assert table(world) == before


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_changes_nothing_but_the_time(world: World, method: str, status: int) -> None:
    """Throttled while it reads and while it writes."""
    job, before = begin(world)
    fault = {"kind": "status", "status": status, "headers": {"Retry-After": "0"}, "count": 3}
    for path in ("accounts", "contacts", "$batch"):
        world.dataverse.inject({**fault, "method": method, "path": path})
    done = undo(world, job)
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    assert table(world) == before


def dying(method: Callable[..., None], *, before: bool) -> Callable[..., None]:
    def called(*arguments: object) -> None:
        if before:
            raise Killed
        method(*arguments)
        raise Killed

    return called


def test_killed_again_and_again_the_undo_ends_as_one_clean_one(world: World) -> None:
    """Before and after every note of the store: applying again goes on, and the job is marked in the end."""
    job, before = begin(world)
    planned = undo(world, job, apply=False)
    deaths = 0
    for method, early in cycle([("record", True), ("record", False), ("mark_sent", True), ("mark_sent", False)]):
        if world.app.job(planned.id).state is JobState.SUCCEEDED:
            break
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LocalState, method, dying(getattr(LocalState, method), before=early))
            try:
                world.apply(planned)
            except Killed:
                state = LocalState(world.folder / "state")
                state.save(replace(state.get(planned.id), state=JobState.RUNNING, error=None))
                deaths += 1
        assert deaths < 60
    assert deaths > 8
    assert table(world) == before
    assert world.app.job(job.id).state is JobState.UNDONE


def test_what_a_cancelled_job_had_done_is_undone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after any of its chunks: only what was carried out is taken back, the rest is counted as ignored."""
    TREE.run(world, *FIRST)
    before = table(world)
    record = LocalState.record

    for stop in (1, 3, 5, 7):
        count = iter(range(1, 100))

        def interrupted(*arguments: object, stop: int = stop, count: object = count) -> None:
            record(*arguments)  # type: ignore[arg-type]
            if next(count) == stop:  # type: ignore[call-overload]
                raise KeyboardInterrupt

        TREE.read(world, *SECOND)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(LocalState, "record", interrupted)
            world.run("story")
        job = closes(world.app.jobs(limit=1)[0])
        assert job.state is JobState.CANCELLED
        done = undo(world, job)
        assert (done.state, done.source.conflict) == (JobState.SUCCEEDED, 0), list(world.app.rejects(done.id))
        assert table(world) == before
        assert world.app.job(job.id).state is JobState.UNDONE


def test_a_create_whose_second_step_was_refused_is_undone(world: World) -> None:
    """The row is there, though the change counts as rejected; it goes again."""
    TREE.run(world, *FIRST)
    before = table(world)
    world.dataverse.inject(
        {"status": 400, "code": "0x80048408", "text": "no status for you", "message": "UpdateMultiple", "count": 10}
    )
    world.dataverse.inject({"status": 400, "code": "0x80048408", "text": "no status", "path": "$batch", "count": 10})
    job = TREE.run(world, *FIRST, ["B1", "b", "", "Inactive"])
    world.dataverse.application.faults.clear()
    assert (job.source.rejected, len(table(world))) == (1, 5)
    done = undo(world, job)
    assert (done.state, done.destination.deleted) == (JobState.SUCCEEDED, 1)
    assert table(world) == before
