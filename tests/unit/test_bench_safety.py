from __future__ import annotations

import pytest

from bench.measure_safety import MOST, another, verdict


def test_no_pair_is_begun_that_would_not_end_in_time() -> None:
    """As many as are wanted, while one that takes as long as the longest still has room; the first has, if any has."""
    assert another([], 5, 240)
    assert another([20, 30], 5, 30)
    assert not another([20, 30], 5, 29)
    assert not another([20] * 5, 5, 1000)
    assert not another([], 5, -1)


@pytest.mark.parametrize(("costs", "good"), [([0.9, 0.0, MOST], True), ([0.0, 0.26, 0.9], False)])
def test_the_median_is_held_against_the_limit(
    capsys: pytest.CaptureFixture[str], costs: list[float], good: bool
) -> None:
    """One pair beside others that a busy machine disturbed decides nothing."""
    assert verdict("wall time", costs) is good
    assert ("PASS" if good else "FAIL") in capsys.readouterr().out
