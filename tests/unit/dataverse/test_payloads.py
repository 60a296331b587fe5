"""Many writes are looked at and composed at once, and come out as one by one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.payloads import Columns, are_guids, bulk_body, faults_of, id_head, is_guid, picked
from shared.values.changes import Write
from tests.unit.dataverse.service import account_table, row_id

GUID = st.uuids().map(str)
ALMOST = st.one_of(
    GUID,
    GUID.map(str.upper),
    GUID.map(lambda one: one[:-1]),
    GUID.map(lambda one: one + "0"),
    GUID.map(lambda one: one.replace("-", "", 1) + "-"),
    GUID.map(lambda one: f"{one},{one}"),
    GUID.map(lambda one: one[:9] + "é" + one[10:]),
    GUID.map(lambda one: one + "\n"),
    st.sampled_from(["", ",", "-" * 36, "{" + row_id(1) + "}"]),
)
BODIES = st.one_of(
    st.dictionaries(st.text(min_size=1), st.none() | st.text() | st.integers(), max_size=3).map(json.dumps),
    st.sampled_from(["{}", " { } ", '{\n  "name": "é€"\n}', '{ "name": "a,b{}"}']),
)


@given(st.lists(ALMOST, max_size=4))
def test_guids_together_are_guids_one_by_one(texts):
    """Strung together they are taken for GUIDs when each of them is one, and only then."""
    assert are_guids(texts) is all(map(is_guid, texts))


@given(
    st.lists(st.builds(Write, st.integers(0, 9), ALMOST, BODIES | st.just("[]"), st.sampled_from([None, "*", 'W/"1"'])))
)
def test_faults_together_are_faults_one_by_one(writes):
    """Nobody's fault is overlooked, and nobody is blamed for a neighbour's."""
    alone = [n for n, write in enumerate(writes) if list(faults_of(Columns.of([write])))]
    assert [position for position, _ in faults_of(Columns.of(writes))] == alone


@given(st.lists(BODIES, max_size=5))
def test_a_bulk_body_holds_every_row(bodies):
    """Each with its type and its id in front of its members, whatever its letters and its blanks."""
    ids = [row_id(n) for n in range(len(bodies))]
    found = json.loads(bulk_body(id_head(account_table(), typed=True), ids, bodies))
    head = {"@odata.type": "Microsoft.Dynamics.CRM.account"}
    assert found == {
        "Targets": [{**head, "accountid": one, **json.loads(body)} for one, body in zip(ids, bodies, strict=True)]
    }


@pytest.mark.parametrize("positions", [range(4), range(1, 3), [2, 0], range(0, 4, 2), []])
def test_values_at_some_positions(positions):
    """A run is cut out at once; anything else is picked."""
    assert list(picked("abcd", positions)) == ["abcd"[position] for position in positions]
