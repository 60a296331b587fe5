"""Requests start on the lane that has room, rest when it is told to, and are never more than allowed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from shared.dataverse.refusals import Refusal
from shared.dataverse.throughput.controller import FIRST
from shared.dataverse.throughput.lanes import Lane, Lanes
from shared.dataverse.throughput.told import Limit, told
from tests.unit.dataverse.service import Time, Tokens


class Closable:
    closed = False

    def close(self) -> None:
        self.closed = True


def lanes(time: Time, count: int = 2, most: int = 100) -> Lanes:
    return Lanes([Lane(Tokens(), Closable(), most=52) for _ in range(count)], most=most, clock=time, sleep=time.sleep)


def throttling(pause_s: float):
    return told(Refusal(429, "0x80072326", "", None), pause_s)


def test_lanes_share_the_work(time):
    """Requests go where fewest run."""
    both = lanes(time)
    visits = [both.enter() for _ in range(2 * FIRST)]
    running = [visit.lane.controller.running for visit in visits]
    assert running == [FIRST] * (2 * FIRST)


def test_a_lane_that_rests_leaves_the_work_to_the_other(time):
    """Nobody waits as long as one lane may start."""
    both = lanes(time)
    first = both.enter()
    both.throttled(first, throttling(60))
    visits = [both.enter() for _ in range(FIRST)]
    assert all(visit.lane is not first.lane for visit in visits)
    assert time.slept == []


def test_all_lanes_rest(time):
    """The shortest of the pauses is waited, and the lane that had it starts."""
    both = lanes(time)
    one, two = both.enter(), both.enter()
    both.throttled(one, throttling(60))
    both.throttled(two, throttling(20))
    assert both.enter().lane is two.lane
    assert time.slept == [20]


def test_a_clock_that_is_set_back_stops_nothing(time):
    """The pause is as long as it was, and not an hour longer."""
    one = lanes(time, count=1)
    one.throttled(one.enter(), throttling(60))
    time.now -= timedelta(hours=1)
    one.enter()
    assert time.slept == [60]


def test_the_cap_holds_over_all_lanes(time):
    """`most` is for all together; one that ends lets the next start, in whatever thread it waits."""
    both = lanes(time, most=1)
    first = both.enter()
    assert both.useful == 1
    entered = threading.Event()
    waiting = threading.Thread(target=lambda: (both.enter(), entered.set()))
    waiting.start()
    assert not entered.is_set()
    both.answered(first, {}, 0)
    waiting.join(10)
    assert entered.is_set()


@pytest.mark.parametrize(("hint", "level"), [("2", 2), ("nonsense", FIRST), ("0", FIRST), ("99999999", FIRST)])
def test_hints(time, hint, level):
    """A hint that makes sense is followed by the lane that got it."""
    one = lanes(time, count=1)
    one.answered(one.enter(), {"x-ms-dop-hint": hint}, 0)
    assert one.uses()[0].level == level


def test_uses(time):
    """What each lane did is told: seconds, requests, refusals; and closing closes every connection."""
    both = lanes(time)
    visit = both.enter()
    time.sleep(3)
    both.answered(visit, {}, 10)
    visit = both.enter()
    both.throttled(visit, throttling(1))
    both.abandoned(both.enter())
    uses = both.uses()
    assert sum(use.busy_s for use in uses) == 3
    assert sum(use.requests for use in uses) == 3
    assert sum(use.refused[Limit.CONCURRENCY] for use in uses) == 1
    both.close()
