"""A refusal that names an id points at its row: a hint that saves calls, and that is never believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.dataverse.refusals import Refusal
from shared.dataverse.writing import Writer
from shared.dataverse.writing.run import Run
from shared.dataverse.writing.verdicts import named_rows
from shared.values.changes import OutcomeStatus, Write, WriteKind
from tests.unit.dataverse.service import Service, Time, account_table, row_id, transport_to
from tests.unit.dataverse.small_table import SmallTable

BULK = account_table(bulk_create=True, bulk_update=True)
DONE, REJECTED = OutcomeStatus.DONE, OutcomeStatus.REJECTED
PARENT = row_id(0xBAD)


def written(small: SmallTable, kind: WriteKind, rows: list[Write], **more) -> list[OutcomeStatus]:
    service = Service(small)
    try:
        with transport_to(service.url, Time()) as transport:
            return [one.status for one in Writer(transport, BULK, **more).write(kind, rows)]
    finally:
        service.close()


def updates(small: SmallTable, count: int, gone: set[int]) -> list[Write]:
    small.rows = {row_id(n): {"name": "old"} for n in range(count) if n not in gone}
    return [Write(n, row_id(n), '{"name":"new"}') for n in range(count)]


def test_a_row_that_is_gone_is_named_and_taken_out():
    """A thousand updates of which one finds no row: one refused call, that row alone, the rest in one call."""
    small = SmallTable()
    found = written(small, WriteKind.UPDATE, updates(small, 1000, {617}), first_rows=1000)
    assert [n for n, status in enumerate(found) if status is not DONE] == [617]
    assert (small.bulk_calls, small.batches) == ([1000, 999], [1])


def test_rows_that_point_at_a_missing_row_are_named():
    """The refusal tells the parent's id: the rows that bind it go by themselves."""
    small = SmallTable(
        lambda row: (
            (404, "0x80040217", f"account With Id = {PARENT} Does Not Exist") if "parent@odata.bind" in row else None
        )
    )
    bodies = [
        {"name": "x"} | ({"parent@odata.bind": f"/accounts({PARENT})"} if n in (5, 700) else {}) for n in range(1000)
    ]
    rows = [Write(n, row_id(n), json.dumps(body)) for n, body in enumerate(bodies)]
    found = written(small, WriteKind.CREATE, rows, first_rows=1000)
    assert [n for n, status in enumerate(found) if status is not DONE] == [5, 700]
    assert (small.bulk_calls[0], small.batches[0], len(small.bulk_calls + small.batches)) == (1000, 2, 3)


def test_many_that_are_gone_are_not_taken_out_one_by_one():
    """After a few hints of one call the usual way goes on: calls do not grow with the bad rows."""
    small = SmallTable()
    found = written(small, WriteKind.UPDATE, updates(small, 1000, set(range(0, 1000, 5))), first_rows=1000)
    assert found.count(REJECTED) == 200
    assert len(small.bulk_calls) + len(small.batches) < 12


@pytest.mark.parametrize(("bound", "named"), [(4, [0, 1, 2, 3]), (5, [])])
def test_an_id_that_most_rows_hold_is_no_hint(bound, named):
    """Half of the rows or more bind it: taken out, they would be the call once more."""
    bodies = [json.dumps({"parent@odata.bind": f"/accounts({PARENT})"} if n < bound else {}) for n in range(10)]
    run = Run(WriteKind.CREATE, [Write(n, row_id(n), body) for n, body in enumerate(bodies)])
    assert named_rows(run, range(10), Refusal(404, "0x80040217", f"{PARENT} Does Not Exist", None)) == named


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.sets(st.integers(0, 39), max_size=5),
    named=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    kind=st.sampled_from([WriteKind.CREATE, WriteKind.UPDATE]),
)
def test_a_hint_that_lies_does_no_harm(bad, named, kind):
    """Whatever rows a refusal names: the good ones land once, the bad ones are rejected."""
    says = f"refused because of {', '.join(map(row_id, named))}"
    small = SmallTable(lambda row: (400, "0x80040203", says) if row["name"] == "bad" else None)
    rows = [Write(n, row_id(n), json.dumps({"name": "bad" if n in bad else "good"})) for n in range(40)]
    if kind is WriteKind.UPDATE:
        small.rows = {one.row_id: {"name": "old"} for one in rows}
    found = written(small, kind, rows)
    assert [n for n, status in enumerate(found) if status is REJECTED] == sorted(bad)
    assert {n for n in range(40) if small.rows.get(row_id(n)) == {"name": "good"}} == set(range(40)) - bad
    assert set(small.versions.values()) <= {1}  # nothing was written twice
