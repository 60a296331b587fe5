"""What a watermark says, and which bounds are sent to a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RefuseError
from shared.values.watermarks import Since, Watermark

INSTANTS = st.datetimes(timezones=st.just(UTC))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**20), max_value=10**20)
ZONES = st.sampled_from(["UTC", "Europe/Amsterdam", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu"])


@given(INSTANTS | NUMBERS)
def test_its_text_is_itself(value: datetime | Decimal) -> None:
    """What is stored is what is read."""
    mark = Watermark("changed", value)
    assert Watermark.from_text("changed", str(mark), date=isinstance(value, datetime)) == mark


def test_a_person_writes_a_date_with_or_without_zone() -> None:
    """Without one it is UTC."""
    wanted = datetime(2026, 1, 31, 8, tzinfo=UTC)
    for text in ("2026-01-31T08:00Z", "2026-01-31 08:00:00", "2026-01-31T09:00:00+01:00"):
        assert Watermark.from_text("changed", text, date=True).value == wanted


@pytest.mark.parametrize(("text", "date"), [("soon", True), ("12", True), ("2026-01-31", False), ("NaN", False)])
def test_what_is_no_value_is_refused(text: str, date: bool) -> None:
    """And the message says what to write."""
    with pytest.raises(RefuseError, match="is no value of changed; write"):
        Watermark.from_text("changed", text, date=date)


@given(INSTANTS, INSTANTS)
def test_the_furthest_never_goes_back(one: datetime, other: datetime) -> None:
    """Of two of the same column the later one, in either order."""
    both = {Watermark("a", one).furthest(Watermark("a", other)), Watermark("a", other).furthest(Watermark("a", one))}
    assert both == {Watermark("a", max(one, other))}
    assert Watermark("a", one).furthest(Watermark("b", other)) == Watermark("a", one)


@given(INSTANTS, st.integers(0, 400 * 24 * 3600), ZONES)
def test_no_bound_leaves_out_what_is_newer(value: datetime, later_s: int, zone: str) -> None:
    """Whatever the column: a value at or after the watermark sorts at or after the bound."""
    since = Since("changed", "changed", value)
    try:
        newer = value + timedelta(seconds=later_s)
        local = newer.astimezone(ZoneInfo(zone))
    except OverflowError:
        return
    wall, day, instant = since.wall(zone), since.day(), since.instant()
    assert wall is not None and day is not None and instant is not None
    assert local.replace(tzinfo=None).isoformat(timespec="microseconds") >= wall
    assert local.replace(tzinfo=None).isoformat(timespec="microseconds")[:10] >= day
    assert newer >= datetime.fromisoformat(instant)
    assert since.number() is None
