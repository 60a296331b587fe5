"""The second step of a change, which links it to a row of the same job, survives what the first one does."""

from __future__ import annotations

import pytest

from shared.values.changes import Action
from shared.values.jobs import JobState
from tests.e2e.conftest import World, closes
from tests.e2e.test_defer_story import LOOSE, TREE, Sync, parents
from tests.faults.dying import killed_again_and_again

pytestmark = pytest.mark.usefixtures("no_pauses", "small_chunks")

FIRST = (["A1", "a", ""], ["A2", "b", "A1"], ["A3", "c", ""], ["A4", "d", ""], ["A5", "e", "A4"])
SECOND = (
    ["A1", "a", "B3"],
    ["A2", "new", "B1"],
    ["A3", "c", ""],
    ["A5", "e", "B2"],
    ["B1", "x", "B2"],
    ["B2", "y", "B3"],
    ["B3", "z", "B1"],
)
ENDS = {"A1": "B3", "A2": "B1", "A3": None, "A5": "B2", "B1": "B2", "B2": "B3", "B3": "B1"}
KEYS = [pytest.param(TREE, "accountnumber", id="unique"), pytest.param(LOOSE, "new_externalkey", id="derived")]


def begin(world: World, sync: Sync, key: str) -> Sync:
    """Five rows; then three are created in a circle, three move below them, and a former parent is deleted.

    Where ids are derived, one of the new keys' ids belongs to a row with another key.
    """
    if sync is LOOSE:
        sync.run(world, ["B2", "once", ""])
        (row,) = world.dataverse.rows("account")
        world.edit("accounts", row["accountid"], {key: "A3"})
    sync = sync.behaving(dropped="delete").but(destination={"parallel": 1})
    sync.run(world, *FIRST)
    assert parents(world, key)["A5"] == "A4"
    world.dataverse.clear_requests()
    return sync


@pytest.mark.parametrize(("sync", "key"), KEYS)
def test_killed_again_and_again_every_link_is_set(world: World, sync: Sync, key: str) -> None:
    """Whatever instruction between two notes the process dies at, applying again ends as one clean run would."""
    sync = begin(world, sync, key)
    plan = sync.plan(world, *SECOND)
    assert plan.planned == {Action.CREATE: 3, Action.UPDATE: 3, Action.DELETE: 1}

    deaths = killed_again_and_again(world, plan)

    job = closes(world.app.job(plan.id))
    assert deaths > 3, "not at every kind of moment"
    assert (job.state, job.source.created, job.source.updated, job.destination.deleted) == (JobState.SUCCEEDED, 3, 3, 1)
    assert parents(world, key) == ENDS
    sync.settled(world)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize(("sync", "key"), KEYS)
@pytest.mark.parametrize("planned", [False, True])
def test_cut_connections_leave_no_link_out(world: World, kind: str, sync: Sync, key: str, planned: bool) -> None:
    """Cut before or after the commit, at every write of the job in turn."""
    sync = begin(world, sync, key)
    sync.read(world, *SECOND)
    plan = world.plan(sync.name) if planned else None
    world.dataverse.inject({"kind": kind, "message": "CreateMultiple", "count": 1})
    world.dataverse.inject({"kind": kind, "path": "$batch", "count": 2})
    for nth in (1, 2, 3):
        world.dataverse.inject({"kind": kind, "message": "UpdateMultiple", "nth": nth, "count": 1})

    job = closes(world.apply(plan) if plan else world.run(sync.name))

    assert (job.state, job.source.created, job.source.updated) == (JobState.SUCCEEDED, 3, 3)
    assert parents(world, key) == ENDS


def test_a_link_that_somebody_set_meanwhile_is_a_conflict(world: World) -> None:
    """A person approves a plan; the row was moved since: the link is not written over, the job says so."""
    sync = begin(world, TREE, "accountnumber")
    plan = sync.plan(world, *SECOND)
    ids = {row["accountnumber"]: row["accountid"] for row in world.dataverse.rows("account")}
    world.edit("accounts", ids["A1"], {"parentaccountid@odata.bind": f"/accounts({ids['A3']})"})

    job = closes(world.apply(plan))

    assert (job.source.created, job.source.updated, job.source.conflict) == (3, 2, 1)
    assert parents(world) == {**ENDS, "A1": "A3"}
