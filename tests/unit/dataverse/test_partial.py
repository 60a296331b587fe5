"""What a refused bulk call of an elastic table tells of its rows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.writing.partial import told_of_rows

NAME = "@Microsoft.PowerApps.CDS.ErrorDetails.Plugin.BulkApiErrorDetails"


def told(*rows: tuple[object, object], name: str = NAME) -> dict[str, object]:
    return {name: json.dumps([{"RequestIndex": index, "Id": "x", "StatusCode": status} for index, status in rows])}


def test_each_row_has_its_part() -> None:
    """Written, refused, or not told for certain."""
    found = told_of_rows(told((0, 201), (1, 400), (2, 500), (3, 204), (5, 429)), 6)
    assert found is not None
    assert (list(found.written), list(found.refused)) == ([0, 3], [1, 5])


def test_a_contradiction_is_no_word() -> None:
    """A row that is said to be written and refused is neither."""
    found = told_of_rows(told((0, 201), (0, 400), (1, 201)), 2)
    assert found is not None
    assert (list(found.written), list(found.refused)) == ([1], [])


@pytest.mark.parametrize(
    "details",
    [
        {},
        {NAME: "nonsense"},
        {NAME: "{}"},
        {NAME: '["x"]'},
        {NAME: [1]},
        told((7, 201)),
        told((-1, 201)),
        told(("0", 201)),
        told((True, 201)),
        told((0, 201), name="Other"),
    ],
)
def test_what_cannot_be_relied_on_tells_nothing(details: dict[str, object]) -> None:
    """A row that the call did not have, a number that is none, another member."""
    assert told_of_rows(details, 2) is None


@given(st.dictionaries(st.text(), st.text() | st.integers()) | st.builds(lambda text: {NAME: text}, st.text()))
def test_nothing_breaks_it(details: dict[str, object]) -> None:
    """Whatever stands there."""
    found = told_of_rows(details, 3)
    assert found is None or {*found.written, *found.refused} <= {0, 1, 2}
