"""How far an incremental sync has read its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Self
from zoneinfo import ZoneInfo

from shared.errors import RefuseError

Mark = datetime | Decimal
"""A date column's value as an instant in UTC, or a number column's value."""

ANY = "*"
"""The choice of a watermark that a person has set: it holds whichever records a run is asked for."""

_FOLD, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Watermark:
    """The greatest value of a source column that jobs of a sync have read and the destination has confirmed.

    `choice` says which records were read, by the variables that were given (`SyncDefinition.choice`); of others nothing
    has been read.
    """

    column: str
    value: Mark
    choice: str = ANY

    @classmethod
    def from_text(cls, column: str, text: str, *, date: bool, choice: str = ANY) -> Self:
        """A watermark as a person writes it: a plain number, or an ISO date and time, UTC where it names no zone.

        Raises:
            RefuseError: the text is neither.
        """
        try:
            return cls(column, _instant(text) if date else _number(text), choice)
        except (ValueError, InvalidOperation):
            wanted = "an ISO date such as 2026-01-31T08:00:00Z" if date else "a plain number such as 120045"
            raise RefuseError(f"{text!r} is no value of {column}; write {wanted}") from None

    def __str__(self) -> str:
        return _iso(self.value) + "Z" if isinstance(self.value, datetime) else format(self.value, "f")

    def caution(self, now: datetime) -> str:
        """What to know of one that a person has set; empty when there is nothing."""
        if isinstance(self.value, datetime) and self.value > now:
            return "that is in the future: what changes before then is not read"
        return ""

    def furthest(self, other: Watermark | None) -> Watermark:
        """This one or the other, whichever is further; this one when they cannot be compared."""
        if other is None or other.column != self.column or other.choice not in (ANY, self.choice):
            return self
        if isinstance(self.value, datetime) and isinstance(other.value, datetime):
            return replace(other, choice=self.choice) if other.value > self.value else self
        if isinstance(self.value, Decimal) and isinstance(other.value, Decimal):
            return replace(other, choice=self.choice) if other.value > self.value else self
        return self


@dataclass(frozen=True, slots=True)
class Since:
    """Which records a run reads: those whose `column` (the source's own name) is at least `value`, or empty.

    A source may give more than these; the engine leaves the others out. It must never give fewer.
    """

    column: str
    label: str
    value: Mark

    def instant(self) -> str | None:
        """The bound for a column of instants, ISO with offset; None for a number."""
        return _iso(self.value) + "+00:00" if isinstance(self.value, datetime) else None

    def wall(self, time_zone: str) -> str | None:
        """The bound for a column of times without a zone that stand in `time_zone`.

        An hour earlier, since in autumn one hour stands for two.
        """
        if not isinstance(self.value, datetime):
            return None
        bound = earlier(self.value, _FOLD)
        return _iso(bound if bound.year == 1 else bound.astimezone(ZoneInfo(time_zone)))

    def day(self) -> str | None:
        """The bound for a column of days, whatever its zone."""
        return _iso(earlier(self.value, _DAY))[:10] if isinstance(self.value, datetime) else None

    def number(self) -> str | None:
        """The bound for a column of numbers; None for a date."""
        return format(self.value, "f") if isinstance(self.value, Decimal) else None


def earlier(instant: datetime, by: timedelta) -> datetime:
    """The instant that much before; the first of all where there is none."""
    first = datetime.min.replace(tzinfo=instant.tzinfo)
    return instant - by if instant - first > by else first


def _iso(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _number(text: str) -> Decimal:
    found = Decimal(text)
    if not found.is_finite():
        raise ValueError(text)
    return found
