"""Column values: from JSON to what is stored, with the service's checks, for a whole column of rows at once.

Each kind has `one`, which looks at a single value and refuses it, and `quick`, which takes a column of values in one
go and gives up (None) as soon as something is unusual; then `one` finds the row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from local.dataverse.refusals import Refusal, RowRefusal, bad_literal, invalid
from local.dataverse.tables import Column, Kind

One = Callable[[object], object]
Quick = Callable[[Sequence[object]], "list[object] | None"]

GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?")
_FIRST_DAY = "1753-01-01"
_SAFE = 2**43
MAX_CHOICES = 150
_NONE = type(None)


@dataclass(frozen=True, slots=True)
class Check:
    """How one column's values are checked and stored."""

    one: One
    quick: Quick

    def all(self, values: Sequence[object]) -> list[object]:
        """The stored values.

        Raises:
            RowRefusal: with the first row whose value is refused; payload problems come before others.
        """
        done = self.quick(values)
        return self._each(values) if done is None else done

    def _each(self, values: Sequence[object]) -> list[object]:
        stored: list[object] = []
        worst: RowRefusal | None = None
        for index, value in enumerate(values):
            try:
                stored.append(self.one(value))
            except Refusal as refusal:
                found = RowRefusal(index, refusal)
                worst = found if worst is None or found.rank < worst.rank else worst
        if worst is not None:
            raise worst
        return stored


def check_of(table: str, column: Column) -> Check:
    """The check of one column of a table."""
    makers: dict[Kind, Callable[[str, Column], Check]] = {
        Kind.TEXT: _text,
        Kind.MEMO: _text,
        Kind.INTEGER: _whole,
        Kind.BIGINT: _whole,
        Kind.DECIMAL: _decimal,
        Kind.MONEY: _money,
        Kind.DOUBLE: _double,
        Kind.BOOLEAN: _boolean,
        Kind.DATETIME: _moment,
        Kind.CHOICE: _choice,
        Kind.STATE: _choice,
        Kind.STATUS: _choice,
        Kind.CHOICES: _choices,
        Kind.UNIQUEIDENTIFIER: _guid,
    }
    return makers[column.kind](table, column)


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
    if _DAY.fullmatch(text) is None:
        raise ValueError(text)
    datetime.fromisoformat(text)
    return text


def _null(table: str, column: Column) -> object:
    if column.required == "SystemRequired":
        raise Refusal(400, "0x80040200", f"The required field '{column.name}' of '{table}' is missing or null.")
    return None


def _out_of_range(code: str, table: str, column: Column) -> Refusal:
    return invalid(code, f"The value of '{column.name}' on record of type '{table}' is outside the valid range.")


def _text(table: str, column: Column) -> Check:
    longest, nullable = column.max_length or 0, column.required != "SystemRequired"

    def one(value: object) -> object:
        if value is None or value == "":
            return _null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, "Edm.String")
        if len(value.encode("utf-16-le", "surrogatepass")) // 2 > longest:
            raise invalid(
                "0x80044331",
                f"The length of the '{column.name}' attribute of the '{table}' entity exceeded the maximum allowed "
                f"length of '{longest}'.",
            )
        if _CONTROL.search(value) or _SURROGATE.search(value):
            raise Refusal(400, "0x80040278", f"Invalid character in field '{column.name}': a control character.")
        return value

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) == {str}:
            texts: Sequence[str] = values  # type: ignore[assignment]
            listed: list[object] = list(texts)
        else:
            texts = [v for v in values if isinstance(v, str)]
            if not nullable or len(texts) + sum(v is None for v in values) != len(values):
                return None
            listed = list(values)
        joined = "".join(texts)
        if _CONTROL.search(joined) or max(map(len, texts), default=0) * (1 if joined.isascii() else 2) > longest:
            return None
        if "" in texts:
            return [v or None for v in listed] if nullable else None
        return listed

    return Check(one, quick)


def _numbers(table: str, column: Column, edm: str, code: str) -> One:
    low, high = column.low, column.high

    def one(value: object) -> object:
        if value is None:
            return _null(table, column)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise bad_literal(table, value, edm)
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if (low is not None and number < low) or (high is not None and number > high):
            raise _out_of_range(code, table, column)
        return value

    return one


def _in_range(values: Sequence[object], types: set[type], column: Column) -> list[float] | None:
    """The numbers of a column without nulls, when all are of these types and inside the range."""
    if not set(map(type, values)) <= types:
        return None
    numbers: list[float] = [v for v in values if v is not None]  # type: ignore[misc]
    if len(numbers) != len(values) and column.required == "SystemRequired":
        return None
    if numbers and (min(numbers) < (column.low or 0) or max(numbers) > (column.high or 0)):
        return None
    return numbers


def _whole(table: str, column: Column) -> Check:
    edm, bits = ("Edm.Int32", 31) if column.kind is Kind.INTEGER else ("Edm.Int64", 63)
    ranged = _numbers(table, column, edm, "0x8004432f")

    def one(value: object) -> object:
        if value is not None and (type(value) is not int or not -(2**bits) <= value < 2**bits):
            raise bad_literal(table, value, edm)
        return ranged(value)

    def quick(values: Sequence[object]) -> list[object] | None:
        return None if _in_range(values, {int, _NONE}, column) is None else list(values)

    return Check(one, quick)


