"""One condition as SQL: a column, an operator of the table, its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.dataverse import refusals
from local.dataverse.collation import Fold
from local.dataverse.conditions import dates
from local.dataverse.conditions.literals import EDM, Value, family, incompatible, of_text, stored
from local.dataverse.conditions.operators import BY_NAME, Family, Operator
from local.dataverse.conditions.seen import Seen, guid_key
from local.dataverse.tables import TEXTS, Kind
from shared.sql import identifier

SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
BUSINESS_UNIT = "0d000000-0000-4000-8000-0000000000b0"
LANGUAGE = 1033
_ON = {"on": "=", "not-on": "<>", "on-or-after": ">=", "on-or-before": "<="}
_PLACES = {
    "like": "like",
    "contains": "contains",
    "begins-with": "begins",
    "begin-with": "begins",
    "ends-with": "ends",
    "end-with": "ends",
}
_WILD = frozenset("%_[")


@dataclass(slots=True)
class Context:
    """What conditions are compiled with; `values` are bound by number, in any order of the text."""

    fold: Fold
    now: Callable[[], datetime]
    caller_id: str = ""
    values: list[object] = field(default_factory=list)

    def bound(self, value: object) -> str:
        """A placeholder for a value."""
        self.values.append(value)
        return f"?{len(self.values)}"


def condition(context: Context, seen: Seen, operator: str, values: Sequence[Value]) -> str:
    """The SQL of a condition, two-valued.

    Raises:
        Refusal: the operator does not fit the column, or the values do not fit the operator.
    """
    found = BY_NAME[operator]
    if len(values) < found.least or (found.most is not None and len(values) > found.most):
        wanted = "a value" if found.most == 1 else f"{found.least or 'no'} values"
        raise refusals.query(f"The operator '{found.function or operator}' needs {wanted}, {len(values)} are given.")
    return _FAMILIES[found.family](context, seen, found, values)


def columns(operator: str, left: Seen, right: Seen) -> str:
    """The SQL of a comparison of two columns, two-valued: two nulls are equal.

    Raises:
        Refusal: their types cannot be compared.
    """
    if family(left) != family(right):
        raise incompatible(family(left), family(right), operator)
    first, second = _levelled(left, right)
    if operator in ("eq", "ne"):
        return f"({first} IS {'' if operator == 'eq' else 'NOT '}{second})"
    return f"coalesce({first} {SIGNS[operator]} {second}, 0)"


def _compare(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    name, literal = operator.name, values[0]
    if literal.kind == "null":
        if name not in ("eq", "ne"):
            return "0"
        return f"({seen.raw} IS {'' if name == 'eq' else 'NOT '}NULL)"
    value = stored(context.fold, seen, name, literal)
    if name in ("eq", "ne"):
        if seen.column.kind in TEXTS and _WILD & set(str(value)):
            test = f"resembles({seen.equal}, {context.bound(value)})"
        else:
            test = f"{seen.equal} = {context.bound(value)}"
        return f"({test})" if name == "eq" else _negated(test)
    if seen.is_id:
        value = guid_key(str(value))
    return f"coalesce({seen.ordered} {SIGNS[name]} {context.bound(value)}, 0)"


def _null(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    return f"({seen.raw} IS {'NOT ' if operator.name == 'not-null' else ''}NULL)"


def _text(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    if seen.column.kind not in TEXTS or values[0].kind not in ("string", "guid"):
        raise incompatible(EDM.get(seen.column.kind, "Edm.String"), "Edm.String", operator.name)
    negated = operator.name.startswith("not-")
    place = _PLACES[operator.name.removeprefix("not-")]
    test = _part(context, seen, place, _fold_part(context.fold, str(values[0].value)))
    return _negated(test) if negated else test


def _part(context: Context, seen: Seen, name: str, part: str) -> str:
    if name == "like":
        return f"resembles({seen.equal}, {context.bound(part)})"
    if _WILD & set(part):
        head, tail = ("" if name == "begins" else "%"), ("" if name == "ends" else "%")
        return f"resembles({seen.equal}, {context.bound(head + part + tail)})"
    if name == "contains":
        return f"coalesce(instr({seen.equal}, {context.bound(part)}) > 0, 0)"
    if not part:
        return f"({seen.raw} IS NOT NULL)"
    start = f"1, {len(part)}" if name == "begins" else f"-{len(part)}"
    return f"coalesce(substr({seen.equal}, {start}) = {context.bound(part)}, 0)"


def _list(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    if any(value.kind == "null" for value in values):
        raise refusals.query(f"The operator '{operator.name}' takes no null.")
    marks = ", ".join(context.bound(stored(context.fold, seen, "eq", value)) for value in values)
    test = f"{seen.equal} IN ({marks})"
    return f"({test})" if operator.name == "in" else _negated(test)


def _between(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    low = _compare(context, seen, BY_NAME["ge"], values[:1])
    high = _compare(context, seen, BY_NAME["le"], values[1:])
    return f"({low} AND {high})" if operator.name == "between" else f"(NOT ({low} AND {high}))"


def _choices(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    if seen.column.kind is not Kind.CHOICES:
        raise refusals.query(
            f"The operator '{operator.function}' needs a choices column; '{seen.column.name}' is none."
        )
    tests = [f"instr(',' || {seen.raw} || ',', {context.bound(f',{str(v.value).strip()},')}) > 0" for v in values]
    test = f"coalesce({' OR '.join(tests)}, 0)"
    return test if operator.name == "contain-values" else f"(NOT {test})"


def _on(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    """A day of the column: the time of day does not count."""
    _check_date(seen, operator)
    first = str(stored(context.fold, seen, "eq", values[0]))[:10]
    test = f"substr({seen.raw}, 1, 10) {_ON[operator.name]} {context.bound(first)}"
    return f"coalesce({test}, {int(operator.name == 'not-on')})"


def _span(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    _check_date(seen, operator)
    now = context.now().astimezone(UTC).replace(microsecond=0)
    numbers = tuple(_whole(operator, value) for value in values)
    if operator.name == "in-fiscal-period":
        return _in_period(seen, numbers[0])
    try:
        if operator.family is Family.FISCAL:
            low, high = dates.fiscal(operator.name, numbers, now)
        else:
            low, high = dates.span(operator.name, numbers[0] if numbers else 0, now)
    except (ValueError, OverflowError):
        raise refusals.query(f"The function '{operator.function}' reaches outside the calendar.") from None
    tests = [] if low is None else [f"{seen.raw} >= {context.bound(_written(seen, low, closing=False))}"]
    tests += [] if high is None else [f"{seen.raw} < {context.bound(_written(seen, high, closing=True))}"]
    return f"coalesce({' AND '.join(tests)}, 0)"


def _in_period(seen: Seen, period: int) -> str:
    months = ", ".join(f"'{month:02}'" for month in range(period * 3 - 2, period * 3 + 1)) if period <= 4 else "''"
    return f"coalesce(substr({seen.raw}, 6, 2) IN ({months}), 0)"


def _user(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    """Nobody here has teams or people below, so *and teams* and *and hierarchy* add nothing to the caller."""
    if operator.name == "eq-userlanguage":
        if family(seen) != "number":
            raise incompatible(EDM.get(seen.column.kind, "Edm.String"), "Edm.Int32", "eq")
        return f"coalesce({seen.raw} = {context.bound(LANGUAGE)}, 0)"
    if not seen.is_id:
        raise incompatible(EDM.get(seen.column.kind, "Edm.String"), "Edm.Guid", "eq")
    if operator.name == "eq-userteams":
        return "0"
    own = BUSINESS_UNIT if "business" in operator.name else context.caller_id
    test = f"{seen.raw} = {context.bound(own)}"
    return _negated(test) if operator.name.startswith("ne-") else f"coalesce({test}, 0)"


def _hierarchy(context: Context, seen: Seen, operator: Operator, values: Sequence[Value]) -> str:
    """The rows above or below a row, along the table's lookup to itself."""
    table = seen.table
    parent = next((c for c in table.columns.values() if [t.table for t in c.targets] == [table.name]), None)
    if parent is None or seen.column.name != table.id_column:
        raise refusals.query(
            f"The operator '{operator.name}' needs the primary id of a table that has a hierarchy; "
            f"'{table.name}.{seen.column.name}' is none."
        )
    name, key, up = identifier(table.name), identifier(table.id_column), identifier(parent.name)
    start = context.bound(stored(context.fold, seen, "eq", values[0]))
    above = "above" in operator.name
    step = f"SELECT r.{up} FROM {name} r JOIN h ON r.{key} = h.i WHERE r.{up} IS NOT NULL"
    if not above:
        step = f"SELECT r.{key} FROM {name} r JOIN h ON r.{up} = h.i"
    tree = f"{seen.raw} IN (WITH RECURSIVE h(i) AS (SELECT {start} UNION {step}) SELECT i FROM h)"
    if not operator.name.startswith("eq-or-"):
        tree = f"{tree} AND {seen.raw} <> {start}"
    return f"(NOT ({tree}))" if operator.name == "not-under" else f"({tree})"


