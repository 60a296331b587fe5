"""Laws of undo: whatever a job did, its undo restores the table; planned first or not, in one go or job after job."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import BOUNDED, World, an_hour_ago, closes, ignore
from tests.e2e.stories import Sync
from tests.examples import examples

KEYS = ["A", "B", "C", "D", "E"]
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(["", "One", "two", "Größe"]),
        st.sampled_from(["", "1", "2"]),
        st.sampled_from(["", *KEYS]),
        st.sampled_from(["", "Gold", "Silver"]),
    ),
    max_size=5,
    unique_by=lambda record: record[0],
)
DROPPED = st.sampled_from(["delete", "delete", {"expire": "new_expiredon"}, {"deactivate": "Inactive"}])
TREE = Sync(
    columns={"no": "text", "name": "text", "size": "number", "parent": "text", "tier": "text"},
    maps={
        "no": "accountnumber",
        "name": "name",
        "size": "numberofemployees",
        "tier": "new_tier",
        "parent": {
            "target": "parentaccountid",
            "link": {"entity": "account", "column": "accountnumber", "missing": "defer"},
        },
    },
    key=["accountnumber"],
)
_STAMPS = ("createdon", "modifiedon", "versionnumber")


@pytest.fixture(scope="module")
def laws() -> Iterator[World]:
    """One world for all examples; each begins with an empty table."""
    with tempfile.TemporaryDirectory() as folder, LocalDataverse(clock=an_hour_ago) as dataverse:
        world = World(dataverse, Path(folder), {})
        (world.folder / "syncs").mkdir()
        (world.folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        yield world


def table(world: World) -> dict[object, Mapping[str, object]]:
    return {
        row["accountid"]: {name: value for name, value in row.items() if name not in _STAMPS}
        for row in world.dataverse.rows("account")
    }


def ran(world: World, sync: Sync, records: Sequence[Sequence[str]]) -> Job:
    """A job over these records, which are trees: parents are among them, and none leads back to its child.

    A parent that the job drops would lose its children's links to a delete; those do not come back.
    """
    keys = {record[0] for record in records}
    parents = {record[0]: record[3] for record in records}
    records = [[*r[:3], r[3] if r[3] in keys else "", r[4]] for r in records]
    return sync.run(world, *([*r[:3], r[3] if not _leads_back(r[0], parents) else "", r[4]] for r in records))


def _leads_back(key: str, parents: Mapping[str, str]) -> bool:
    seen, at = set(), parents.get(key, "")
    while at and at not in seen:
        seen.add(at)
        at = parents.get(at, "")
    return at in (key, *seen) if at else False


def undone(world: World, job: Job, *, planned: bool) -> Job:
    if not world.app._state.chunks(job.id):
        return job
    done = closes(world.app.undo(job.id, started_by="otto", progress=ignore, apply=not planned))
    return closes(world.apply(done)) if done.state is JobState.AWAITING_APPROVAL else done


@settings(BOUNDED, max_examples=examples(15))
@given(first=RECORDS, second=RECORDS, dropped=DROPPED, planned=st.booleans())
def test_undo_after_run_restores_the_table(
    laws: World, first: list[list[str]], second: list[list[str]], dropped: object, planned: bool
) -> None:
    """Creates, updates, links, deletes, expiries, deactivations and revivals, in any mix."""
    laws.clear("account")
    sync = TREE.behaving(dropped=dropped)
    ran(laws, sync, first)
    before = table(laws)
    job = ran(laws, sync, second)

    done = undone(laws, job, planned=planned)

    assert done.state in (JobState.SUCCEEDED, job.state), list(laws.app.rejects(done.id))
    assert (done.source.conflict, done.destination.refused) == (0, 0)
    assert table(laws) == before
    if done is not job:
        assert laws.app.job(job.id).state is JobState.UNDONE


@settings(BOUNDED, max_examples=examples(8))
@given(first=RECORDS, second=RECORDS, third=RECORDS)
def test_jobs_are_undone_one_after_the_other(
    laws: World, first: list[list[str]], second: list[list[str]], third: list[list[str]]
) -> None:
    """The last one first, each undo restores the table as it stood before its job, where that only changed rows."""
    laws.clear("account")
    sync = TREE.behaving(dropped="ignore")
    ran(laws, sync, [*first, *((key, "", "", "", "") for key in KEYS if key not in {r[0] for r in first})])
    stands, jobs = [], []
    for records in (second, third):
        stands.append(table(laws))
        jobs.append(ran(laws, sync, records))
    for job, before in reversed(list(zip(jobs, stands, strict=True))):
        done = undone(laws, job, planned=False)
        assert done.source.conflict == 0
        assert table(laws) == before
