"""The written forms of values: ids, days, moments, numbers as scaled integers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
"""A moment as it is stored."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_SAFE = 2**43


def scaled(value: object, precision: int, scale: int) -> int:
    """A JSON number times 10^scale, rounded half away from zero to `precision` digits behind the point."""
    if isinstance(value, int):
        return int(value * 10**scale)
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))
    return int(exact.scaleb(precision).quantize(Decimal(1), ROUND_HALF_UP)) * int(10 ** (scale - precision))


def scaled_all(values: Sequence[object], precision: int, scale: int) -> list[object]:
    """`scaled` for a column of numbers and nulls. A float far from a tie needs no decimal arithmetic."""
    factor, rest = 10**precision, 10 ** (scale - precision)
    stored: list[object] = []
    for value in values:
        if value is None:
            stored.append(None)
        elif isinstance(value, float):
            moved = value * factor
            near = math.floor(moved + 0.5)
            plain = -_SAFE < moved < _SAFE and abs(moved - near) < 0.49
            stored.append(near * rest if plain else scaled(value, precision, scale))
        else:
            stored.append(scaled(value, precision, scale))
    return stored


def moment(text: str) -> str:
    """A date and time as stored: whole seconds, UTC (without an offset it is taken as UTC).

    Raises:
        ValueError: it is none.
    """
    if _MOMENT.fullmatch(text) is None:
        raise ValueError(text)
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        found = found.astimezone(UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ") if found.year >= 1000 else f"{found.year:04d}-01-01T00:00:00Z"


def day(text: str) -> str:
    """A calendar day as stored.

    Raises:
        ValueError: it is none.
    """
    if DAY.fullmatch(text) is None:
        raise ValueError(text)
    datetime.fromisoformat(text)
    return text


def decimal_of(text: str) -> Decimal | None:
    """A number literal, None when it is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
