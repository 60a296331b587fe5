"""Lanes: the same for every publisher, and the same for keys that Dataverse takes for one."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.lanes import lane_of, plain_number


def test_lanes_are_what_publishers_compute() -> None:
    """Examples that the documents repeat for other languages; a change would break the order of every sender."""
    assert lane_of("accounts-from-erp", ["C-1"]) == "lane-19"
    assert lane_of("accounts-from-erp", [" c-1 "]) == "lane-19"
    assert lane_of("accounts-from-erp", ["Zoë", "7"]) == "lane-33"
    assert lane_of("accounts-from-erp", ["C-1"], lanes=1000) == lane_of("accounts-from-erp", ["C-1"], 1000)


@given(sync=st.text(max_size=20), key=st.lists(st.text(max_size=20), max_size=3), lanes=st.integers(1, 1000))
def test_every_key_has_one_of_the_lanes(sync: str, key: list[str], lanes: int) -> None:
    """Whatever a key holds."""
    assert lane_of(sync, key, lanes) in {f"lane-{number}" for number in range(lanes)}


def test_lanes_are_about_equally_full() -> None:
    """Keys that follow each other do not share a lane."""
    counts = Counter(lane_of("accounts", [f"C-{number}"]) for number in range(6400))
    assert len(counts) == 64
    assert max(counts.values()) < 200


@given(value=st.decimals(-(10**27), 10**27, allow_nan=False, places=6), zeros=st.integers(0, 5))
def test_a_number_has_one_text(value: Decimal, zeros: int) -> None:
    """However it is written; and what is no number stays as it is."""
    plain = plain_number(f"{value:f}")
    assert Decimal(plain) == value
    assert {plain_number(f"{value:f}" + "0" * zeros), plain_number(f"{value:E}"), plain_number(f" {plain} ")} == {plain}
    assert plain_number(f"C-{plain}") == f"C-{plain}"