def _decimal(table: str, column: Column) -> Check:
    ranged, precision = _numbers(table, column, "Edm.Decimal", "0x80044330"), column.precision or 0

    def one(value: object) -> object:
        number = ranged(value)
        return None if number is None else scaled(number, precision, precision)

    def quick(values: Sequence[object]) -> list[object] | None:
        if _in_range(values, {int, float, _NONE}, column) is None:
            return None
        return scaled_all(values, precision, precision)

    return Check(one, quick)


def _money(table: str, column: Column) -> Check:
    """Money is only checked here: how it is rounded depends on the row's currency."""
    one = _numbers(table, column, "Edm.Decimal", "0x80044330")

    def quick(values: Sequence[object]) -> list[object] | None:
        return None if _in_range(values, {int, float, _NONE}, column) is None else list(values)

    return Check(one, quick)


def _double(table: str, column: Column) -> Check:
    ranged, digits = _numbers(table, column, "Edm.Double", "0x80044330"), column.precision or 0

    def one(value: object) -> object:
        number = ranged(value)
        return None if number is None else round(float(number), digits)  # type: ignore[arg-type]

    def quick(values: Sequence[object]) -> list[object] | None:
        if _in_range(values, {int, float, _NONE}, column) is None:
            return None
        return [None if v is None else round(float(v), digits) for v in values]  # type: ignore[arg-type]

    return Check(one, quick)


def _boolean(table: str, column: Column) -> Check:
    def one(value: object) -> object:
        if value is None:
            return _null(table, column)
        if not isinstance(value, bool):
            raise bad_literal(table, value, "Edm.Boolean")
        return value

    def quick(values: Sequence[object]) -> list[object] | None:
        return list(values) if set(map(type, values)) <= {bool} else None

    return Check(one, quick)


def _choice(table: str, column: Column) -> Check:
    allowed = {option.value for option in column.options}
    shown = ",".join(str(option.value) for option in column.options)

    def one(value: object) -> object:
        if value is None:
            return _null(table, column)
        if type(value) is not int or not -(2**31) <= value < 2**31:
            raise bad_literal(table, value, "Edm.Int32")
        if value not in allowed:
            text = f"The value {value} of '{column.name}' on record of type '{table}' is outside the valid range."
            raise invalid("0x8004431a", f"{text} Accepted Values: {shown}")
        return value

    def quick(values: Sequence[object]) -> list[object] | None:
        return list(values) if set(map(type, values)) == {int} and set(values) <= allowed else None

    return Check(one, quick)


def _choices(table: str, column: Column) -> Check:
    single = _choice(table, column).one

    def one(value: object) -> object:
        if value is None or value == "":
            return _null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, "Edm.String")
        parts = [part.strip() for part in value.split(",")]
        if not all(re.fullmatch(r"-?\d{1,10}", part) for part in parts):
            raise bad_literal(table, value, "Edm.Int32")
        numbers = sorted({int(part) for part in parts})
        if len(numbers) > MAX_CHOICES:
            raise Refusal(400, "0x80050222", f"'{column.name}' takes at most {MAX_CHOICES} choices.")
        return ",".join(str(single(number)) for number in numbers)

    known: dict[object, object] = {}

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) != {str} or len(distinct := set(values)) > 200:
            return None
        fresh = distinct - known.keys()
        if fresh:
            try:
                known.update({value: one(value) for value in fresh})
            except Refusal:
                return None
        found = [known[value] for value in values]
        if len(known) > 1000:
            known.clear()
        return found

    return Check(one, quick)


def _guid(table: str, column: Column) -> Check:
    def one(value: object) -> object:
        if value is None:
            return _null(table, column)
        if not isinstance(value, str) or GUID.fullmatch(value) is None:
            raise bad_literal(table, value, "Edm.Guid")
        return value.lower()

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) != {str}:
            return None
        texts: Sequence[str] = values  # type: ignore[assignment]
        return [v.lower() for v in texts] if all(map(GUID.fullmatch, texts)) else None

    return Check(one, quick)


def _moment(table: str, column: Column) -> Check:
    only_day = column.behaviour == "DateOnly"
    parse, edm = (day, "Edm.Date") if only_day else (moment, "Edm.DateTimeOffset")
    canonical = _DAY if only_day else _CANONICAL

    def one(value: object) -> object:
        if value is None:
            return _null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, edm)
        try:
            stored = parse(value)
        except (ValueError, OverflowError):
            raise bad_literal(table, value, edm) from None
        if stored < _FIRST_DAY:
            raise Refusal(
                400,
                "0x80040239",
                f"The date in '{column.name}' is less than the minimum value supported "
                "by CrmDateTime. Actual value: " + stored + ", Minimum value supported: 01/01/1753 00:00:00",
            )
        return stored

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) != {str}:
            return None
        texts: Sequence[str] = values  # type: ignore[assignment]
        if not all(map(canonical.fullmatch, texts)) or min(texts) < _FIRST_DAY:
            return None
        try:
            for text in set(texts):
                datetime.fromisoformat(text)
        except ValueError:
            return None
        return list(texts)

    return Check(one, quick)


def decimal_of(text: str) -> Decimal | None:
    """A number literal, None when it is none."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
