"""For any forest, any circles and any faults that end: every link that can be set is set, and set once."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.dataverse.transport import Transport
from shared.engine.applying import Applier
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import BOUNDED, World, an_hour_ago, closes
from tests.e2e.test_defer_story import LOOSE, TREE, parents
from tests.examples import examples

NAMES = [f"A{n}" for n in range(9)]
NOBODY = "Z9"
TREES = st.fixed_dictionaries({}, optional={name: st.sampled_from(["", NOBODY, *NAMES]) for name in NAMES})
"""Each row's parent by name: none, one that no record brings, itself, or any other row, so circles too."""
FAULTS: list[dict[str, object]] = [
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "drop_during"},
    {"kind": "drop_answer"},
    {"kind": "deadlock"},
    {"kind": "sql_timeout"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429, "code": "0x80072321", "headers": {"Retry-After": "1"}},
]
WHERE = [{"message": "CreateMultiple"}, {"message": "UpdateMultiple"}, {"path": "$batch"}]
MORE = 6
"""So often is a job applied again that an outage ended; the faults end before."""


@pytest.fixture(autouse=True, scope="module")
def hurried() -> Iterator[None]:
    """Chunks of two changes, and no pauses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=2))
        patch.setattr(Transport, "wait", lambda *_, **__: None)
        yield


@pytest.fixture(scope="module")
def dataverse() -> Iterator[LocalDataverse]:
    with LocalDataverse(clock=an_hour_ago) as running:
        yield running


def wanted(after: Mapping[str, str], before: Mapping[str, object]) -> dict[str, object]:
    """Who should stand below whom: a name that no record brings leaves the link as it was."""
    return {
        name: before.get(name) if parent not in ("", *after) and parent not in before else parent or None
        for name, parent in after.items()
    }


def finished(world: World, job: Job) -> Job:
    """The job, applied again while faults are left."""
    for _ in range(MORE):
        if job.state in (JobState.SUCCEEDED, JobState.COMPLETED_WITH_ERRORS) and not job.source.not_attempted:
            break
        job = closes(world.apply(job))
    return job


@settings(BOUNDED, max_examples=examples(15))
@given(
    first=TREES,
    second=TREES,
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(WHERE), st.integers(1, 3)), max_size=3),
    unique=st.booleans(),
)
def test_every_link_that_can_be_set_is_set(dataverse, first, second, faults, unique) -> None:
    """Rows are created below themselves, each other and rows that were there; a second run finds nothing to do."""
    sync, key = (TREE, "accountnumber") if unique else (LOOSE, "new_externalkey")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "syncs").mkdir()
        (Path(folder) / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        world = World(dataverse, Path(folder), {})
        world.clear("account")
        sync = sync.but(destination={"parallel": 1})
        sync.run(world, *([name, "x", parent] for name, parent in first.items()))
        before = parents(world, key)
        sync.read(world, *([name, "y", parent] for name, parent in second.items()))
        for fault, where, nth in faults:
            world.dataverse.inject({**fault, **where, "nth": nth, "count": 1})

        job = finished(world, closes(world.run(sync.name)))

        world.dataverse.application.faults.clear()
        rows = parents(world, key)
        assert len(rows) == len(world.dataverse.rows("account")), "no row twice"
        assert set(rows) == {*first, *second}
        assert {name: rows[name] for name in second} == wanted(second, before), (job.error, job.source)
        assert {name: rows[name] for name in rows if name not in second} == {
            name: before[name] for name in first if name not in second
        }
        sync.settled(world)
