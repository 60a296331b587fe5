"""Runs that read only what change tracking tells: they find what a whole read finds, and read next to nothing."""

from __future__ import annotations

import random
import re

import pytest

from shared.dataverse.tracking import ChangeTracking
from shared.engine.slicing import SliceOverError
from shared.values.changes import Action
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, ignore
from tests.e2e.stories import Sync, column
from tests.e2e.test_slice_story import Steps

TRACKED = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "new_externalkey", "name": "name"},
    key=["new_externalkey"],
    behaviour={"dropped": "delete"},
    destination={"change_tracking": True, "filter": "fax ne 'other'"},
)
ROWS = [(f"A{number}", f"Name {number}") for number in range(40)]


def reads(world: World) -> list[str]:
    """The reads of the table's rows since the last `clear_requests`."""
    return [r.path for r in world.dataverse.requests if r.method == "GET" and "/accounts" in r.path]


def tracked(job: Job) -> bool:
    """Whether the run read changes instead of the whole table; its first note says so."""
    return "changes of account were told by change tracking" in job.notes[0]


def ids(world: World) -> dict[object, object]:
    return column(world, "accountid", key="new_externalkey")


def test_a_run_without_changes_reads_no_row_but_a_sample(world: World) -> None:
    """After one whole read, a run asks for changes, for what was touched, and for a sample: three requests."""
    first = TRACKED.run(world, *ROWS)
    assert (first.source.created, tracked(first)) == (40, False)
    second = TRACKED.run(world, *ROWS)
    assert (second.state, second.source.unchanged, tracked(second)) == (JobState.SUCCEEDED, 40, True)
    assert second.notes[0].startswith("40 changes of account")
    world.dataverse.clear_requests()

    third = TRACKED.run(world, *ROWS)

    assert (third.source.unchanged, third.destination.matched, third.planned) == (40, 40, {})
    assert third.notes[0] == (
        "0 changes of account were told by change tracking and 0 rows read for them, instead of all 40 rows"
    )
    assert len(reads(world)) == 3
    assert world.writes() == []
    assert third.fingerprint == second.id, "nothing changed, so nothing new was kept"


def test_what_people_do_is_seen(world: World) -> None:
    """Edited, re-keyed, deleted, created, moved in and out of the filter: each is met as a whole read would meet it."""
    TRACKED.run(world, *ROWS)
    TRACKED.run(world, *ROWS)
    known = ids(world)
    world.edit("accounts", known["A1"], {"name": "edited"})
    world.edit("accounts", known["A2"], {"new_externalkey": "B2"})
    world.edit("accounts", known["A3"], {"fax": "other"})
    world.remove("accounts", known["A4"])
    world.dataverse.insert("account", [{"new_externalkey": "B5", "name": "new"}])

    plan = TRACKED.plan(world, *ROWS)

    assert tracked(plan)
    assert plan.planned == {Action.CREATE: 2, Action.UPDATE: 1, Action.DELETE: 2}
    assert (plan.source.outside, plan.source.unchanged) == (1, 36)
    changes = {change.key: change for change in world.app.plan_sample(plan.id, limit=100)}
    assert [(field.old, field.new) for field in changes["A1"].fields] == [("edited", "Name 1")]
    done = world.apply(plan)
    assert (done.state, done.source.conflict) == (JobState.SUCCEEDED, 0)
    world.edit("accounts", known["A3"], {"fax": ""})
    again = TRACKED.run(world, *ROWS)
    assert (tracked(again), again.source.unchanged, again.planned) == (True, 40, {})


def test_only_rows_that_are_written_are_read(world: World) -> None:
    """A change in the source reads its row; the plan holds the row's real value and undo brings it back."""
    TRACKED.run(world, *ROWS)
    TRACKED.run(world, *ROWS)
    changed = [("A0", "Another"), *ROWS[1:39]]

    job = TRACKED.run(world, *changed)

    assert tracked(job)
    assert job.planned == {Action.UPDATE: 1, Action.DELETE: 1}
    assert column(world, "name", key="new_externalkey")["A0"] == "Another"
    undone = world.app.undo(job.id, started_by="tester", progress=lambda _: None, apply=True)
    assert undone.state is JobState.SUCCEEDED
    again = TRACKED.run(world, *ROWS)
    assert (tracked(again), again.source.unchanged, again.planned) == (True, 40, {})


