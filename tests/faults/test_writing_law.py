"""For any mix of good and bad rows and any fault that ends: the good land once, each bad one has its own reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.dataverse.client import DataverseClient
from shared.dataverse.transport import Transport
from shared.dataverse.writing import Writer
from shared.values.changes import WriteKind
from tests.examples import examples
from tests.faults.writing import (
    DONE,
    FAULTS,
    GOOD,
    PARENT,
    TASKS,
    WRITING,
    Laid,
    Quick,
    Task,
    emptied,
    laid,
    settled,
    strays,
    tokens,
)

ROWS = 24
_BY_NAME = {f"{task.name} {task.table}": task for task in TASKS}


@pytest.fixture(scope="module")
def dataverse() -> Iterator[LocalDataverse]:
    with LocalDataverse() as running:
        yield running


@st.composite
def rows_of(draw: st.DrawFn, task: Task) -> list[str]:
    """What each row of a task is: mostly good."""
    words = [*[GOOD] * 6, *(word for word in task.cases if word != GOOD)]
    return draw(st.lists(st.sampled_from(words), min_size=1, max_size=ROWS))


TROUBLES = st.lists(st.sampled_from([None, None, None, *FAULTS]), min_size=1, max_size=6)
"""What comes to the first writing requests, one after another."""


def written(dataverse: LocalDataverse, tasks: list[tuple[Task, list[str]]], troubles, batch_size: int, expired: int):
    """Writes all tasks over one transport; the law."""
    emptied(dataverse)
    ready = [laid(dataverse, task, words, 1000 * number) for number, (task, words) in enumerate(tasks, 1)]
    quick = Quick()
    with Transport(dataverse.url, tokens(dataverse), timeout_s=20, clock=quick, sleep=quick.sleep) as transport:
        client = DataverseClient(transport)
        writers = [Writer(transport, client.table(one.task.table), batch_size=batch_size) for one in ready]
        for number, fault in enumerate(troubles, 1):
            if fault:
                dataverse.inject({**WRITING, **fault, "nth": number})
        if expired:
            dataverse.inject({**WRITING, "kind": "expire_tokens", "nth": expired})
        for one, writer in zip(ready, writers, strict=True):
            outcomes = settled(client, writer, one)
            dataverse_agrees(dataverse, one, outcomes)
    assert strays(dataverse, ready) == []


def dataverse_agrees(dataverse: LocalDataverse, done: Laid, outcomes) -> None:
    """Each outcome is what its row deserves, and the table holds what the outcomes say."""
    present = done.present(dataverse)
    assert len(outcomes) == len(done.cases)
    for case, write, outcome in zip(done.cases, done.writes, outcomes, strict=True):
        assert outcome.change == write.change
        assert (outcome.status, outcome.code) == (case.status, case.code), (done.task.name, case, outcome)
        row = present.get(write.row_id)
        if case.status is not DONE:
            assert outcome.message
            assert outcome.request_id
            assert (row is not None) is case.there
            assert row is None or (row["new_name"], row["statecode"]) == ("before", 0)
        elif done.task.kind is WriteKind.DELETE:
            assert row is None
        else:
            assert row is not None
            assert landed(case.body, row), (case, row)


def landed(body: dict[str, object], row: dict[str, object]) -> bool:
    """Whether the row holds what was written."""
    return all(
        row["_new_countryid_value"] == PARENT if column.endswith("@odata.bind") else row[column] == value
        for column, value in body.items()
    )


@pytest.mark.parametrize("name", list(_BY_NAME))
def test_each_fault_alone(dataverse, name):
    """Each comes to the first writing request: of good rows only, and of these with a bad one of every kind."""
    task = _BY_NAME[name]
    words = [GOOD, GOOD, *(word for bad in task.cases if bad != GOOD for word in (bad, GOOD)), GOOD]
    for fault in FAULTS:
        written(dataverse, [(task, [GOOD] * 4)], [fault], 1000, 0)
        written(dataverse, [(task, words)], [fault], 1000, 0)
    written(dataverse, [(task, words)], [], 1000, 1)


@settings(max_examples=examples(4), deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(picked=st.data(), troubles=TROUBLES, batch_size=st.sampled_from([7, 1000]), expired=st.integers(0, 3))
@pytest.mark.parametrize("name", list(_BY_NAME))
def test_every_kind_of_write(dataverse, name, picked, troubles, batch_size, expired):
    """Creates, updates, guarded updates, deletes, deactivations and links; in bulk, in batches, on elastic tables."""
    task = _BY_NAME[name]
    written(dataverse, [(task, picked.draw(rows_of(task)))], troubles, batch_size, expired)


@settings(max_examples=examples(15), deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(picked=st.data(), troubles=TROUBLES, batch_size=st.sampled_from([7, 20, 1000]), expired=st.integers(0, 6))
def test_several_tables_and_kinds_in_one_job(dataverse, picked, troubles, batch_size, expired):
    """One after another over the same connections, with what was learned from the writes before."""
    tasks = picked.draw(st.lists(st.sampled_from(TASKS), min_size=2, max_size=4))
    written(dataverse, [(task, picked.draw(rows_of(task))) for task in tasks], troubles, batch_size, expired)
