"""The sentence says what was measured, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.dataverse.throughput.lanes import LaneUse
from shared.dataverse.throughput.told import Limit
from shared.dataverse.throughput.wall import measured, sentence

NONE = dict.fromkeys(Limit, 0)
START = LaneUse(0.0, 0, NONE, {}, 8, False)


def after(**more: object) -> LaneUse:
    return replace(START, **{"busy_s": 768.0, "requests": 200, **more})


def said(*lanes: LaneUse, seconds: float = 100.0, cap: int | None = None) -> str | None:
    return sentence(measured([START] * len(lanes), list(lanes), seconds), cap=cap)


def test_execution_time():
    """Two users at 96 % of what they may use: a third adds nearly half as much again."""
    lane = after(per_second={Limit.TIME: 8.0})
    assert said(lane, lane) == (
        "96 % of what two application users may do; the wall was execution time; a third user would give about +48 %"
    )


def test_number_of_requests():
    """The limit of which more is used is the wall."""
    lane = after(per_second={Limit.REQUESTS: 2.0, Limit.TIME: 100.0})
    assert said(lane) == (
        "100 % of what one application user may do; the wall was number of requests; "
        "a second user would give about +100 %"
    )


def test_a_limit_that_only_one_user_met_is_no_limit_of_all():
    """What the other may do is not known, so no share is claimed."""
    assert "may do" not in said(after(per_second={Limit.TIME: 8.0}), after())


@pytest.mark.parametrize(
    ("lane", "cap", "words"),
    [
        (after(), 8, "the wall was `parallel: 8`"),
        (after(held_back=True), None, "Dataverse's own speed"),
        (after(refused={**NONE, Limit.CONCURRENCY: 3}), None, "the wall was requests at a time"),
        (after(), None, "no limit of Dataverse was met"),
        (after(busy_s=100.0), None, "Dataverse was not the wall"),
        (after(busy_s=100.0, per_second={Limit.TIME: 8.0}), None, "Dataverse was not the wall"),
    ],
)
def test_other_walls(lane, cap, words):
    """The cap of the definition, the server's speed, too many at once, nothing, or changes that came slowly."""
    assert words in said(lane, cap=cap)


def test_too_little_to_tell():
    """A short job gets no sentence."""
    assert said(after(), seconds=9.0) is None
    assert said(after(requests=19)) is None
