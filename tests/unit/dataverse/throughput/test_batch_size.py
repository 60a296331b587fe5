"""The size of a call follows what a call takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.throughput.batch_size import TARGET_S, BatchSize


def settled(row_s: float, most: int = 1000) -> BatchSize:
    size = BatchSize(most=most)
    for _ in range(60):
        size.took(size.rows, 0.05 + row_s * size.rows)
    return size


def test_quick_rows_go_a_thousand_at_a_time():
    """Four milliseconds a row: the most."""
    assert settled(0.004).rows == 1000


@given(st.floats(0.0005, 2.0), st.integers(1, 1000))
def test_a_call_takes_about_five_seconds(row_s, most):
    """Or fewer when the cap is reached; never more than half as long again, save for a single row."""
    size = settled(row_s, most)
    assert 1 <= size.rows <= most
    assert size.rows == 1 or 0.05 + row_s * size.rows <= 1.5 * TARGET_S + 0.1
    assert size.rows == most or row_s * (size.rows + 1) >= 0.6 * TARGET_S


def test_a_call_that_was_too_much_is_halved_for_a_while():
    """Half at once; later a quarter more, step by step, after many good calls."""
    size = settled(0.001)
    size.too_much(1000)
    assert size.rows == 500
    for _ in range(10):
        size.took(size.rows, 0.5)
    assert size.rows == 500
    for _ in range(200):
        size.took(size.rows, 0.5)
    assert size.rows == 1000


def test_a_single_row_stays():
    """There is nothing to halve."""
    size = BatchSize(most=1)
    size.too_much(1)
    assert size.rows == 1


def test_the_rest_is_cut_into_equal_pieces():
    """1,000 rows at 900 a call are two calls of 500, not one of 900 and one of 100."""
    size = BatchSize(most=900, first=900)
    assert size.pieces(1000) == 500
    assert size.pieces(900) == 900


def test_small_calls_say_little():
    """The last few rows of a chunk, which take long for their number, change nothing."""
    size = settled(0.004)
    size.took(3, 2.0)
    assert size.rows == 1000
