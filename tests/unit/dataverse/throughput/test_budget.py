"""A budget is learned from refusals and never waits longer than the service asked."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.throughput.budget import HOLD, Budget
from shared.dataverse.throughput.told import Limit, Told


def told(pause_s: float = 1.0, window_s: float = 300.0) -> Told:
    return Told(Limit.TIME, pause_s, window_s)


def test_nothing_is_held_back_before_a_refusal():
    """Without a refusal there is no limit."""
    budget = Budget()
    for second in range(1000):
        budget.note(second, 100.0)
    assert budget.wait_s(1000) == 0
    assert budget.per_second is None


def test_a_refusal_teaches_what_fits_into_a_window():
    """What had been used is what may be used; more is possible when the oldest use leaves the window."""
    budget = Budget()
    for second in range(100):
        budget.note(second, 10.0)
    budget.refused(100, told(pause_s=200), began=100)
    assert budget.capacity == pytest.approx(HOLD * 1000)
    assert budget.wait_s(100) == pytest.approx(200)
    assert budget.wait_s(302) == 0


def test_refusals_that_come_together_teach_once():
    """Twenty requests that had started before the first of them was refused say the same thing twenty times."""
    budget = Budget()
    budget.note(9, 1000.0)
    for _ in range(20):
        budget.refused(10, told(300), began=9.5)
    assert budget.capacity == pytest.approx(HOLD * 1000)
    budget.refused(11, told(300), began=10.5)
    assert budget.capacity == pytest.approx(HOLD * HOLD * 1000)


@pytest.mark.parametrize(("used", "quiet"), [(1000.0, 3), (970.0, 1)], ids=["what was known", "less"])
def test_a_limit_that_was_confirmed_is_not_tried_soon(used, quiet):
    """More is tried after a hundred requests; when what was known was refused again, after three hundred."""
    budget = Budget()
    budget.note(0, 1000.0)
    budget.refused(0, told(300), began=0)
    budget.note(400, used)
    budget.refused(400, told(300), began=400)
    learned, uses = budget.capacity, 0
    budget.note(401, -0.1 * used)
    while budget.capacity == learned and uses < 1000:
        uses += 1
        budget.note(650, 0.0)
        budget.wait_s(650)
    assert uses == 100 * quiet - 1


def test_what_sways_a_little_stops_nothing():
    """A hundredth more than the capacity was used: requests still start evenly, for a stop would come back."""
    budget = Budget()
    for second in range(300):
        budget.note(second, 1.0)
    budget.refused(299, told(), began=299)
    assert budget.wait_s(299) > 0
    budget.note(301.5, 1.0)
    assert budget.used(301.5) > budget.capacity
    assert budget.wait_s(301.5) == 0


def test_what_is_allowed_is_spread_over_the_window():
    """After a refusal the allowance of one window is started evenly over it, not at once."""
    budget = Budget()
    for _ in range(100):
        budget.note(0, 3.0)
    budget.refused(0, told(pause_s=300), began=0)
    starts, now = [], 300.0
    while now < 600:
        wait_s = budget.wait_s(now)
        if wait_s:
            now += wait_s
            continue
        budget.started(now)
        budget.note(now, 3.0)
        starts.append(now)
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert len(starts) == pytest.approx(100 * HOLD, abs=2)
    assert min(gaps[2:]) == pytest.approx(3 / HOLD, rel=0.05)
    assert max(gaps[2:]) == pytest.approx(3 / HOLD, rel=0.05)


def test_a_later_refusal_at_less_lowers_it_gently():
    """Somebody else may have used the limit too: not more than a twentieth is given up at once."""
    budget = Budget()
    budget.note(0, 1000.0)
    budget.refused(1, told(), began=1)
    budget.note(400, 100.0)
    budget.refused(401, told(), began=401)
    assert budget.capacity == pytest.approx(HOLD * HOLD * 1000 * 0.95)


def test_less_than_anybody_may_use_is_never_learned():
    """A refusal before anything was used, and as many later ones as may come: what is promised to all stays."""
    budget = Budget(least_per_s=4.0)
    for number in range(1, 50):
        budget.refused(400.0 * number, told(), began=400.0 * number)
        assert budget.per_second == pytest.approx(HOLD * 4.0)
    assert budget.wait_s(400.0 * 50) == 0


def test_quiet_windows_make_it_bolder():
    """As long as it is used up and nothing is refused, it grows, each time by twice as much."""
    budget = Budget()
    budget.note(0, 300.0)
    budget.refused(0, told(pause_s=299), began=0)
    before, seen = budget.capacity, []
    for second in range(1, 2000):
        if budget.wait_s(second) == 0:
            budget.note(second, 1.0)
        seen.append(budget.capacity)
    grown = sorted(set(seen))
    assert grown[0] == before
    assert grown[1] == pytest.approx(before * 1.01)
    assert grown[2] == pytest.approx(before * 1.01 * 1.02)


def test_a_window_that_does_not_agree_is_made_to():
    """The service has room again in 10 s: then its window is not 300 s."""
    budget = Budget()
    for second in range(50):
        budget.note(second, 10.0)
    budget.refused(50, told(pause_s=10), began=50)
    assert budget.window_s == pytest.approx(59, abs=2)
    assert budget.wait_s(50) <= 12


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 20)), max_size=60), st.integers(0, 59))
def test_what_is_used_is_what_lies_within_the_window(steps, refused_at):
    """Whatever comes, the sum is that of the last window, and a wait that was kept ends the waiting."""
    budget, now, uses = Budget(), 0.0, []
    for number, (pause, amount) in enumerate(steps):
        now += pause
        budget.note(now, amount)
        uses.append((now, amount))
        if number == refused_at:
            budget.refused(now, told(pause_s=300), began=now)
    inside = sum(amount for at, amount in uses if at > now - budget.window_s)
    assert budget.used(now) == pytest.approx(inside, abs=1e-6)
    for _ in range(len(uses) + 1):
        wait_s = budget.wait_s(now)
        now += wait_s
    assert budget.wait_s(now) == 0
