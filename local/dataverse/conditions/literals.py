"""Literals of queries as columns store and compare them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from local.dataverse import refusals
from local.dataverse.collation import Fold
from local.dataverse.conditions.seen import Seen
from local.dataverse.tables import TEXTS, WHOLE_OPTIONS, Kind
from local.dataverse.values import GUID, day, decimal_of, moment

EDM = {
    Kind.INTEGER: "Edm.Int32",
    Kind.BIGINT: "Edm.Int64",
    Kind.DECIMAL: "Edm.Decimal",
    Kind.MONEY: "Edm.Decimal",
    Kind.DOUBLE: "Edm.Double",
    Kind.BOOLEAN: "Edm.Boolean",
    Kind.DATETIME: "Edm.DateTimeOffset",
    Kind.UNIQUEIDENTIFIER: "Edm.Guid",
    Kind.LOOKUP: "Edm.Guid",
    Kind.CUSTOMER: "Edm.Guid",
    Kind.OWNER: "Edm.Guid",
    Kind.CHOICE: "Edm.Int32",
    Kind.STATE: "Edm.Int32",
    Kind.STATUS: "Edm.Int32",
}
NUMBERS = frozenset((Kind.INTEGER, Kind.BIGINT, Kind.DECIMAL, Kind.MONEY, Kind.DOUBLE, *WHOLE_OPTIONS))
_LITERALS = {
    "string": "Edm.String",
    "number": "Edm.Int32",
    "boolean": "Edm.Boolean",
    "guid": "Edm.Guid",
    "date": "Edm.DateTimeOffset",
    "enum": "Edm.String",
}
_OPERATORS = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: text, number, true/false, null, date text (`kind` date), guid text, enum member."""

    kind: str
    value: str | int | Decimal | bool | None


def of_text(seen: Seen, text: str) -> Value:
    """A text as the literal that the column expects: FetchXML and the query functions quote every value.

    Raises:
        Refusal: it is none.
    """
    kind = seen.column.kind
    if kind in TEXTS or kind is Kind.CHOICES:
        return Value("string", text)
    if kind is Kind.BOOLEAN:
        if text.lower() not in ("true", "false", "1", "0"):
            raise _misfit(seen, text, "true, false, 1 or 0")
        return Value("boolean", text.lower() in ("true", "1"))
    if kind is Kind.DATETIME:
        return Value("date", text.strip().replace(" ", "T", 1))
    if seen.column.is_lookup or kind is Kind.UNIQUEIDENTIFIER:
        bare = text.strip().removeprefix("{").removesuffix("}")
        if GUID.fullmatch(bare) is None:
            raise refusals.query(f"Guid should contain 32 digits with 4 dashes: '{text[:100]}'.")
        return Value("guid", bare.lower())
    number = decimal_of(text)
    if number is None:
        raise _misfit(seen, text, "a number")
    return Value("number", number)


def stored(fold: Fold, seen: Seen, operator: str, literal: Value) -> object:
    """A literal as the column stores and compares it.

    Raises:
        Refusal: its type does not fit the column.
    """
    kind, value = seen.column.kind, literal.value
    if (kind in TEXTS or kind is Kind.CHOICES) and literal.kind in ("string", "guid"):
        return fold(str(value)) if kind in TEXTS else value
    if kind in NUMBERS and literal.kind == "number":
        return _number(seen, Decimal(str(value)))
    if kind is Kind.BOOLEAN and literal.kind == "boolean":
        return value
    if kind is Kind.DATETIME and literal.kind == "date":
        return _date(seen, str(value))
    if EDM.get(kind) == "Edm.Guid" and literal.kind == "guid":
        return str(value).lower()
    raise incompatible(EDM.get(kind, "Edm.String"), _LITERALS.get(literal.kind, "Edm.String"), operator)


def incompatible(left: str, right: str, operator: str) -> refusals.Refusal:
    """Two types that cannot be compared."""
    return refusals.query(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{left}' and '{right}' for operator kind '{_OPERATORS.get(operator, operator)}'."
    )


def family(seen: Seen) -> str:
    """What columns are comparable with each other: numbers with numbers, otherwise one type with itself."""
    kind = seen.column.kind
    return "number" if kind in NUMBERS else EDM.get(kind, "Edm.String")


def _misfit(seen: Seen, text: str, wanted: str) -> refusals.Refusal:
    return refusals.query(f"The value '{text[:100]}' does not fit '{seen.column.name}': {wanted} is needed.")


def _number(seen: Seen, number: Decimal) -> object:
    if number.adjusted() > 400:
        raise refusals.query("The number is outside the range of every column.")
    if seen.column.kind in (Kind.DECIMAL, Kind.MONEY):
        number = number.scaleb(seen.column.scale)
    if abs(number) < 2**63 and number == number.to_integral_value():
        return int(number)
    return float(number)


def _date(seen: Seen, text: str) -> str:
    try:
        found = moment(text)
    except (ValueError, OverflowError):
        raise refusals.query(f"The date literal '{text[:100]}' is not valid.") from None
    return day(found[:10]) if seen.column.behaviour == "DateOnly" else found
