"""When syncs are due: laws over zones, expressions and the days on which clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.definitions.schedule import Schedule
from shared.engine.schedule import Timetable, due, fits, job_id, later, marked
from shared.values.schedules import Mark

DAYS = {
    "Europe/Amsterdam": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "America/St_Johns": (date(2006, 4, 2), date(2006, 10, 29)),  # changes at 00:01
    "Australia/Lord_Howe": (date(2026, 10, 4), date(2026, 4, 5)),  # half an hour
    "Africa/Cairo": (date(2024, 4, 26), date(2024, 11, 1)),  # at midnight
    "Pacific/Apia": (date(2011, 12, 30), date(2011, 12, 31)),  # a day that never was
    "Africa/Casablanca": (date(2026, 2, 15), date(2026, 3, 22)),
    "Asia/Kathmandu": (date(2026, 3, 29), date(2026, 10, 25)),  # never changes
    "UTC": (date(2026, 3, 29), date(2026, 10, 25)),
}
"""Zones, and the days on which their clocks are changed."""
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True)
class Cron:
    """An expression, and which minutes and hours it means."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]


@st.composite
def crons(draw: st.DrawFn) -> Cron:
    """Five or six fields; lists, ranges, steps and stars."""

    def field(most: int) -> tuple[str, frozenset[int]]:
        kind = draw(st.sampled_from(("star", "step", "list", "range")))
        if kind == "star":
            return "*", frozenset(range(most))
        if kind == "step":
            step = draw(st.integers(1, most))
            return f"*/{step}", frozenset(range(0, most, step))
        if kind == "range":
            first = draw(st.integers(0, most - 1))
            last = draw(st.integers(first, most - 1))
            return (f"{first}-{last}" if last > first else str(first)), frozenset(range(first, last + 1))
        chosen = draw(st.frozensets(st.integers(0, most - 1), min_size=1, max_size=4))
        return ",".join(map(str, sorted(chosen))), chosen

    (minute, minutes), (hour, hours) = field(60), field(24)
    return Cron(f"{draw(st.sampled_from(('', '0 ')))}{minute} {hour} * * *", minutes, hours)


@st.composite
def places(draw: st.DrawFn) -> tuple[ZoneInfo, date]:
    """A zone and a day near one on which its clocks change."""
    name = draw(st.sampled_from(sorted(DAYS)))
    return ZoneInfo(name), draw(st.sampled_from(DAYS[name])) + timedelta(days=draw(st.integers(-1, 1)))


def expected(cron: Cron, zone: ZoneInfo, day: date) -> list[datetime]:
    """By the stated rule, minute for minute: every instant due around a day, in order, each once."""
    found: set[datetime] = set()
    for wall in _minutes(day - timedelta(days=3), 7):
        if wall.minute in cron.minutes and wall.hour in cron.hours:
            first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
            found |= {first, second} if second > first and len(cron.hours) == 24 else {first}
    return sorted(found)


def _minutes(first: date, days: int) -> Iterator[datetime]:
    start = datetime(first.year, first.month, first.day)  # noqa: DTZ001 - on the wall
    return (start + MINUTE * number for number in range(days * 24 * 60))


@settings(max_examples=60, deadline=None)
@given(cron=crons(), place=places(), at=st.integers(0, 24 * 60 - 1), seconds=st.integers(0, 59))
def test_every_due_time_is_found_from_both_sides(
    cron: Cron, place: tuple[ZoneInfo, date], at: int, seconds: int
) -> None:
    """From any instant, the next and the last one are those that the rule names."""
    zone, day = place
    times = Timetable(cron.text, zone)
    when = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) + MINUTE * at
    when += timedelta(seconds=seconds)
    known = expected(cron, zone, day)
    assert times.after(when) == next(one for one in known if one > when)
    assert times.before(when) == next(one for one in reversed(known) if one <= when)