_FAMILIES: dict[Family, Callable[[Context, Seen, Operator, Sequence[Value]], str]] = {
    Family.COMPARE: _compare,
    Family.NULL: _null,
    Family.TEXT: _text,
    Family.LIST: _list,
    Family.BETWEEN: _between,
    Family.CHOICES: _choices,
    Family.ON: _on,
    Family.DATE: _span,
    Family.FISCAL: _span,
    Family.USER: _user,
    Family.HIERARCHY: _hierarchy,
}


def texts(seen: Seen, operator: str, given: Sequence[str]) -> list[Value]:
    """Quoted values as the operator takes them: of the column's type, or numbers of its own.

    Raises:
        Refusal: one does not fit the column.
    """
    found = BY_NAME[operator].family
    if found in (Family.DATE, Family.FISCAL, Family.TEXT, Family.CHOICES):
        return [Value("string", text) for text in given]
    return [of_text(seen, text) for text in given]


def _check_date(seen: Seen, operator: Operator) -> None:
    if seen.column.kind is not Kind.DATETIME:
        raise refusals.query(f"The operator '{operator.function}' needs a date column; '{seen.column.name}' is none.")


def _whole(operator: Operator, value: Value) -> int:
    text = str(value.value).strip()
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 0 < int(text) <= dates.MOST:
        raise refusals.query(f"The function '{operator.function}' needs a whole number above 0 as PropertyValue.")
    return int(text)


def _written(seen: Seen, at: datetime, *, closing: bool) -> str:
    """A moment as the column holds it; the end of a span of days lies behind its last day."""
    if seen.column.behaviour != "DateOnly":
        return at.isoformat()[:19] + "Z"
    midnight = (at.hour, at.minute, at.second) == (0, 0, 0)
    return (at if midnight or not closing else dates.moved(at, "day", 1)).isoformat()[:10]


def _negated(test: str) -> str:
    return f"(NOT coalesce({test}, 0))"


def _levelled(left: Seen, right: Seen) -> tuple[str, str]:
    """Two columns as comparable terms: scaled numbers brought to one scale."""
    if family(left) != "number":
        return left.ordered, right.ordered
    digits = [s.column.scale if s.column.kind in (Kind.DECIMAL, Kind.MONEY) else 0 for s in (left, right)]
    first, second = (
        f"({s.raw} * {10 ** (max(digits) - d)})" if d < max(digits) else s.raw
        for s, d in zip((left, right), digits, strict=True)
    )
    return first, second


def _fold_part(fold: Fold, text: str) -> str:
    """Folded, with the trailing blanks that only count inside a text."""
    blanks = len(text) - len(text.rstrip(" "))
    return (fold(text) or "") + " " * blanks
