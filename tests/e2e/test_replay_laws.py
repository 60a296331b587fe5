"""Laws of replays: nothing that landed changes, every balance closes, and what is open is what did not land."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.errors import RefuseError
from shared.values.cases import Choice
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import BOUNDED, World, an_hour_ago, closes, ignore
from tests.e2e.stories import Sync
from tests.examples import examples

RECORDS = st.lists(
    st.tuples(st.sampled_from("ABCDE"), st.sampled_from(["x", "xx", "xxx", "xxxx", "bell \a"])),
    max_size=5,
    unique_by=lambda record: record[0],
)
LONGEST = st.integers(1, 6)


@pytest.fixture(scope="module")
def laws() -> Iterator[World]:
    """One world for all examples; each begins with an empty table and a store of its own."""
    with tempfile.TemporaryDirectory() as folder, LocalDataverse(clock=an_hour_ago) as dataverse:
        world = World(dataverse, Path(folder), {})
        (world.folder / "syncs").mkdir()
        (world.folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        yield world


def taking(longest: int, number: int) -> Sync:
    """A delta that takes names up to a length; every example has a sync, and so a store, of its own."""
    return Sync(
        name=f"story-{number}",
        columns={"no": "text", "name": {"type": "text", "max_length": longest, "validate": True}},
        maps={"no": "accountnumber", "name": "name"},
        key=["accountnumber"],
        behaviour={"strategy": "delta"},
    )


def versions(world: World) -> dict[object, tuple[object, object]]:
    return {row["accountnumber"]: (row["name"], row["versionnumber"]) for row in world.dataverse.rows("account")}


def open_keys(world: World, sync: Sync) -> set[str | None]:
    return {case.reject.key for case in world.app.open_rejects(sync.name)}


def replayed(world: World, sync: Sync, *, planned: bool) -> Job | None:
    try:
        job = closes(world.app.replay(sync.name, Choice(), started_by="otto", progress=ignore, apply=not planned))
    except RefuseError:
        return None
    return closes(world.apply(job)) if job.state is JobState.AWAITING_APPROVAL else job


@settings(BOUNDED, max_examples=examples(15))
@given(
    first=RECORDS, second=RECORDS, lengths=st.tuples(LONGEST, LONGEST), planned=st.booleans(), n=st.integers(0, 10**9)
)
def test_a_replay_changes_nothing_that_landed(
    laws: World,
    first: list[tuple[str, str]],
    second: list[tuple[str, str]],
    lengths: tuple[int, int],
    planned: bool,
    n: int,
) -> None:
    """After two jobs and a fix: exactly the last record of each key that did not land is run again."""
    laws.clear("account")
    sync, fixed = taking(lengths[0], n), taking(lengths[1], n)
    for case in laws.app.jobs(sync=sync.name, limit=100):
        laws.app._state.forget(case.id)
    last: dict[str, str] = {}
    for records in (first, second):
        sync.run(laws, *map(list, records))
        last |= dict(records)
    before = versions(laws)
    waiting = {key for key, name in last.items() if len(name) > lengths[0] or "\a" in name}
    assert open_keys(laws, sync) == waiting

    fixed.define(laws)
    job = replayed(laws, fixed, planned=planned)

    after = versions(laws)
    lands = {key for key in waiting if len(last[key]) <= lengths[1] and "\a" not in last[key]}
    assert {key: after[key] for key in before if key not in lands} == {
        key: value for key, value in before.items() if key not in lands
    }
    assert {key: after[key][0] for key in lands} == {key: last[key] for key in lands}
    assert open_keys(laws, fixed) == waiting - lands
    assert (job is None) == (not waiting)
    assert job is None or job.source.read == len(waiting)
    again = replayed(laws, fixed, planned=planned)
    assert versions(laws) == after
    assert (again is None) == (waiting == lands)
