"""The query functions of Dataverse, called by their full name: In, Between, ContainValues, and those of dates."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from local.dataverse import refusals
from local.dataverse.odata.scope import Seen
from local.dataverse.odata.syntax import Compare, Function, Path, Value
from local.dataverse.tables import TEXTS, Kind
from local.dataverse.values import GUID, decimal_of

if TYPE_CHECKING:
    from local.dataverse.odata.filters import Compiler

_UNITS = {"Hours": timedelta(hours=1), "Days": timedelta(days=1), "Weeks": timedelta(weeks=1)}
_SPAN = re.compile(r"(Last|Next|OlderThan)X(Minutes|Hours|Days|Weeks|Months|Years)")
_ON = {"On": "eq", "NotOn": "ne", "OnOrAfter": "ge", "OnOrBefore": "le"}
_DAYS = {"Today": (0, 1), "Yesterday": (-1, 0), "Tomorrow": (1, 2), "Last7Days": (-7, 1), "Next7Days": (0, 8)}
_MOST = 100_000


def test(compiler: Compiler, node: Function) -> str:
    """The SQL of one function.

    Raises:
        Refusal: there is no such function, or its parameters do not fit the column.
    """
    seen = compiler.scope.column(tuple(node.property.split("/")))
    if node.name in ("In", "NotIn"):
        found = _in(compiler, seen, node)
        return found if node.name == "In" else f"(NOT coalesce({found}, 0))"
    if node.name in ("Between", "NotBetween"):
        found = _between(compiler, node)
        return found if node.name == "Between" else f"(NOT {found})"
    if node.name in ("ContainValues", "DoesNotContainValues"):
        found = _contains(compiler, seen, node)
        return found if node.name == "ContainValues" else f"(NOT {found})"
    if node.name in ("EqualUserId", "NotEqualUserId"):
        raise refusals.not_built(f"The query function {node.name}")
    return _dates(compiler, seen, node)


def literal(seen: Seen, text: str) -> Value:
    """A parameter's text as the literal that the column expects; the service takes them all in quotes."""
    kind = seen.column.kind
    if kind in TEXTS or kind is Kind.CHOICES:
        return Value("string", text)
    if kind is Kind.BOOLEAN:
        return Value("boolean", text.lower() in ("true", "1"))
    if kind is Kind.DATETIME:
        return Value("date", text)
    if seen.column.is_lookup or kind is Kind.UNIQUEIDENTIFIER:
        if GUID.fullmatch(text) is None:
            raise refusals.query(f"Guid should contain 32 digits with 4 dashes: '{text[:100]}'.")
        return Value("guid", text.lower())
    number = decimal_of(text)
    if number is None:
        raise refusals.query(f"The value '{text[:100]}' is no number, as '{seen.column.name}' needs.")
    return Value("number", number)


def _in(compiler: Compiler, seen: Seen, node: Function) -> str:
    if not node.values:
        raise refusals.query(f"The function '{node.name}' needs PropertyValues.")
    values = [compiler.literal(seen, "eq", literal(seen, text)) for text in node.values]
    marks = ", ".join(compiler.bound(value) for value in values)
    return f"({seen.equal} IN ({marks}))"


def _between(compiler: Compiler, node: Function) -> str:
    if len(node.values) != 2:
        raise refusals.query(f"The function '{node.name}' needs two values.")
    path = Path(tuple(node.property.split("/")))
    low, high = (literal(compiler.scope.column(path.steps), text) for text in node.values)
    return f"({compiler.test(Compare('ge', path, low))} AND {compiler.test(Compare('le', path, high))})"


def _contains(compiler: Compiler, seen: Seen, node: Function) -> str:
    if seen.column.kind is not Kind.CHOICES:
        raise refusals.query(f"The function '{node.name}' needs a choices column, '{seen.column.name}' is none.")
    tests = [f"instr(',' || {seen.raw} || ',', {compiler.bound(f',{text.strip()},')}) > 0" for text in node.values]
    return f"coalesce({' OR '.join(tests) or '0'}, 0)"


def _dates(compiler: Compiler, seen: Seen, node: Function) -> str:
    if seen.column.kind is not Kind.DATETIME:
        raise refusals.query(f"An unknown function with name 'Microsoft.Dynamics.CRM.{node.name}' was found.")
    if node.name in _ON and len(node.values) == 1:
        return _on(compiler, seen, _ON[node.name], literal(seen, node.values[0]))
    now = compiler.now().astimezone(UTC)
    if node.name in _DAYS:
        first, last = _DAYS[node.name]
        today = _midnight(now)
        return _range(compiler, seen, today + timedelta(days=first), today + timedelta(days=last))
    span = _SPAN.fullmatch(node.name)
    if span is None:
        raise refusals.query(f"An unknown function with name 'Microsoft.Dynamics.CRM.{node.name}' was found.")
    return _relative(compiler, seen, node, (span[1], span[2]), now)


def _on(compiler: Compiler, seen: Seen, operator: str, value: Value) -> str:
    """A day of the column: the time of day does not count."""
    first = str(compiler.literal(seen, operator, value))[:10]
    term = f"substr({seen.raw}, 1, 10)"
    sign = {"eq": "=", "ne": "<>", "ge": ">=", "le": "<="}[operator]
    return f"coalesce({term} {sign} {compiler.bound(first)}, {int(operator == 'ne')})"


def _relative(compiler: Compiler, seen: Seen, node: Function, span: tuple[str, str], now: datetime) -> str:
    direction, unit = span
    text = node.values[0] if len(node.values) == 1 else ""
    if not text.isdigit() or not 0 < int(text) <= _MOST:
        raise refusals.query(f"The function '{node.name}' needs a whole number above 0 as PropertyValue.")
    try:
        edge = _moved(now, unit, int(text) * (1 if direction == "Next" else -1))
    except (ValueError, OverflowError):
        raise refusals.query(f"The function '{node.name}' reaches outside the calendar.") from None
    if direction == "OlderThan":
        return f"coalesce({seen.raw} < {compiler.bound(_stored(seen, edge))}, 0)"
    if unit in ("Hours", "Minutes"):
        return _range(compiler, seen, *((now, edge) if direction == "Next" else (edge, now)))
    if direction == "Next":
        return _range(compiler, seen, now, _midnight(edge) + timedelta(days=1))
    return _range(compiler, seen, _midnight(edge), now)


def _moved(now: datetime, unit: str, count: int) -> datetime:
    if unit == "Minutes":
        return now + timedelta(minutes=count)
    if unit in _UNITS:
        return now + _UNITS[unit] * count
    months = now.year * 12 + now.month - 1 + count * (12 if unit == "Years" else 1)
    for day in (now.day, 30, 29, 28):
        try:
            return now.replace(year=months // 12, month=months % 12 + 1, day=min(day, now.day))
        except ValueError:
            if not 1 <= months // 12 <= 9999:
                raise
    raise ValueError(unit)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _stored(seen: Seen, at: datetime) -> str:
    return at.strftime("%Y-%m-%d" if seen.column.behaviour == "DateOnly" else "%Y-%m-%dT%H:%M:%SZ")


def _range(compiler: Compiler, seen: Seen, first: datetime, last: datetime) -> str:
    low, high = compiler.bound(_stored(seen, first)), compiler.bound(_stored(seen, last))
    closing = "<=" if last.time() != _midnight(last).time() else "<"
    return f"coalesce({seen.raw} >= {low} AND {seen.raw} {closing} {high}, 0)"
