"""WHERE as FetchXML conditions: a tree of *and*, *or*, *not* over one column and constants.

SQL's `<>`, NOT IN and NOT LIKE find no nulls, FetchXML's do: so they come with a not-null beside them.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from local.dataverse.fetchxml.model import Condition, Entity, Filter
from local.dataverse.sqlquery import faults

Naming = Callable[[exp.Column], tuple[str | None, str]]
_COMPARED: dict[type[exp.Expression], str] = {
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.GT: "gt",
    exp.GTE: "ge",
    exp.LT: "lt",
    exp.LTE: "le",
}
_SWAPPED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_OPPOSITE = {"eq": "ne", "ne": "eq", "gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}
_NULLS = frozenset(("ne", "not-in", "not-like", "not-between"))
Part = Condition | Filter | Entity


def condition(node: exp.Expression, named: Naming, *, negated: bool = False) -> Part:
    """A condition, or its opposite.

    Raises:
        Refusal: it is outside the subset.
    """
    while isinstance(node, exp.Paren | exp.Not):
        negated ^= isinstance(node, exp.Not)
        node = node.this
    if isinstance(node, exp.And | exp.Or):
        either = isinstance(node, exp.Or) is not negated
        return Filter(either, tuple(condition(part, named, negated=negated) for part in _chain(node)))
    if node.args.get("negate"):
        negated = not negated
    for kind, operator in _COMPARED.items():
        if isinstance(node, kind):
            return _compared(node, operator, named, negated=negated)
    if isinstance(node, exp.Is):
        return _is(node, named, negated=negated)
    if isinstance(node, exp.Like):
        return _made(named, node.this, "not-like" if negated else "like", [node.expression])
    if isinstance(node, exp.In) and not node.args.get("query") and not node.args.get("field"):
        return _made(named, node.this, "not-in" if negated else "in", node.expressions)
    if isinstance(node, exp.Between):
        operator = "not-between" if negated else "between"
        return _made(named, node.this, operator, [node.args["low"], node.args["high"]])
    raise faults.unsupported(f"'{node.key.upper()}' in WHERE; conditions compare a column with constants")


def _compared(node: exp.Expression, operator: str, named: Naming, *, negated: bool) -> Part:
    left, right = node.this, node.expression
    if not isinstance(left, exp.Column):
        left, right, operator = right, left, _SWAPPED[operator]
    return _made(named, left, _OPPOSITE[operator] if negated else operator, [right])


def _is(node: exp.Is, named: Naming, *, negated: bool) -> Part:
    if not isinstance(node.expression, exp.Null):
        raise faults.unsupported("IS with anything but NULL")
    alias, name = named(_column(node.this))
    return Condition(name, "not-null" if negated else "null", (), alias)


def _made(named: Naming, column: exp.Expression, operator: str, constants: list[exp.Expression]) -> Part:
    alias, name = named(_column(column))
    found = Condition(name, operator, tuple(_constant(each) for each in constants), alias)
    if operator in _NULLS:
        return Filter(False, (found, Condition(name, "not-null", (), alias)))
    return found


def _column(node: exp.Expression) -> exp.Column:
    if not isinstance(node, exp.Column):
        raise faults.unsupported(f"'{node.key.upper()}' where a column is needed")
    return node


def _constant(node: exp.Expression) -> str:
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return f"-{node.this.name}"
    if isinstance(node, exp.Literal | exp.National):
        return node.name
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    raise faults.unsupported(f"'{node.key.upper()}' where a constant is needed")


def _chain(node: exp.And | exp.Or) -> list[exp.Expression]:
    """The operands of `a OR b OR c`, which the parser nests to the left."""
    parts: list[exp.Expression] = []
    current: exp.Expression = node
    while type(current) is type(node):
        parts.append(current.expression)
        current = current.this
    return [current, *reversed(parts)]
