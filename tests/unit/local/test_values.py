"""Column values: the whole column and the single value agree, and numbers are exact."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dataverse.collation import folded, folded_with_accents
from local.dataverse.definitions import read
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.values import check_of, moment, scaled, scaled_all
from local.dataverse.writes.money import in_base

CITY = read().by_name["new_city"]
COLUMNS = st.sampled_from(
    [c for c in CITY.columns.values() if not c.is_lookup and (c.creatable or c.name == "versionnumber")]
)
JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["2026-03-01", "2026-03-01T08:00:00Z", "2026-02-30", "100000000", "100000001, 100000000"]),
    st.sampled_from([100000000, 1, 0, "AAAAAAAA-0000-4000-8000-000000000001"]),
    st.lists(st.integers(), max_size=1),
)


@given(column=COLUMNS, values=st.lists(JSON, min_size=1, max_size=4))
def test_a_column_of_values_is_checked_as_each_value_is(column: object, values: list[object]) -> None:
    """`all` gives what `one` gives for each value, or refuses the first that `one` refuses, payload problems first."""
    check = check_of("new_city", column)  # type: ignore[arg-type]
    wanted: list[object] = []
    refused: list[tuple[bool, int]] = []
    for index, value in enumerate(values):
        try:
            wanted.append(check.one(value))
        except Refusal as refusal:
            refused.append((not refusal.in_payload, index))
    try:
        assert check.all(values) == wanted
        assert not refused
    except RowRefusal as found:
        assert (not found.refusal.in_payload, found.index) == min(refused)


@given(value=st.floats(-1e11, 1e11) | st.integers(-(10**11), 10**11), precision=st.integers(0, 4))
def test_numbers_are_rounded_exactly(value: float, precision: int) -> None:
    """Both ways to scale agree with decimal arithmetic on the digits that were sent."""
    digits = Decimal(repr(value)).quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)
    assert scaled(value, precision, 4) == int(digits.scaleb(4))
    assert scaled_all([value, None], precision, 4) == [int(digits.scaleb(4)), None]


@given(amount=st.integers(-(10**15), 10**15), rate=st.integers(1, 10**13), precision=st.integers(0, 4))
def test_base_amounts_are_rounded_half_away_from_zero(amount: int, rate: int, precision: int) -> None:
    """The integer arithmetic is that of decimals."""
    exact = (Decimal(amount).scaleb(-4) / Decimal(rate).scaleb(-10)).quantize(
        Decimal(1).scaleb(-precision), ROUND_HALF_UP
    )
    assert in_base(amount, rate, precision) == int(exact.scaleb(4))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
        ("2026-03-01T08:00:00.999+02:00", "2026-03-01T06:00:00Z"),
        ("2026-03-01T08:00", "2026-03-01T08:00:00Z"),
        ("2026-03-01", "2026-03-01T00:00:00Z"),
    ],
)
def test_moments_are_whole_seconds_in_utc(text: str, stored: str) -> None:
    """Offsets are applied, none means UTC, parts of a second are dropped."""
    assert moment(text) == stored


@pytest.mark.parametrize("text", ["", "2026-W01-1", "20260301", "2026-03-01T25:00:00Z", "2026-03-01T08:00:00Z+01:00"])
def test_other_texts_are_no_moments(text: str) -> None:
    """Only the forms of the wire are taken."""
    with pytest.raises(ValueError):
        moment(text)


def test_case_and_trailing_blanks_never_count_accents_by_environment() -> None:
    """As the database of the environment compares."""
    assert folded("CAFÉ  ") == folded("cafe")
    assert folded(" cafe") != folded("cafe")
    assert folded_with_accents("CAFÉ ") == folded_with_accents("cafe\u0301")
    assert folded_with_accents("café") != folded_with_accents("cafe")
