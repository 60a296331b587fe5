from __future__ import annotations

import pytest

from shared.engine.cases.ledger import LEDGER
from shared.state import LocalState
from shared.values.cases import Choice
from shared.values.jobs import Job
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync
from tests.faults.dying import killed_again_and_again

DELTA = Sync(
    columns={"no": "text", "name": {"type": "text", "max_length": 3, "validate": True}},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    destination={"parallel": 1},
    behaviour={"strategy": "delta"},
)
WIDER = DELTA.but(columns={"no": "text", "name": {"type": "text", "max_length": 5, "validate": True}})
RECORDS = [["A1", "One"], ["A2", "Three"], ["A3", "Seven"], ["A4", "Eighteen"]]


pytestmark = pytest.mark.usefixtures("no_pauses")


def replay(world: World, *, apply: bool) -> Job:
    return closes(world.app.replay("story", Choice(), started_by="otto", progress=ignore, apply=apply))


def names(world: World) -> dict[object, object]:
    return {row["accountnumber"]: row["name"] for row in world.dataverse.rows("account")}


def open_keys(world: World) -> dict[str | None, str]:
    return {case.reject.key: case.job for case in world.app.open_rejects("story")}


def test_killed_again_and_again_a_replay_ends_as_one_clean_one(world: World) -> None:
    """Before and after every note and file of the store, the list of open rejects among them."""
    DELTA.run(world, *RECORDS)
    WIDER.define(world)
    planned = replay(world, apply=False)
    deaths = killed_again_and_again(world, planned, ("mark_sent", "record", "put", "note_files"), every=1)
    assert deaths > 4
    job = closes(world.app.job(planned.id))
    assert (job.source.created, job.source.rejected, job.open_rejects) == (2, 1, 1)
    assert names(world) == {"A1": "One", "A2": "Three", "A3": "Seven"}
    assert open_keys(world) == {"A4": job.id}
    assert LEDGER in LocalState(world.folder / "state").names(job.id)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_cut_connections_during_a_replay_change_nothing(world: World, kind: str) -> None:
    """Nothing is lost or doubled, and what landed is closed."""
    DELTA.run(world, *RECORDS)
    WIDER.define(world)
    world.dataverse.inject({"kind": kind, "message": "CreateMultiple", "count": 1})
    world.dataverse.inject({"kind": kind, "path": "$batch", "count": 1})
    job = replay(world, apply=True)
    assert (job.source.created, job.source.rejected) == (2, 1)
    assert names(world) == {"A1": "One", "A2": "Three", "A3": "Seven"}
    assert open_keys(world) == {"A4": job.id}
