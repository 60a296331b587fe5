"""Writes side by side, within the service's limits, and over a service that answers too late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.dataverse import LocalDataverse
from local.dataverse.limits import Limits
from shared.dataverse.client import DataverseClient
from shared.dataverse.transport import Transport
from shared.dataverse.writing import Writer
from shared.values.changes import OutcomeStatus, Write, WriteKind
from tests.faults.writing import CITY, GOOD, NOBULK, READING, TASKS, Quick, emptied, laid, row_id, settled, tokens


@pytest.fixture(scope="module")
def dataverse() -> Iterator[LocalDataverse]:
    with LocalDataverse() as running:
        yield running


def test_removals_side_by_side_by_id_only(dataverse):
    """Deletes go as batches of their ids; those already gone count as done; a lost answer harms nothing."""
    emptied(dataverse)
    dataverse.insert("new_city", [{"new_cityid": row_id(n), "new_citycode": f"C{n}"} for n in range(90)])
    dataverse.clear_requests()
    quick = Quick()
    with Transport(dataverse.url, tokens(dataverse), clock=quick, sleep=quick.sleep) as transport:
        writer = Writer(transport, DataverseClient(transport).table("new_city"))
        dataverse.inject({"kind": "drop_after", "path": "$batch", "count": 1})
        with ThreadPoolExecutor(4) as pool:
            parts = [[Write(n, row_id(n)) for n in range(at, at + 25)] for at in range(0, 100, 25)]
            found = pool.map(lambda part: writer.write(WriteKind.DELETE, part), parts)
    assert {outcome.status for part in found for outcome in part} == {OutcomeStatus.DONE}
    assert dataverse.rows("new_city") == []
    assert all("filter" not in request.path for request in dataverse.requests if request.method == "POST")


def test_within_the_services_limits():
    """Two requests at a time are allowed where eight are tried: every row lands, and the client learns to ask less."""
    limits = Limits(concurrent=2, servers=1, call_ms=5, dop_hint=8)
    quick = Quick()
    with (
        LocalDataverse(limits=limits) as dataverse,
        Transport(dataverse.url, tokens(dataverse), clock=quick, sleep=quick.sleep) as transport,
    ):
        writer = Writer(transport, DataverseClient(transport).table("new_city"))
        parts = [
            [Write(n, row_id(n), json.dumps({"new_citycode": f"C{n}"})) for n in range(at, at + 10)]
            for at in range(0, 300, 10)
        ]
        with ThreadPoolExecutor(8) as pool:
            found = [
                outcome for part in pool.map(lambda p: writer.write(WriteKind.CREATE, p), parts) for outcome in part
            ]
        assert {outcome.status for outcome in found} == {OutcomeStatus.DONE}
        assert len(dataverse.rows("new_city")) == 300
        assert transport.useful < 8


LATE = [task for task in TASKS if (task.name, task.table) in {("create", CITY), ("update", CITY), ("delete", CITY)}]
LATE += [task for task in TASKS if task.name in ("create", "guarded") and task.table in (NOBULK, READING)]


@pytest.mark.parametrize("task", LATE, ids=lambda task: f"{task.name} {task.table}")
def test_an_answer_that_comes_too_late(dataverse, task):
    """The work was done, the answer comes after the time-out: each row counts once, and as done."""
    emptied(dataverse)
    rows = laid(dataverse, task, [GOOD] * 3, 1000)
    quick = Quick()
    with Transport(dataverse.url, tokens(dataverse), timeout_s=0.5, clock=quick, sleep=quick.sleep) as transport:
        client = DataverseClient(transport)
        writer = Writer(transport, client.table(task.table))
        dataverse.inject({"kind": "slow_headers", "method": "POST", "path": "api/data", "delay_s": 0.8})
        outcomes = settled(client, writer, rows)
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.DONE}
    assert len(rows.present(dataverse)) == (0 if task.kind is WriteKind.DELETE else 3)