@settings(max_examples=40, deadline=None)
@given(step=st.sampled_from((1, 5, 10, 15, 20, 30, 60)), place=places())
def test_an_interval_is_never_interrupted(step: int, place: tuple[ZoneInfo, date]) -> None:
    """Every so many minutes is that, through every change of the clocks by whole hours."""
    zone, day = place
    if zone.key in ("Australia/Lord_Howe", "America/St_Johns"):
        return
    times = Timetable(f"*/{step} * * * *" if step < 60 else "0 * * * *", zone)
    when = times.after(datetime(day.year, day.month, day.day, tzinfo=UTC))
    for _ in range(4 * 60 // step + 30):
        assert when is not None
        following = times.after(when)
        assert following == when + MINUTE * step
        when = following


@settings(max_examples=40, deadline=None)
@given(place=places(), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_daily_sync_runs_once_a_day(place: tuple[ZoneInfo, date], hour: int, minute: int) -> None:
    """Five days around a change bring five runs, except where the calendar itself leaves a day out."""
    zone, day = place
    times = Timetable(f"{minute} {hour} * * *", zone)
    nominal = [day + timedelta(days=number) for number in range(-2, 3)]
    walls = [datetime(one.year, one.month, one.day, hour, minute, tzinfo=zone) for one in nominal]
    wanted = sorted({wall.astimezone(UTC) for wall in walls})
    found = [wanted[0]]
    while found[-1] < wanted[-1]:
        following = times.after(found[-1])
        assert following is not None
        found.append(following)
    assert found == wanted


@pytest.mark.parametrize(
    ("cron", "zone", "day", "runs"),
    [
        ("30 2 * * *", "Europe/Amsterdam", "2026-03-29", ["01:30"]),
        ("30 2,3 * * *", "Europe/Amsterdam", "2026-03-29", ["01:30"]),
        ("30 2 * * *", "Europe/Amsterdam", "2026-10-25", ["00:30"]),
        ("0 30 2 * * *", "America/New_York", "2026-03-08", ["07:30"]),
        ("30 1 * * *", "America/New_York", "2026-11-01", ["05:30"]),
        ("0 0 */2 * * *", "UTC", "2026-03-29", [f"{hour:02}:00" for hour in range(0, 24, 2)]),
        ("59 59 23 31 12 *", "UTC", "2026-12-31", ["23:59"]),
    ],
)
def test_known_days(cron: str, zone: str, day: str, runs: list[str]) -> None:
    """The skipped and the repeated hour, in UTC, by hand."""
    times = Timetable(cron, ZoneInfo(zone))
    at = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(seconds=1)
    found = []
    while (following := times.after(at)) is not None and following.date().isoformat() == day:
        found.append(f"{following:%H:%M}")
        at = following
    assert found == runs


def test_half_an_hour_is_skipped() -> None:
    """On Lord Howe the clocks go from 02:00 to 02:30: 02:10 runs at 02:40, behind 02:35, and an hourly one goes on."""
    zone, change = ZoneInfo("Australia/Lord_Howe"), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    daily, hourly = Timetable("10,35 2 * * *", zone), Timetable("10 * * * *", zone)
    assert daily.before(change + 12 * MINUTE) == change + 10 * MINUTE
    assert daily.before(change + 9 * MINUTE) == change + 5 * MINUTE
    assert daily.after(change) == change + 5 * MINUTE
    assert hourly.after(change - 49 * MINUTE) == change + 10 * MINUTE


def test_leap_days_and_last_days() -> None:
    """A rare date is found from years away; the last day of a month moves."""
    rare, last = Timetable("0 0 29 2 *", UTC), Timetable("0 0 l * *", UTC)
    assert rare.after(datetime(2097, 1, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)
    assert rare.before(datetime(2103, 1, 1, tzinfo=UTC)) == datetime(2096, 2, 29, tzinfo=UTC)
    assert last.after(datetime(2028, 2, 1, tzinfo=UTC)) == datetime(2028, 2, 29, tzinfo=UTC)


HOURLY = Schedule(cron="0 * * * *")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_missed_runs_are_one() -> None:
    """However many due times passed, the last one is due; and none is when they are dealt with."""
    assert due(HOURLY, marked(HOURLY, NOON - 9 * HOUR), NOON + 30 * MINUTE) == NOON
    assert due(HOURLY, marked(HOURLY, NOON), NOON + 59 * MINUTE) is None
    assert due(HOURLY, marked(HOURLY, NOON), NOON - HOUR) is None


@given(times=st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_a_mark_only_moves_on(times: list[int]) -> None:
    """In whatever order machines tell how far they came, the farthest stays; another schedule begins anew."""
    stored: Mark | None = None
    for hours in times:
        stored = later(stored, marked(HOURLY, NOON + hours * HOUR))
    assert stored == marked(HOURLY, NOON + max(times) * HOUR)
    other = Schedule(cron="0 0 * * *")
    assert not fits(other, stored)
    assert later(stored, marked(other, NOON)) == marked(other, NOON)


def test_one_due_time_has_one_id() -> None:
    """The same on every machine and in every zone; another sync or another time has another."""
    at = NOON.astimezone(ZoneInfo("Asia/Tokyo"))
    assert job_id("accounts", NOON) == job_id("accounts", at)
    assert job_id("accounts", NOON).startswith("20260304-120000-")
    assert len({job_id("accounts", NOON), job_id("cities", NOON), job_id("accounts", NOON + HOUR)}) == 3
