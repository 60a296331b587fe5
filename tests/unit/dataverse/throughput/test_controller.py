"""The level follows the hint, what was measured, and refusals."""

from __future__ import annotations

from shared.dataverse.throughput.controller import FIRST, UNTIL_ONE_ENDS, Controller
from shared.dataverse.throughput.told import Limit, Told


def rounds(controller: Controller, now: float, count: int, seconds) -> float:
    """Rounds in which as many calls as the level allows run side by side; `seconds` by level."""
    for _ in range(count):
        level = controller.level
        for _ in range(level):
            controller.started(now)
        took = seconds(level)
        for _ in range(level):
            controller.answered(now + took, now, 1000)
        now += took
    return now


def test_it_starts_low_and_follows_the_hint():
    """Four at a time until the service recommends a number; a new number is followed at once; never above the cap."""
    controller = Controller()
    assert controller.level == FIRST
    for hint in (48, 2, 8):
        controller.hinted(1.0, hint)
        assert controller.level == hint
    capped = Controller(most=3)
    capped.hinted(1.0, 48)
    assert capped.level == 3


def test_it_grows_while_that_helps():
    """Where more requests take no longer each, it goes up to the most."""
    controller = Controller(most=20)
    rounds(controller, 0.0, 12, lambda level: 1.0)
    assert controller.level == 20
    assert not controller.held_back


def test_it_goes_back_when_more_brings_nothing():
    """Where more requests only make each slower, it returns to the level before, and says so."""
    controller = Controller()
    rounds(controller, 0.0, 6, lambda level: level / 4)
    assert controller.level == FIRST
    assert controller.held_back


def test_a_server_that_gets_slow_is_asked_less():
    """Half as fast as when the level was found: a quarter less at a time."""
    controller = Controller()
    now = rounds(controller, 0.0, 4, lambda level: max(1.0, level / 4))
    assert controller.level == FIRST
    rounds(controller, now, 1, lambda level: 4.0)
    assert controller.level == 3


def test_it_does_not_try_more_when_it_does_not_use_what_it_has():
    """One request at a time proves nothing about five."""
    controller = Controller()
    for second in range(50):
        controller.started(second)
        controller.answered(second + 1, second, 1000)
    assert controller.level == FIRST


def test_too_many_at_a_time():
    """That refusal lowers the level by a fifth of what ran, and rests as long as it says."""
    controller = Controller()
    controller.hinted(0.0, 10)
    for _ in range(10):
        controller.started(0.0)
    controller.throttled(1.0, Told(Limit.CONCURRENCY, 5.0), began=0.0)
    assert controller.level == 8
    controller.throttled(1.0, Told(Limit.CONCURRENCY, 2.0), began=0.0)
    assert controller.level == 8, "it had started before the level was lowered"
    assert controller.wait_s(1.0) == 5.0
    assert controller.wait_s(6.0) == UNTIL_ONE_ENDS


def test_execution_time_bounds_the_level():
    """After 1,200 s within 300 s were refused, twice four at a time catch up what a pause lost; no more are useful."""
    controller = Controller()
    controller.hinted(0.0, 40)
    for _ in range(40):
        controller.started(0.0)
    for _ in range(40):
        controller.answered(30.0, 0.0, 1000)
    controller.started(30.0)
    controller.throttled(30.0, Told(Limit.TIME, 270.0), began=30.0)
    assert controller.useful == 9
    assert controller.wait_s(30.0) == 270.0


def test_what_runs_is_bounded():
    """No more than the level at a time, and one that ended without an answer makes room too."""
    controller = Controller()
    for _ in range(FIRST):
        assert controller.wait_s(0.0) == 0
        controller.started(0.0)
    assert controller.wait_s(0.0) == UNTIL_ONE_ENDS
    controller.abandoned(1.0, 0.0)
    assert controller.wait_s(1.0) == 0
