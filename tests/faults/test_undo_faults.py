from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import pytest

from local.dataverse.logic import Stage
from local.dataverse.logic.events import Event
from shared.dataverse.writing import Writer
from shared.engine.applying import Applier
from shared.state import LocalState
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync
from tests.faults.dying import Killed, killed_again_and_again

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


pytestmark = pytest.mark.usefixtures("no_pauses", "single_changes")


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
    fault = {"kind": "status", "status": status, "headers": {"Retry-After": "0.01"}, "count": 3}
    for path in ("accounts", "contacts", "$batch"):
        world.dataverse.inject({**fault, "method": method, "path": path})
    done = undo(world, job)
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    assert table(world) == before


def test_killed_again_and_again_the_undo_ends_as_one_clean_one(world: World) -> None:
    """Before and after every note of the store: applying again goes on, and the job is marked in the end."""
    job, before = begin(world)
    planned = undo(world, job, apply=False)
    deaths = killed_again_and_again(world, planned)
    assert deaths > 3, "not at every kind of moment"
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


FIRST_TO_GO, LAST_TO_GO = "00000000", "ffffffff"
"""How a parent's id may begin: rows are deleted in the order of their ids, so it goes before its children or after."""


def family(world: World, parent: str) -> dict[str, str]:
    """Three rows, P and its children C and D; their ids by number."""
    starts = {"P": parent, "C": "55555555", "D": "aaaaaaaa"}
    ids = {no: f"{start}-0000-4000-8000-000000000001" for no, start in starts.items()}
    bind = {"parentaccountid@odata.bind": f"/accounts({ids['P']})"}
    world.dataverse.insert("account", [{"accountid": ids["P"], "accountnumber": "P", "name": "P"}])
    children = [{"accountid": ids[no], "accountnumber": no, "name": no, **bind} for no in ("C", "D")]
    world.dataverse.insert("account", children)
    return ids


@pytest.mark.parametrize("parent", [FIRST_TO_GO, LAST_TO_GO])
@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("method", ["mark_sent", "record"])
def test_a_child_that_was_not_deleted_has_its_link_again(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str, stop: int, parent: str
) -> None:
    """Stopped between the deletes of a parent and its children, whichever comes first, before a request or after it."""
    family(world, parent)
    before = table(world)
    note, count = getattr(LocalState, method), iter(range(1, 100))

    def interrupted(*arguments: object) -> None:
        note(*arguments)
        if next(count) == 1 + stop:  # the first is B1's create
            raise KeyboardInterrupt

    TREE.read(world, ["B1", "b", "", "Active"])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LocalState, method, interrupted)
        world.run("story")
    job = closes(world.app.jobs(limit=1)[0])
    left = 4 - stop if method == "mark_sent" else 3 - stop
    assert (job.state, len(table(world))) == (JobState.CANCELLED, left + 1)
    done = undo(world, job)
    assert (done.state, done.source.conflict) == (JobState.SUCCEEDED, 0), list(world.app.rejects(done.id))
    cleared = left if parent == FIRST_TO_GO and left < 3 else 0
    assert (done.source.created, done.source.updated) == (3 - left, cleared)
    assert table(world) == before


@pytest.mark.parametrize("becomes", ["", "B1"])
def test_a_child_whose_own_change_was_refused_has_its_link_again(world: World, becomes: str) -> None:
    """C's link was to be emptied, or set to a new row; D was to go; a plug-in refused both, and P was deleted."""
    ids = family(world, FIRST_TO_GO)
    before = table(world)

    def refuse(event: Event) -> None:
        links = [name for name in event.row if name.startswith("parentaccountid")]
        if event.row_id == ids["D"] or (event.row_id == ids["C"] and links):
            event.refuse("not this one")

    steps = [world.dataverse.on(refuse, "account", message, stage=Stage.BEFORE) for message in ("Update", "Delete")]
    job = TREE.run(world, ["C", "new", becomes, "Active"], *([["B1", "b", "", "Active"]] if becomes else []))
    for step in steps:
        world.dataverse.remove(step)
    assert (job.state, job.source.rejected, job.destination.refused) == (JobState.COMPLETED_WITH_ERRORS, 1, 1)
    assert {row["_parentaccountid_value"] for row in table(world).values()} == {None}
    done = undo(world, job)
    assert (done.state, done.source.conflict) == (JobState.SUCCEEDED, 0), list(world.app.rejects(done.id))
    assert table(world) == before


def test_a_link_that_moved_on_is_left_alone(world: World) -> None:
    """D's delete was refused and P deleted; then somebody gave D another parent, which it keeps."""
    ids = family(world, FIRST_TO_GO)
    step = world.dataverse.on(
        lambda event: event.refuse("no") if event.row_id == ids["D"] else None, "account", "Delete", stage=Stage.BEFORE
    )
    job = TREE.run(world, ["B1", "b", "", "Active"])
    world.dataverse.remove(step)
    (other,) = world.dataverse.insert("account", [{"accountnumber": "X", "name": "x"}])
    world.edit("accounts", ids["D"], {"parentaccountid@odata.bind": f"/accounts({other})"})
    done = undo(world, job)
    assert (done.state, done.source.ignored, done.source.updated) == (JobState.SUCCEEDED, 1, 0)
    assert table(world)[ids["D"]]["_parentaccountid_value"] == other


def test_a_second_undo_brings_the_links_that_the_first_did_not_come_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was stopped when it had made the parent and its children again, before it linked them."""
    family(world, FIRST_TO_GO)
    before = table(world)
    job = TREE.run(world, ["B1", "b", "", "Active"])
    record, count = LocalState.record, iter(range(1, 100))

    def interrupted(*arguments: object) -> None:
        record(*arguments)  # type: ignore[arg-type]
        if next(count) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LocalState, "record", interrupted)
        undo(world, job)
    assert len(table(world)) == 4
    assert {row["_parentaccountid_value"] for row in table(world).values()} == {None}
    done = undo(world, job)
    assert (done.state, done.source.updated, done.destination.deleted) == (JobState.SUCCEEDED, 2, 1)
    assert table(world) == before


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


def test_what_a_second_attempt_sent_is_undone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service went away in the midst of a chunk; another start sent the rest and died before it could note it."""
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=4))
    TREE.run(world, *FIRST)
    before = table(world)
    write = Writer.write

    def half(writer: Writer, kind: WriteKind, writes: Sequence[Write]) -> list[Outcome]:
        left = [Outcome(one.change, OutcomeStatus.NOT_ATTEMPTED) for one in writes[1:]]
        return [*write(writer, kind, writes[:1]), *left]

    def dies(writer: Writer, kind: WriteKind, writes: Sequence[Write]) -> list[Outcome]:
        write(writer, kind, writes)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", half)
        job = TREE.run(world, *([no, "changed", parent, state] for no, _, parent, state in FIRST))
        assert (job.state, job.source.updated, job.source.not_attempted) == (JobState.FAILED, 1, 3)
        patch.setattr(Writer, "write", dies)
        with pytest.raises(Killed):
            world.apply(job)
    assert {row["name"] for row in table(world).values()} == {"changed"}
    done = undo(world, job)
    assert (done.state, done.source.updated, done.source.ignored) == (JobState.SUCCEEDED, 4, 0)
    assert table(world) == before
