"""`$filter` compiled to SQL: names quoted, values bound. Two-valued: what a null makes unknown is false."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from local.dataverse import refusals
from local.dataverse.collation import Fold
from local.dataverse.odata import functions
from local.dataverse.odata.scope import GUID_PLACES, Scope, Seen
from local.dataverse.odata.syntax import Both, Call, Compare, Function, Node, Not, Path, Value
from local.dataverse.tables import TEXTS, WHOLE_OPTIONS, Kind
from local.dataverse.values import day, moment

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_SWAPPED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_WILD = frozenset("%_[")
_EDM = {
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
_NUMBERS = frozenset((Kind.INTEGER, Kind.BIGINT, Kind.DECIMAL, Kind.MONEY, Kind.DOUBLE, *WHOLE_OPTIONS))
_LITERALS = {
    "string": "Edm.String",
    "number": "Edm.Int32",
    "boolean": "Edm.Boolean",
    "guid": "Edm.Guid",
    "date": "Edm.DateTimeOffset",
    "enum": "Edm.String",
}


@dataclass(slots=True)
class Compiler:
    """Compiles trees over one scope; `values` are bound in the order of the text."""

    scope: Scope
    fold: Fold
    now: Callable[[], datetime]
    values: list[object] = field(default_factory=list)

    def test(self, node: Node) -> str:
        """The SQL of a condition.

        Raises:
            Refusal: it compares what cannot be compared.
        """
        if isinstance(node, Both):
            return _balanced([self.test(part) for part in _chain(node)], f" {node.operator.upper()} ")
        if isinstance(node, Not):
            return f"(NOT coalesce({self.test(node.inner)}, 0))"
        if isinstance(node, Compare):
            return self._compare(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Function):
            return functions.test(self, node)
        return self._bare(node)

    def bound(self, value: object) -> str:
        """A placeholder for a value."""
        self.values.append(value)
        return "?"

    def literal(self, seen: Seen, operator: str, literal: Value) -> object:
        """A literal as the column stores and compares it.

        Raises:
            Refusal: its type does not fit the column.
        """
        kind, value = seen.column.kind, literal.value
        if (kind in TEXTS or kind is Kind.CHOICES) and literal.kind in ("string", "guid"):
            return self.fold(str(value)) if kind in TEXTS else value
        if kind in _NUMBERS and literal.kind == "number":
            return _number(seen, Decimal(str(value)))
        if kind is Kind.BOOLEAN and literal.kind == "boolean":
            return value
        if kind is Kind.DATETIME and literal.kind == "date":
            return self._date(seen, str(value))
        if _EDM.get(kind) == "Edm.Guid" and literal.kind == "guid":
            return str(value).lower()
        raise incompatible(_EDM.get(kind, "Edm.String"), _LITERALS.get(literal.kind, "Edm.String"), operator)

    def _bare(self, node: Path | Value) -> str:
        if isinstance(node, Value) and node.kind == "boolean":
            return "1" if node.value else "0"
        if isinstance(node, Path):
            seen = self.scope.column(node.steps)
            if seen.column.kind is Kind.BOOLEAN:
                return f"coalesce({seen.raw} = 1, 0)"
        raise refusals.query("The $filter expression must evaluate to a single boolean value.")

    def _compare(self, node: Compare) -> str:
        left, right, operator = node.left, node.right, node.operator
        if isinstance(left, Value) and isinstance(right, Path):
            left, right, operator = right, left, _SWAPPED[operator]
        if isinstance(left, Path) and isinstance(right, Path):
            return self._columns(operator, self.scope.column(left.steps), self.scope.column(right.steps))
        if isinstance(left, Path) and isinstance(right, Value):
            return self._value(operator, self.scope.column(left.steps), right)
        if isinstance(right, Value) and right.kind == "boolean" and operator in ("eq", "ne"):
            inner = self.test(left)
            return inner if right.value is (operator == "eq") else f"(NOT coalesce({inner}, 0))"
        raise refusals.query("A comparison needs a property on one side and a property or a literal on the other.")

    def _value(self, operator: str, seen: Seen, literal: Value) -> str:
        if literal.kind == "null":
            if operator not in ("eq", "ne"):
                return "0"
            return f"({seen.raw} IS {'' if operator == 'eq' else 'NOT '}NULL)"
        value = self.literal(seen, operator, literal)
        if operator in ("eq", "ne"):
            if seen.column.kind in TEXTS and _WILD & set(str(value)):
                test = f"resembles({seen.equal}, {self.bound(value)})"
            else:
                test = f"{seen.equal} = {self.bound(value)}"
            return f"({test})" if operator == "eq" else f"(NOT coalesce({test}, 0))"
        if _EDM.get(seen.column.kind) == "Edm.Guid":
            value = _guid_key(str(value))
        return f"coalesce({seen.ordered} {_SIGNS[operator]} {self.bound(value)}, 0)"

    def _columns(self, operator: str, left: Seen, right: Seen) -> str:
        ours, theirs = _family(left), _family(right)
        if ours != theirs:
            raise incompatible(ours, theirs, operator)
        first, second = _levelled(left, right)
        test = f"{first} {_SIGNS[operator]} {second}"
        if operator in ("eq", "ne"):
            same = f"({first} IS {second})"
            return same if operator == "eq" else f"(NOT {same})"
        return f"coalesce({test}, 0)"

    def _call(self, node: Call) -> str:
        arguments = node.arguments
        if node.name not in ("contains", "startswith", "endswith") or len(arguments) != 2:
            raise refusals.query(f"An unknown function with name '{node.name}' was found.")
        path, literal = arguments
        if not isinstance(path, Path) or not isinstance(literal, Value) or literal.kind not in ("string", "guid"):
            raise refusals.query(f"The function '{node.name}' takes a text property and a text.")
        seen = self.scope.column(path.steps)
        if seen.column.kind not in TEXTS:
            raise incompatible(_EDM.get(seen.column.kind, "Edm.String"), "Edm.String", node.name)
        return self._part(node.name, seen, _fold_part(self.fold, str(literal.value)))

    def _part(self, name: str, seen: Seen, part: str) -> str:
        if _WILD & set(part):
            head, tail = ("" if name == "startswith" else "%"), ("" if name == "endswith" else "%")
            return f"resembles({seen.equal}, {self.bound(head + part + tail)})"
        if name == "contains":
            return f"coalesce(instr({seen.equal}, {self.bound(part)}) > 0, 0)"
        if not part:
            return f"({seen.raw} IS NOT NULL)"
        start = f"1, {len(part)}" if name == "startswith" else f"-{len(part)}"
        return f"coalesce(substr({seen.equal}, {start}) = {self.bound(part)}, 0)"

    def _date(self, seen: Seen, text: str) -> str:
        try:
            stored = moment(text)
        except (ValueError, OverflowError):
            raise refusals.query(f"The date literal '{text}' is not valid.") from None
        if seen.column.behaviour == "DateOnly":
            return day(stored[:10])
        return stored


def incompatible(left: str, right: str, operator: str) -> refusals.Refusal:
    """Two types that cannot be compared."""
    names = {
        "eq": "Equal",
        "ne": "NotEqual",
        "gt": "GreaterThan",
        "ge": "GreaterThanOrEqual",
        "lt": "LessThan",
        "le": "LessThanOrEqual",
    }
    return refusals.query(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{left}' and '{right}' for operator kind '{names.get(operator, operator)}'."
    )


def _chain(node: Both) -> list[Node]:
    """The operands of `a or b or c`, which the parser nests to the left."""
    parts: list[Node] = []
    current: Node = node
    while isinstance(current, Both) and current.operator == node.operator:
        parts.append(current.right)
        current = current.left
    return [current, *reversed(parts)]


def _balanced(tests: list[str], operator: str) -> str:
    """Conditions joined so that the nesting grows with the logarithm of their number: SQLite limits its depth."""
    if len(tests) == 1:
        return tests[0]
    half = len(tests) // 2
    return f"({_balanced(tests[:half], operator)}{operator}{_balanced(tests[half:], operator)})"


def _number(seen: Seen, number: Decimal) -> object:
    if seen.column.kind in (Kind.DECIMAL, Kind.MONEY):
        number = number.scaleb(seen.column.scale)
    if number == number.to_integral_value() and abs(number) < 2**63:
        return int(number)
    return float(number)


def _levelled(left: Seen, right: Seen) -> tuple[str, str]:
    """Two columns as comparable terms: scaled numbers brought to one scale."""
    if _family(left) != "number":
        return left.ordered, right.ordered
    digits = [s.column.scale if s.column.kind in (Kind.DECIMAL, Kind.MONEY) else 0 for s in (left, right)]
    most = max(digits)
    first, second = (
        f"{s.raw} * {10 ** (most - d)}" if d < most else s.raw for s, d in zip((left, right), digits, strict=True)
    )
    return first, second


def _family(seen: Seen) -> str:
    kind = seen.column.kind
    return "number" if kind in _NUMBERS else _EDM.get(kind, "Edm.String")


def _guid_key(text: str) -> str:
    return "".join(text[at - 1 : at - 1 + length] for at, length in GUID_PLACES)


def _fold_part(fold: Fold, text: str) -> str:
    """Folded, with the trailing blanks that only count inside a text."""
    blanks = len(text) - len(text.rstrip(" "))
    return (fold(text) or "") + " " * blanks
