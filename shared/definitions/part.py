"""What every part of a definition shares: the strict base model and the small value types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)

SYNC_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""A sync's name: no two hyphens in a row, so that `<sync>--<secret>` belongs to one sync only."""


class BrokenSettingError(Exception):
    """Somebody asks for a setting of a broken part that could not be read."""


class Part(BaseModel):
    """One part of a definition: unknown keys are refused, nothing is converted, nothing changes afterwards.

    Values in a secret's place must not be echoed, so pydantic's own texts never show what was found. Of a broken file
    (`shared.definitions.salvage`), a part holds what is whole; to ask for the rest raises `BrokenSettingError`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    if not TYPE_CHECKING:  # a `__getattr__` that mypy sees would let every name pass

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise BrokenSettingError(name)
            return super().__getattr__(name)

    def stands(self, name: str) -> bool:
        """Whether the setting could be read; always, but in a broken file."""
        return name in self.__dict__


def _no_control(text: str) -> str:
    if any(ord(sign) < 32 and sign not in "\t\n\r" for sign in text):
        raise ValueError("holds a control character; remove it")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; write a value or leave the key out")
    return text


Flag = StrictBool
Count = StrictInt
AnyText = Annotated[str, StringConstraints(strict=True, max_length=20_000), AfterValidator(_no_control)]
"""A text that may be empty."""
Text = Annotated[AnyText, AfterValidator(_not_blank)]
"""A text that says something."""
ColumnName = Annotated[Text, StringConstraints(max_length=200)]
"""The name of one column, in the source or in Dataverse."""
Expression = Annotated[Text, StringConstraints(max_length=10_000)]
"""A DuckDB SQL scalar expression."""
ODataFilter = Annotated[Text, StringConstraints(max_length=10_000)]
"""The body of an OData `$filter`."""


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, when none stands there twice; else raises `ValueError` with the name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{name!r} stands in the list twice; name it once")
        seen.add(name)
    return names


_ONE_OR_MORE: dict[str, Any] = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}
OneOrMore = Annotated[
    tuple[ColumnName, ...],
    BeforeValidator(_as_list),
    Field(min_length=1, max_length=16),
    AfterValidator(distinct),
    WithJsonSchema(_ONE_OR_MORE),
]
"""One column name, or a list of them; always a tuple afterwards."""
Names = Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=16), AfterValidator(distinct)]
"""A list of distinct column names."""

_DURATION = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(value: object) -> timedelta:
    """`30s`, `5m`, `2h` or `1d` as a time span.

    Raises:
        ValueError: it is not of that form, or longer than 366 days.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a time span; write a whole number and s, m, h or d, for example 5m")
    seconds = int(match[1]) * _UNIT_S[match[2]]
    if seconds > 366 * 86_400:
        raise ValueError("is longer than 366 days; write a shorter time span")
    return timedelta(seconds=seconds)


def _duration_text(span: timedelta) -> str:
    return f"{int(span.total_seconds())}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(_duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6}[smhd]$", "examples": ["5m"]}),
]
"""A time span such as `30s`, `5m`, `2h`, `1d`."""

_FURTHEST = 10**15


def parse_overlap(value: object) -> timedelta | int:
    """A time span as `parse_duration` takes it, or a plain whole number: a distance in a column of numbers.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _FURTHEST:
        return value
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}; or, for a column of numbers, a whole number such as 1000") from None


Overlap = Annotated[
    timedelta | int,
    BeforeValidator(parse_overlap),
    PlainSerializer(lambda found: found if isinstance(found, int) else _duration_text(found), return_type=str | int),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d{1,6}[smhd]$", "examples": ["5m"]},
                {"type": "integer", "minimum": 0, "maximum": _FURTHEST},
            ]
        }
    ),
]
"""How far back: a time span such as `5m`, or a whole number."""

_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s?%")


def parse_share(value: object) -> Decimal:
    """`5%` or a fraction between 0 and 1 (`0.05`) as a fraction.

    Raises:
        ValueError: it is neither. A number above 1 is refused, for nobody can tell whether 5 means 5% or 500%.
    """
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        return Decimal(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return Decimal(str(value))
    raise ValueError("is not a share; write a percentage such as 5%, or a fraction between 0 and 1 such as 0.05")


def _share_text(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"


_SHARE_SCHEMA: dict[str, Any] = {
    "examples": ["5%"],
    "anyOf": [
        {"type": "string", "pattern": r"^\d{1,6}(\.\d{1,6})?\s?%$"},
        {"type": "number", "minimum": 0, "maximum": 1},
    ],
}
AnyShare = Annotated[
    Decimal,
    BeforeValidator(parse_share),
    PlainSerializer(_share_text, return_type=str),
    WithJsonSchema(_SHARE_SCHEMA),
]
"""A share that may pass 100%; afterwards a fraction (5% is `Decimal("0.05")`)."""


def _at_most_all(share: Decimal) -> Decimal:
    if share > 1:
        raise ValueError("is more than 100%; write a share between 0% and 100%")
    return share


Share = Annotated[AnyShare, AfterValidator(_at_most_all)]
"""A share between 0% and 100%; afterwards a fraction."""


def check_time_zone(name: str) -> str:
    """The name, when it is an IANA time zone.

    Raises:
        ValueError: it is none.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not an IANA time zone; write one such as Europe/Amsterdam or UTC") from None
    return name


TimeZone = Annotated[Text, StringConstraints(max_length=64), AfterValidator(check_time_zone)]
"""An IANA time zone name such as `Europe/Amsterdam`."""


class SecretRef(Part):
    """A secret by name: `{ secret: <name> }`. The value stays in Key Vault and is never written in a definition."""

    secret: Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9A-Za-z](?:[0-9A-Za-z-]{0,126})$")] = Field(
        description="Name of a Key Vault secret (letters, digits, hyphens). By default a sync may only name secrets "
        "that begin with its own name and two hyphens."
    )


def choose(*, word: str = "<word>", **keys: str) -> Discriminator:
    """Which variant of a union a value is: a mapping by the key it holds, anything else by `word`.

    Tags stand in angle brackets, so that a problem's path can leave them out.
    """

    def pick(value: object) -> str | None:
        if isinstance(value, Part):
            return next((tag for key, tag in keys.items() if hasattr(value, key)), None)
        if isinstance(value, Mapping):
            return next((tag for key, tag in keys.items() if key in value), None)
        return word

    return Discriminator(pick)


def choose_type(tags: Mapping[str, str]) -> Callable[[object], str | None]:
    """Which variant of a union a mapping is, by its `type`."""

    def pick(value: object) -> str | None:
        kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
        return tags.get(kind) if isinstance(kind, str) else None

    return pick