def test_brakes_count_the_rows_that_were_not_read(world: World) -> None:
    """Shares are of all rows: those that hold a value in a column, and those that the sync owns."""
    braked = TRACKED.behaving(brakes={"removals": "5%", "updates": "50%", "at_least": 1})
    TRACKED.run(world, *ROWS)
    TRACKED.run(world, *ROWS)
    emptied = [(key, "" if number < 25 else name) for number, (key, name) in enumerate(ROWS[:37])]

    job = braked.run(world, *emptied)

    assert tracked(job)
    assert {brake.name: (brake.found, brake.of) for brake in job.brakes} == {
        "removals": (3, 40), "updates": (25, 40), "emptied:name": (25, 40),
    }  # fmt: skip
    assert column(world, "name", key="new_externalkey") == dict(ROWS)


@pytest.mark.parametrize("seed", range(2))
def test_slices_go_on_with_it(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """A job that many slices work on remembers and finds the same, wherever they end."""
    monkeypatch.setattr("shared.dataverse.reading.PAGE_SIZE", 9)
    monkeypatch.setattr("shared.engine.reading.PAGES_AT_A_TIME", 2)
    TRACKED.read(world, *ROWS)
    world.run("story")
    chance = random.Random(seed)
    for _ in range(3):
        job = world.app.queue("story", variables={}, files={}, started_by="timer", apply=True)
        while job.state in (JobState.QUEUED, JobState.RUNNING):
            job = world.app.slice(job.id, progress=ignore, stopping=Steps(chance.randrange(2, 9)))
        assert (job.state, job.error, job.source.unchanged) == (JobState.SUCCEEDED, None, 40)
    last = TRACKED.run(world, *ROWS)
    assert (tracked(last), last.source.unchanged) == (True, 40)


def test_a_first_link_that_takes_several_slices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice goes on where the last one stopped, no page of ids is read twice, and the next run has the link."""
    monkeypatch.setattr("shared.dataverse.tracking._TRACKED", {"Prefer": "odata.track-changes,odata.maxpagesize=5"})
    world.dataverse.insert("account", [{"new_externalkey": key, "name": name} for key, name in ROWS])
    TRACKED.read(world, *ROWS)
    job, stops = world.app.queue("story", variables={}, files={}, started_by="timer", apply=True), list[str]()
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        job = world.app.slice(job.id, progress=ignore, stopping=Steps(4))
        stops.append(job.slices.reached if job.slices else "")
    assert (job.state, job.error, job.source.unchanged, job.fingerprint) == (JobState.SUCCEEDED, None, 40, job.id)
    pages = [int(found[1]) for stop in stops if (found := re.search(r"(\d+) pages of the destination's ids", stop))]
    assert pages == sorted(pages), "a slice that tells no more than the last one counts as idle"
    assert (len(set(pages)) > 1, pages[-1]) == (True, 7)
    asked = [path for path in reads(world) if path.endswith("select=accountid") or "skiptoken" in path]
    assert len(asked) == len(set(asked)) == 8
    assert tracked(TRACKED.run(world, *ROWS))


def test_a_first_link_that_takes_longer_than_a_slice(world: World) -> None:
    """The job does without one and ends; no later job believes that there is one."""
    TRACKED.read(world, *ROWS)
    job = world.app.queue("story", variables={}, files={}, started_by="timer", apply=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChangeTracking, "begin", lambda self, *_, **__: self._told() or _over())
        job = world.app.slice(job.id, progress=ignore)
    assert job.state is JobState.RUNNING
    job = world.app.slice(job.id, progress=ignore)
    assert (job.state, job.source.created, job.fingerprint) == (JobState.SUCCEEDED, 40, None)
    assert not tracked(TRACKED.run(world, *ROWS))
    assert tracked(TRACKED.run(world, *ROWS))


def _over() -> str:
    raise SliceOverError("the time is up")


def test_check_says_where_it_is_of_no_use(world: World) -> None:
    """A filter that looks at other rows: every run reads all of them, and the note says why."""
    related = TRACKED.but(destination={"change_tracking": True, "filter": "parentaccountid/name ne 'x'"})
    job = related.run(world)
    assert any("the filter looks at parentaccountid/name" in note for note in job.notes)
    assert job.fingerprint is None
