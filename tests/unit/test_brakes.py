from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.brakes import PlanCounts, applied_brakes, stops_apply
from shared.definitions.behaviour import Brakes

CALM = PlanCounts(present=1000, creates=0, updates=1, removals=0, read=1000, rejected=0)
NONE = Brakes(removals=None, creates=None, updates=None, rejects=None)


def names(counts: PlanCounts, limits: Brakes | None = None) -> list[str]:
    return [brake.name for brake in applied_brakes(limits or Brakes(), counts)]


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({"removals": 50}, []),
        ({"removals": 51}, ["removals"]),
        ({"updates": 500}, []),
        ({"updates": 501}, ["updates"]),
        ({"creates": 500}, []),
        ({"creates": 501}, ["creates"]),
        ({"rejected": 50}, []),
        ({"rejected": 51}, ["rejects"]),
        ({"creates": 5000, "present": 0, "updates": 0}, []),
        ({"present": 10, "removals": 5}, []),
        ({"present": 10, "removals": 6}, ["removals"]),
        ({"read": 0, "removals": 1}, ["empty_source"]),
        ({"previous_read": 2000, "read": 1000}, []),
        ({"previous_read": 2001, "read": 1000}, ["shrunken_source"]),
        ({"previous_read": 25, "read": 6}, []),
        ({"emptied": {"name": (500, 1000)}}, []),
        ({"emptied": {"name": (501, 1000), "fax": (20, 20)}}, ["emptied:name"]),
        ({"removals": 51, "updates": 501, "emptied": {"name": (999, 999)}}, ["removals", "updates", "emptied:name"]),
    ],
)
def test_each_brake_holds_from_its_limit_on(change: dict[str, object], held: list[str]) -> None:
    """At its limit a plan runs, one row beyond it is held; the floor lets small plans through."""
    counts = replace(CALM, **change)  # type: ignore[arg-type]

    assert names(counts) == held


@given(
    st.builds(PlanCounts, *[st.integers(0, 10_000)] * 6),
    st.sampled_from([Brakes(), Brakes(at_least=0), Brakes(removals=Decimal(0), at_least=0), NONE]),
)
def test_a_plan_that_writes_nothing_is_never_held(counts: PlanCounts, limits: Brakes) -> None:
    """Whatever was read or rejected: without a change there is nothing to brake."""
    assert names(replace(counts, creates=0, updates=0, removals=0), limits) == []


@given(st.builds(PlanCounts, *[st.integers(0, 10_000)] * 6), st.integers(0, 100))
def test_doing_more_never_releases_a_brake(counts: PlanCounts, more: int) -> None:
    """A plan that removes, updates and creates more is held by every brake that held the smaller one."""
    larger = replace(
        counts, removals=counts.removals + more, updates=counts.updates + more, creates=counts.creates + more
    )

    assert set(names(counts)) <= set(names(larger))


def test_a_brake_says_what_was_found_and_what_is_allowed() -> None:
    """The message is for the person who approves."""
    (brake,) = applied_brakes(Brakes(), replace(CALM, removals=1000))

    assert (brake.found, brake.of, brake.allowed) == (1000, 1000, 50)
    assert (
        brake.message == "1,000 rows would be removed, of 1,000 rows of the destination; the brake `removals` allows 50"
    )


@pytest.mark.parametrize(("refused", "planned", "stops"), [(20, 30, False), (21, 30, True), (50, 1000, False)])
def test_refusals_stop_an_apply_beyond_share_and_floor(refused: int, planned: int, stops: bool) -> None:
    """An apply is stopped in its course when Dataverse refuses more than the definition tolerates."""
    assert (stops_apply(Brakes(), refused=refused, planned=planned) is not None) is stops
    assert stops_apply(NONE, refused=refused, planned=planned) is None
