"""Values as typed OData literals, and filters over them.

Source: Microsoft Learn, "Filter rows using OData" and the `In` query function.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from urllib.parse import quote
from uuid import UUID

from shared.errors import DestinationError
from shared.values.tables import Column, ColumnKind, DateBehaviour

_TEXT = (ColumnKind.TEXT, ColumnKind.MEMO)
_WHOLE = (ColumnKind.INTEGER, ColumnKind.BIGINT, ColumnKind.CHOICE, ColumnKind.STATE, ColumnKind.STATUS)
_NUMBERS = (ColumnKind.DECIMAL, ColumnKind.DOUBLE, ColumnKind.MONEY)
_IDS = (ColumnKind.UNIQUEIDENTIFIER, ColumnKind.LOOKUP, ColumnKind.OWNER)


def literal(column: Column, value: object) -> str:
    """One value as `$filter` writes it for this column (not yet percent-encoded); None is `null`.

    Raises:
        DestinationError: the value does not fit the column's type.
    """
    if value is None:
        return "null"
    try:
        return _typed(column, value)
    except (ValueError, TypeError, ArithmeticError):
        raise DestinationError(
            f"a filter on column {column.name!r} ({column.type_name}) was given a value of type "
            f"{type(value).__name__} that is no {column.kind.value}"
        ) from None


def _typed(column: Column, value: object) -> str:
    if column.kind in _TEXT:
        return quoted(str(value))
    if column.kind in _IDS:
        return str(UUID(str(value)))
    if column.kind in _WHOLE:
        return str(int(str(value)))
    if column.kind in _NUMBERS:
        return _number(value)
    if column.kind is ColumnKind.BOOLEAN:
        return _boolean(value)
    if column.kind is ColumnKind.DATETIME:
        return _moment(column, value)
    raise TypeError(column.kind)


def quoted(text: str) -> str:
    """A text literal: in single quotes, those inside doubled."""
    return "'" + text.replace("'", "''") + "'"


def _number(value: object) -> str:
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(value)
    return format(number, "f")


def _boolean(value: object) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    raise TypeError(value)


def _moment(column: Column, value: object) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if column.date_behaviour is DateBehaviour.DATE_ONLY and isinstance(moment, date):
        return moment.strftime("%Y-%m-%d")
    if not isinstance(moment, datetime):
        raise TypeError(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def in_value(column: Column, value: object) -> str | None:
    """The value as an element of the `In` function's array, or None where `In` cannot carry it.

    Every element is text there. One with an apostrophe is double-quoted; one that has both quotes, or a backslash
    beside them, is left to `eq`. Lookups, dates and fractions are left to `eq` too: their text form is not documented.
    """
    if value is None or column.kind not in (*_TEXT, *_WHOLE, ColumnKind.UNIQUEIDENTIFIER):
        return None
    if column.kind not in _TEXT:
        return f"'{literal(column, value)}'"
    text = str(value)
    if '"' in text or "\\" in text:
        return None
    return f'"{text}"' if "'" in text else f"'{text}'"


def in_filter(column: Column, elements: Sequence[str]) -> str:
    """`In` over elements made by `in_value`."""
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{column.name}',PropertyValues=[{','.join(elements)}])"


def equals(column: Column, value: object) -> str:
    """The condition that the column holds the value.

    Text with `[` goes through `In`: there it is a plain character, while a comparison may take it for a wildcard.
    """
    element = in_value(column, value) if column.kind in _TEXT and "[" in str(value) else None
    return in_filter(column, [element]) if element else f"{column.read_name} eq {literal(column, value)}"


def encoded(text: str) -> str:
    """Percent-encode an option's value; what a query may hold as it is stays readable."""
    return quote(text, safe="'()$,:=@/;!*")
