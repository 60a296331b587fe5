"""From sqlglot's tree to DuckDB SQL, rebuilt node by node from what the language allows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from shared.expressions import calls, limits
from shared.expressions.errors import ExpressionError, nearest, refused
from shared.expressions.fragments import (
    ColumnPlace,
    Fragment,
    Kind,
    VariablePlace,
    as_text,
    fragment,
    joined,
    never_zero,
)
from shared.expressions.functions import INTERVALS, ROW_NUMBER
from shared.expressions.places import position, spelled
from shared.expressions.types import target_type
from shared.sql import literal

_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
_ARITHMETIC: dict[type[exp.Expression], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
}
_CONNECTORS: dict[type[exp.Expression], str] = {exp.And: "AND", exp.Or: "OR"}
_LIKES: dict[type[exp.Expression], str] = {exp.Like: "LIKE", exp.ILike: "ILIKE"}
_HARMLESS = {"safe", "typed", "nested"}
"""Arguments of nodes by which sqlglot remembers a dialect; they carry no meaning here."""

_DIGITS = 60


@dataclass(slots=True)
class Names:
    """What an expression may name, and what it did name. `kinds` tells the kinds of columns where they are known."""

    columns: Collection[str]
    kinds: Mapping[str, Kind]
    variables: Collection[str]
    row_number: bool
    columns_used: set[str] = field(default_factory=set)
    variables_used: set[str] = field(default_factory=set)
    row_number_used: bool = False


class Builder:
    """Rebuilds one tree; refuses what is not in the language."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._nodes = 0

    def build(self, node: exp.Expression, depth: int = 0) -> Fragment:
        """The SQL of a node and all below it.

        Raises:
            ExpressionError: something that the language does not have, with its position.
        """
        self._nodes += 1
        if self._nodes > limits.NODES or depth > limits.DEPTH:
            raise refused("an expression too large", position=position(node), remedy="split it into several columns")
        method = _METHODS.get(type(node))
        if method is None:
            raise refused(spelled(node), position=position(node), remedy="see docs/expressions.md for what is allowed")
        self._plain(node)
        return method(self, node, depth)

    def _plain(self, node: exp.Expression) -> None:
        """Refuse arguments of a node that the builder would pass over."""
        known = _ARGUMENTS.get(type(node), {"this", "expression"}) | _HARMLESS
        for name, value in node.args.items():
            if value not in (None, False, []) and name not in known:
                raise refused(f"{name!r} in {spelled(node)}", position=position(node), remedy="leave it out")

    def operands(self, node: exp.Expression, depth: int) -> tuple[Fragment, Fragment]:
        """Both sides of an operator."""
        return self.build(node.this, depth + 1), self.build(node.expression, depth + 1)

    # values and names

    def literal(self, node: exp.Expression, _depth: int) -> Fragment:
        """A text, quoted anew, or a number, digit by digit as written."""
        if node.is_string:
            text = str(node.this)
            return Fragment((literal(text),), "text", literal=text)
        digits = str(node.this)
        if len(digits) > _DIGITS or not _is_number(digits):
            raise refused(f"the number {digits[:_DIGITS]}", position=position(node), remedy="write it like 12.5 or 1e5")
        return Fragment((digits,), "number", literal=digits)

    def boolean(self, node: exp.Expression, _depth: int) -> Fragment:
        """TRUE or FALSE."""
        return Fragment(("TRUE" if node.this else "FALSE",), "bool")

    def null(self, _node: exp.Expression, _depth: int) -> Fragment:
        """NULL."""
        return Fragment(("NULL",), "null")

    def paren(self, node: exp.Expression, depth: int) -> Fragment:
        """Brackets; every operator brings its own."""
        return self.build(node.this, depth + 1)

    def column(self, node: exp.Expression, _depth: int) -> Fragment:
        """A column: the exact name, or the only one that differs in case alone."""
        assert isinstance(node, exp.Column)  # noqa: S101 (for the type checker)
        if not all(isinstance(part, exp.Identifier) for part in node.parts):
            raise refused("a '*'", position=position(node), remedy="name the columns")
        name = self._resolve(".".join(part.name for part in node.parts), node)
        self.names.columns_used.add(name)
        kind = self.names.kinds.get(name, "unknown")
        return Fragment((ColumnPlace(name),), kind, copies=1 if kind in ("text", "unknown") else 0)

    def _resolve(self, name: str, node: exp.Expression) -> str:
        if name in self.names.columns:
            return name
        alike = [column for column in self.names.columns if column.casefold() == name.casefold()]
        if len(alike) == 1:
            return alike[0]
        if alike:
            found = f"the column {name!r} could be {' or '.join(map(repr, sorted(alike)))}"
            raise refused(found, position=position(node), remedy="write it exactly")
        remedy = nearest(name, self.names.columns, kind="columns")
        raise refused(f"unknown column {name!r}", position=position(node), remedy=remedy)

    def variable(self, node: exp.Expression, _depth: int) -> Fragment:
        """A variable: a bound parameter, always a text."""
        name = str(node.this or "")
        if name not in self.names.variables:
            remedy = nearest(name, self.names.variables, kind="variables")
            raise refused(f"unknown variable '@{name}'", position=None, remedy=remedy)
        self.names.variables_used.add(name)
        return Fragment((VariablePlace(name),), "text", copies=1)

    # operators

    def comparison(self, node: exp.Expression, depth: int) -> Fragment:
        """`a = b` and its like."""
        left, right = self.operands(node, depth)
        return fragment("(", left, f" {_COMPARISONS[type(node)]} ", right, ")", kind="bool")

    def arithmetic(self, node: exp.Expression, depth: int) -> Fragment:
        """`a + b` and its like, of numbers; dates with intervals too."""
        sign = _ARITHMETIC[type(node)]
        left, right = self.operands(node, depth)
        for side, child in ((left, node.this), (right, node.expression)):
            if side.kind in ("text", "bool"):
                remedy = "join texts with ||, or CAST the value to a number"
                raise refused(f"'{sign}' with a {side.kind}", position=position(child), remedy=remedy)
        divisor = never_zero(right) if isinstance(node, exp.Div) else right
        return fragment("(", left, f" {sign} ", divisor, ")", kind=_sum_kind(left.kind, right.kind))

    def power(self, node: exp.Expression, depth: int) -> Fragment:
        """`a ^ b`."""
        arguments = [node.this, node.expression]
        return calls.call(self, "power", arguments, node, depth)

    def negation(self, node: exp.Expression, depth: int) -> Fragment:
        """`-a`."""
        value = calls.wanted(self.build(node.this, depth + 1), "number", "'-'", node)
        return fragment("(- ", value, ")", kind="number")

    def connector(self, node: exp.Expression, depth: int) -> Fragment:
        """A chain of AND or OR, in one pair of brackets."""
        word = _CONNECTORS[type(node)]
        sides = [calls.wanted(self.build(side, depth + 1), "bool", word, side) for side in _chain(node)]
        return fragment("(", *joined(f" {word} ", sides), ")", kind="bool")

    def inversion(self, node: exp.Expression, depth: int) -> Fragment:
        """`NOT a`."""
        value = calls.wanted(self.build(node.this, depth + 1), "bool", "NOT", node.this)
        return fragment("(NOT ", value, ")", kind="bool")

    def pipe(self, node: exp.Expression, depth: int) -> Fragment:
        """A chain of `a || b`: null as soon as one part is null."""
        sides = [as_text(self.build(side, depth + 1)) for side in _chain(node)]
        copies = calls.total_copies(sides, node)
        return fragment("(", *joined(" || ", sides), ")", kind="text", copies=copies)

    def between(self, node: exp.Expression, depth: int) -> Fragment:
        """`a BETWEEN b AND c`."""
        value, low, high = (self.build(node.args[name], depth + 1) for name in ("this", "low", "high"))
        return fragment("(", value, " BETWEEN ", low, " AND ", high, ")", kind="bool")

    def inclusion(self, node: exp.Expression, depth: int) -> Fragment:
        """`a IN (b, c)`."""
        value = self.build(node.this, depth + 1)
        items = [self.build(item, depth + 1) for item in node.expressions]
        if not items:
            raise refused("IN without a list", position=position(node), remedy="write IN ('a', 'b')")
        return fragment("(", value, " IN (", *joined(", ", items), "))", kind="bool")

    def identity(self, node: exp.Expression, depth: int) -> Fragment:
        """`a IS NULL`, `a IS TRUE`."""
        if not isinstance(node.expression, exp.Null | exp.Boolean):
            raise refused("IS", position=position(node), remedy="write IS NULL, IS TRUE or IS FALSE")
        value, other = self.operands(node, depth)
        return fragment("(", value, " IS ", other, ")", kind="bool")

    def like(self, node: exp.Expression, depth: int, escape: Fragment | None = None) -> Fragment:
        """`a LIKE b`, `a ILIKE b`; with NOT and ESCAPE."""
        value, pattern = (as_text(side) for side in self.operands(node, depth))
        word = ("NOT " if node.args.get("negate") else "") + _LIKES[type(node)]
        ending: list[str | Fragment] = [" ESCAPE ", escape] if escape else []
        return fragment("(", value, f" {word} ", pattern, *ending, ")", kind="bool")

    def escape(self, node: exp.Expression, depth: int) -> Fragment:
        """`a LIKE b ESCAPE '!'`."""
        character = self.build(node.expression, depth + 1)
        if type(node.this) not in _LIKES or character.literal is None or len(character.literal) != 1:
            raise refused("ESCAPE", position=position(node), remedy="write LIKE '10!%' ESCAPE '!'")
        self._plain(node.this)
        return self.like(node.this, depth + 1, character)

    # forms

    def case(self, node: exp.Expression, depth: int) -> Fragment:
        """`CASE WHEN … THEN … ELSE … END`, `CASE a WHEN 1 THEN …`."""
        subject = node.args.get("this")
        opening = fragment("(CASE ", self.build(subject, depth + 1)) if subject else fragment("(CASE")
        whens = []
        for branch in node.args["ifs"]:
            when = self.build(branch.this, depth + 1)
            whens.append(when if subject else calls.wanted(when, "bool", "WHEN", branch.this))
        default = node.args.get("default")
        results = [self.build(branch.args["true"], depth + 1) for branch in node.args["ifs"]]
        results.append(self.build(default, depth + 1) if default else Fragment(("NULL",), "null"))
        results, kind = calls.alike(results)
        pairs = [fragment(" WHEN ", when, " THEN ", then) for when, then in zip(whens, results, strict=False)]
        copies = max(result.copies for result in results)
        return fragment(opening, *pairs, " ELSE ", results[-1], " END)", kind=kind, copies=copies)

    def cast(self, node: exp.Expression, depth: int) -> Fragment:
        """`CAST(a AS type)`, `TRY_CAST`, `a::type`, `DATE '2026-01-31'`."""
        type_, kind = target_type(node)
        value = self.build(node.this, depth + 1)
        if kind == "text":
            return as_text(value)
        word = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
        return fragment(f"{word}(", value, f" AS {type_})", kind=kind)

    def interval(self, node: exp.Expression, depth: int) -> Fragment:
        """`INTERVAL 3 DAY`, `INTERVAL '3' DAY`, `INTERVAL (a) DAY`."""
        unit = node.args.get("unit")
        name = unit.name.lower().removesuffix("s") if isinstance(unit, exp.Var) else ""
        if name not in INTERVALS or not isinstance(node.this, exp.Expression):
            remedy = f"write INTERVAL 3 DAY; units: {', '.join(INTERVALS)}"
            raise refused("an INTERVAL", position=position(node), remedy=remedy)
        value = self.build(node.this, depth + 1)
        return fragment(f"{INTERVALS[name]}(CAST(", value, " AS INTEGER))", kind="interval")

    def call(self, node: exp.Expression, depth: int) -> Fragment:
        """A function of the list."""
        if node.name.lower() == ROW_NUMBER:
            raise self._row_number(node)
        return calls.call(self, node.name.lower(), node.expressions, node, depth)

    def _row_number(self, node: exp.Expression) -> ExpressionError:
        if self.names.row_number:
            return refused("row_number() inside an expression", position=position(node), remedy="use it alone")
        return refused("row_number()", position=position(node), remedy="only a calculated column may use it")


