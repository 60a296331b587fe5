"""The spans of the date operators: from the first moment inside to the first moment after, UTC, weeks from Sunday.

Fiscal years are calendar years and fiscal periods quarters, which is what a new environment settles.
Source: Microsoft Learn, "Web API Query Function Reference" and "FetchXml datetime condition operators".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

Span = tuple[datetime | None, datetime | None]
MOST = 100_000
_X = re.compile(r"(last|next|olderthan)-x-(minute|hour|day|week|month|year)s")
_DAYS = {
    "today": (0, 1),
    "yesterday": (-1, 0),
    "tomorrow": (1, 2),
    "last-seven-days": (-7, 1),
    "next-seven-days": (0, 8),
}
_FIXED = {"last": -1, "this": 0, "next": 1}


def span(operator: str, number: int, now: datetime) -> Span:
    """The span of a date operator; `number` is its X.

    Raises:
        ValueError: it reaches outside the calendar.
        OverflowError: so too.
    """
    today = _midnight(now)
    if operator in _DAYS:
        first, last = _DAYS[operator]
        return today + timedelta(days=first), today + timedelta(days=last)
    found = _X.fullmatch(operator)
    if found is not None:
        return _relative(found[1], found[2], number, now)
    word, unit = operator.split("-")
    start = _start(unit, today)
    return moved(start, unit, _FIXED[word]), moved(start, unit, _FIXED[word] + 1)


def fiscal(operator: str, numbers: tuple[int, ...], now: datetime) -> Span:
    """The span of a fiscal operator; `numbers` are its periods and years.

    Raises:
        ValueError: there is no such period, or no such year.
        OverflowError: so too.
    """
    unit = "quarter" if "period" in operator else "year"
    this = _start(unit, _midnight(now))
    if operator == "in-fiscal-year":
        first = datetime(numbers[0], 1, 1, tzinfo=UTC)
        return first, moved(first, "year", 1)
    if operator.endswith("period-and-year"):
        return _named_period(operator, numbers)
    if operator.startswith("last-x"):
        return moved(this, unit, -numbers[0]), this
    if operator.startswith("next-x"):
        return moved(this, unit, 1), moved(this, unit, numbers[0] + 1)
    step = _FIXED[operator.partition("-")[0]]
    return moved(this, unit, step), moved(this, unit, step + 1)


def moved(at: datetime, unit: str, count: int) -> datetime:
    """A moment moved by a number of units; a day that the month lacks becomes its last.

    Raises:
        ValueError: it falls outside the calendar.
        OverflowError: so too.
    """
    lengths = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
    if unit in lengths or unit == "week":
        return at + lengths.get(unit, timedelta(weeks=1)) * count
    months = at.year * 12 + at.month - 1 + count * {"month": 1, "quarter": 3, "year": 12}[unit]
    year, month = divmod(months, 12)
    for day in (at.day, 30, 29):
        try:
            return at.replace(year=year, month=month + 1, day=min(day, at.day))
        except ValueError:
            if not 1 <= year <= 9999:
                raise
    return at.replace(year=year, month=month + 1, day=28)


def _relative(direction: str, unit: str, number: int, now: datetime) -> Span:
    edge = moved(now, unit, number if direction == "next" else -number)
    if direction == "olderthan":
        return None, edge
    if unit == "hour":
        return (now, edge + timedelta(seconds=1)) if direction == "next" else (edge, now + timedelta(seconds=1))
    if direction == "next":
        return now, _midnight(edge) + timedelta(days=1)
    return _midnight(edge), now + timedelta(seconds=1)


def _named_period(operator: str, numbers: tuple[int, ...]) -> Span:
    period, year = numbers
    if not 1 <= period <= 4:
        raise ValueError(period)
    first = datetime(year, period * 3 - 2, 1, tzinfo=UTC)
    after = moved(first, "quarter", 1)
    return (None if "before" in operator else first), (None if "after" in operator else after)


def _start(unit: str, today: datetime) -> datetime:
    if unit == "week":
        return today - timedelta(days=(today.weekday() + 1) % 7)
    if unit == "month":
        return today.replace(day=1)
    if unit == "quarter":
        return today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    return today.replace(month=1, day=1)


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
