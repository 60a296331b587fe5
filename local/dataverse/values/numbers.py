"""Checks of numbers: whole numbers, decimals, doubles, money."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from local.dataverse.refusals import Refusal, bad_literal, invalid
from local.dataverse.tables import Column, Kind
from local.dataverse.values.check import Check, One, null
from local.dataverse.values.forms import scaled, scaled_all

_NONE = type(None)


def whole(table: str, column: Column) -> Check:
    """The check of an integer or big integer column."""
    edm, bits = ("Edm.Int32", 31) if column.kind is Kind.INTEGER else ("Edm.Int64", 63)
    ranged = _numbers(table, column, edm, "0x8004432f")

    def one(value: object) -> object:
        if value is not None and (type(value) is not int or not -(2**bits) <= value < 2**bits):
            raise bad_literal(table, value, edm)
        return ranged(value)

    def quick(values: Sequence[object]) -> list[object] | None:
        return None if _in_range(values, {int, _NONE}, column) is None else list(values)

    return Check(one, quick)


def decimal(table: str, column: Column) -> Check:
    """The check of a decimal column."""
    ranged, precision = _numbers(table, column, "Edm.Decimal", "0x80044330"), column.precision or 0

    def one(value: object) -> object:
        number = ranged(value)
        return None if number is None else scaled(number, precision, precision)

    def quick(values: Sequence[object]) -> list[object] | None:
        if _in_range(values, {int, float, _NONE}, column) is None:
            return None
        return scaled_all(values, precision, precision)

    return Check(one, quick)


def money(table: str, column: Column) -> Check:
    """Money is only checked here: how it is rounded depends on the row's currency."""
    one = _numbers(table, column, "Edm.Decimal", "0x80044330")

    def quick(values: Sequence[object]) -> list[object] | None:
        return None if _in_range(values, {int, float, _NONE}, column) is None else list(values)

    return Check(one, quick)


def double(table: str, column: Column) -> Check:
    """The check of a double column."""
    ranged, digits = _numbers(table, column, "Edm.Double", "0x80044330"), column.precision or 0

    def one(value: object) -> object:
        number = ranged(value)
        return None if number is None else round(float(number), digits)  # type: ignore[arg-type]

    def quick(values: Sequence[object]) -> list[object] | None:
        if _in_range(values, {int, float, _NONE}, column) is None:
            return None
        return [None if v is None else round(float(v), digits) for v in values]  # type: ignore[arg-type]

    return Check(one, quick)


def _numbers(table: str, column: Column, edm: str, code: str) -> One:
    low, high = column.low, column.high

    def one(value: object) -> object:
        if value is None:
            return null(table, column)
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


def _out_of_range(code: str, table: str, column: Column) -> Refusal:
    return invalid(code, f"The value of '{column.name}' on record of type '{table}' is outside the valid range.")