def _is_number(digits: str) -> bool:
    try:
        float(digits)
    except ValueError:
        return False
    return digits.isascii() and digits[0] in "0123456789."


def _chain(node: exp.Expression) -> list[exp.Expression]:
    """The operands of `a OR b OR c`, in order, without recursion."""
    sides: list[exp.Expression] = []
    kind = type(node)
    while type(node) is kind:
        sides.append(node.expression)
        node = node.this
    return [node, *reversed(sides)]


def _sum_kind(left: Kind, right: Kind) -> Kind:
    if left == right == "number":
        return "number"
    return "date" if {left, right} == {"date", "interval"} else "unknown"


type _Method = Callable[[Builder, exp.Expression, int], Fragment]

_METHODS: dict[type[exp.Expression], _Method] = {
    exp.Literal: Builder.literal,
    exp.Boolean: Builder.boolean,
    exp.Null: Builder.null,
    exp.Paren: Builder.paren,
    exp.Column: Builder.column,
    exp.Placeholder: Builder.variable,
    exp.Pow: Builder.power,
    exp.Neg: Builder.negation,
    exp.Not: Builder.inversion,
    exp.DPipe: Builder.pipe,
    exp.Between: Builder.between,
    exp.In: Builder.inclusion,
    exp.Is: Builder.identity,
    exp.Escape: Builder.escape,
    exp.Case: Builder.case,
    exp.Cast: Builder.cast,
    exp.TryCast: Builder.cast,
    exp.Interval: Builder.interval,
    exp.Anonymous: Builder.call,
    **dict.fromkeys(_COMPARISONS, Builder.comparison),
    **dict.fromkeys(_ARITHMETIC, Builder.arithmetic),
    **dict.fromkeys(_CONNECTORS, Builder.connector),
    **dict.fromkeys(_LIKES, Builder.like),
}

_ARGUMENTS: dict[type[exp.Expression], set[str]] = {
    exp.Literal: {"this", "is_string"},
    exp.Column: {"this", "table", "db", "catalog"},
    exp.Between: {"this", "low", "high"},
    exp.In: {"this", "expressions"},
    exp.Like: {"this", "expression", "negate"},
    exp.ILike: {"this", "expression", "negate"},
    exp.Case: {"this", "ifs", "default"},
    exp.Cast: {"this", "to"},
    exp.TryCast: {"this", "to"},
    exp.Interval: {"this", "unit"},
    exp.Anonymous: {"this", "expressions"},
}
