"""The cheapest way to find bad rows follows from what calls cost and how many are bad."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.throughput.batch_size import BatchSize
from shared.dataverse.writing.narrowing import Costs, Way, best_size, way
from shared.dataverse.writing.pace import Pace

DEAR_BATCH = Costs(call=0.05, row=0.004, refused=0.5, part=0.054)
CHEAP_BATCH = Costs(call=0.05, row=0.004, refused=0.5, part=0.004)


def spent(costs: Costs, bad: list[bool], share: float, *, sure: bool = False) -> float:
    """Seconds to settle these rows by the decisions, one after another."""
    rows = len(bad)
    chosen = way(costs, share, rows, sure=sure)
    if chosen is Way.BATCH:
        return costs.call + costs.part * rows
    if chosen is Way.BULK:
        if not any(bad):
            return costs.call + costs.row * rows
        refused = costs.call + costs.refused * costs.row * rows
        return refused + (spent(costs, bad, share, sure=True) if rows > 1 else 0)
    half = rows // 2
    first = spent(costs, bad[:half], share)
    return first + spent(costs, bad[half:], share, sure=not any(bad[:half]))


def a_thousand(share: float, seed: int = 1) -> list[bool]:
    chance = random.Random(seed)
    return [chance.random() < share for _ in range(10_000)]


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.1, 0.5])
@pytest.mark.parametrize("costs", [DEAR_BATCH, CHEAP_BATCH, Costs(refused=0.0), Costs(refused=1.0)])
def test_it_beats_both_plain_ways(costs, share):
    """Never much dearer than batches only, nor than a bulk call with a batch after each refusal."""
    rows = a_thousand(share)
    size = best_size(costs, share, 1000)
    found = sum(spent(costs, rows[at : at + size], share) for at in range(0, len(rows), size))
    batches = 10 * (costs.call + costs.part * 1000)
    fallback = sum(
        costs.call + costs.row * 1000
        if not any(rows[at : at + 1000])
        else 2 * costs.call + (costs.refused * costs.row + costs.part) * 1000
        for at in range(0, len(rows), 1000)
    )
    assert found <= 1.1 * min(batches, fallback)


def test_the_rarer_the_larger():
    """Few bad rows: calls of a thousand; the more there are, the smaller; in the end single rows or batches."""
    sizes = [best_size(DEAR_BATCH, share, 1000) for share in (0.000001, 0.0001, 0.001, 0.01, 0.1)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 1000
    assert way(CHEAP_BATCH, 0.1, 1000, sure=False) is Way.BATCH


@given(
    st.builds(Costs, *[st.floats(1e-4, 5)] * 2, st.floats(0, 1), st.floats(1e-4, 5)),
    st.floats(0, 1),
    st.integers(1, 1000),
    st.booleans(),
)
def test_any_measurement_gives_a_way(costs, share, rows, sure):
    """Always an answer; one row is never halved."""
    found = way(costs, share, rows, sure=sure)
    assert rows > 1 or found is not Way.HALVES
    assert sure or found is not Way.HALVES
    assert 1 <= best_size(costs, share, rows) <= rows


@given(
    st.builds(Costs, *[st.floats(1e-4, 5)] * 2, st.floats(0, 1), st.floats(1e-4, 5)),
    st.sampled_from([0.0, 1e-7, 1e-6]),
    st.integers(1, 1000),
)
def test_where_nothing_is_bad_the_short_cut_is_the_sum(costs, share, rows):
    """A bulk call, wherever a row of a batch is not cheaper: what the whole calculation says, without it."""
    if costs.part >= costs.row:
        almost = math.nextafter(1e-6, 1)  # rounds to the same share, and takes the long way
        assert way(costs, share, rows, sure=False) is way(costs, almost, rows, sure=False) is Way.BULK


def test_the_pace_learns_what_calls_cost():
    """From calls of several sizes: 50 ms each and 4 ms a row; a batch ten times that; refusals after a quarter."""
    pace = Pace(BatchSize(most=1000), BatchSize(most=1000))
    for rows in (100, 200, 400, 800, 1000):
        pace.bulk_took(rows, 0.05 + 0.004 * rows)
    for _ in range(30):
        pace.batch_took(100, 0.05 + 0.04 * 100)
        pace.refusal_took(1000, 0.05 + 0.001 * 1000)
    costs = pace.costs
    assert costs.call == pytest.approx(0.05, rel=0.01)
    assert costs.row == pytest.approx(0.004, rel=0.01)
    assert costs.part == pytest.approx(0.04, rel=0.05)
    assert costs.refused == pytest.approx(0.25, abs=0.01)


def test_the_pace_adapts_to_bad_rows_and_back():
    """One bad row in a hundred makes calls small; ten thousands of good ones make them large again."""
    pace = Pace(BatchSize(most=1000, first=1000), BatchSize(most=1000))
    assert pace.rows_of_next(1000, bulk=True) == 1000
    pace.bulk_took(1000, 4.05)
    pace.batch_took(100, 4.05)
    for _ in range(20):
        pace.settled(1000, 10)
    assert pace.rows_of_next(1000, bulk=True) < 200
    for _ in range(200):
        pace.settled(1000, 0)
    assert pace.rows_of_next(1000, bulk=True) == 1000


def test_bulk_calls_and_batches_have_sizes_of_their_own():
    """Rows that must go as batches (each under its version) go in larger ones while these are quick, and back."""
    pace = Pace(BatchSize(most=1000), BatchSize(most=1000))
    pace.batch_took(100, 0.4)
    pace.batch_took(200, 0.8)
    assert (pace.rows_of_next(1000, bulk=False), pace.rows_of_next(1000, bulk=True)) == (334, 100)
    pace.bulk_took(100, 0.1)
    pace.too_much(400, bulk=False)
    assert (pace.rows_of_next(1000, bulk=False), pace.rows_of_next(1000, bulk=True)) == (200, 200)
    pace.too_much(200, bulk=True)
    assert (pace.rows_of_next(1000, bulk=False), pace.rows_of_next(1000, bulk=True)) == (200, 100)
