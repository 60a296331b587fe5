"""Calls: the arguments of each function checked, and the growth of texts bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlglot import exp

from shared.expressions import limits, probe
from shared.expressions.errors import nearest, refused
from shared.expressions.fragments import Fragment, Kind, as_text, bounded, fragment, grown, joined
from shared.expressions.functions import (
    ALIASES,
    CHOOSING,
    CONDITIONAL,
    FUNCTIONS,
    HASHES,
    NAMES,
    PARTS,
    UNITS,
    Function,
)
from shared.expressions.places import position, spelled
from shared.sql import literal

_REPLACED_LENGTH = 100_000
_REPLACEMENT_LENGTH = 1_000
_ROUNDED = 18


class Building(Protocol):
    """What builds the arguments of a call."""

    def build(self, node: exp.Expression, depth: int = 0) -> Fragment:
        """The SQL of a node and all below it."""


def call(
    builder: Building, name: str, arguments: Sequence[exp.Expression], node: exp.Expression, depth: int
) -> Fragment:
    """The SQL of a call.

    Raises:
        ExpressionError: no such function, the wrong number or kind of arguments.
    """
    name = ALIASES.get(name, name)
    if name not in NAMES:
        remedy = nearest(name, NAMES, kind="functions")
        raise refused(f"unknown function {name}()", position=position(node), remedy=remedy)
    if name == "hash":
        name, arguments = _hash(arguments, node)
    function = FUNCTIONS.get(name) or Function(CHOOSING.get(name) or CONDITIONAL[name], "unknown", name)
    _count(name, function, len(arguments), node)
    built = [builder.build(argument, depth + 1) for argument in arguments]
    if name in CHOOSING:
        return _choice(name, built)
    if name in CONDITIONAL:
        return _conditional(name, built, node)
    checked = [
        _argument(function.letter(index), argument, f"{name}()", source)
        for index, (argument, source) in enumerate(zip(built, arguments, strict=True))
    ]
    return _GROWING.get(name, _plain)(name, function, checked, node)


def _hash(arguments: Sequence[exp.Expression], node: exp.Expression) -> tuple[str, Sequence[exp.Expression]]:
    """`hash('SHA256', a)` is `sha256(a)`."""
    algorithm = arguments[0] if arguments else None
    name = str(algorithm.this).lower() if isinstance(algorithm, exp.Literal) and algorithm.is_string else ""
    if name not in HASHES:
        remedy = "write hash('SHA256', column)"
        raise refused("hash() without a known algorithm", position=position(node), remedy=remedy)
    return HASHES[name], arguments[1:]


def _count(name: str, function: Function, found: int, node: exp.Expression) -> None:
    if found >= function.least and (function.most is None or found <= function.most):
        return
    most = "more" if function.most is None else str(function.most)
    allowed = str(function.least) if function.least == function.most else f"{function.least} to {most}"
    given = "1 argument" if found == 1 else f"{found or 'no'} arguments"
    raise refused(f"{name}() with {given}", position=position(node), remedy=f"it takes {allowed}")


def wanted(value: Fragment, kind: Kind, where: str, node: exp.Expression) -> Fragment:
    """The value when it is (or may be) of a kind.

    Raises:
        ExpressionError: it is plainly of another kind.
    """
    if value.kind in (kind, "null", "unknown"):
        return value
    word = "condition" if kind == "bool" else kind
    raise refused(f"{where} wants a {word} and got a {value.kind}", position=position(node), remedy="CAST the value")


def _argument(letter: str, value: Fragment, where: str, node: exp.Expression) -> Fragment:
    if letter == "T":
        return as_text(value)
    if kind := _KINDS.get(letter):
        return wanted(value, kind, where, node)
    if letter in _LITERALS:
        return _LITERALS[letter](value, where, node)
    return value


_KINDS: dict[str, Kind] = {"N": "number", "D": "date", "B": "bool"}


def _text_literal(value: Fragment, where: str, node: exp.Expression) -> Fragment:
    if value.kind != "text" or value.literal is None:
        remedy = "this argument is a text in quotes"
        raise refused(f"{where} with {spelled(node)}", position=position(node), remedy=remedy)
    return value


def _pattern(value: Fragment, where: str, node: exp.Expression) -> Fragment:
    _text_literal(value, where, node)
    if complaint := probe.pattern_complaint(value.literal or ""):
        raise refused(f"a wrong pattern: {complaint}", position=position(node), remedy="patterns are RE2's")
    return value


def _mask(value: Fragment, where: str, node: exp.Expression) -> Fragment:
    _text_literal(value, where, node)
    if complaint := probe.mask_complaint(value.literal or ""):
        raise refused(f"a wrong date mask: {complaint}", position=position(node), remedy="write it like '%d/%m/%Y'")
    return value


def _unit(value: Fragment, where: str, node: exp.Expression) -> Fragment:
    allowed = PARTS if where == "date_part()" else UNITS
    unit = (_text_literal(value, where, node).literal or "").lower()
    if unit not in allowed:
        raise refused(f"the unit {unit!r}", position=position(node), remedy=nearest(unit, allowed, kind="units"))
    return Fragment((literal(unit),), "text", literal=unit)


def _whole(value: Fragment, where: str, node: exp.Expression, most: int = _ROUNDED) -> Fragment:
    digits = value.literal or ""
    if value.kind != "number" or not digits.isdecimal() or int(digits) > most:
        remedy = f"this argument is a whole number from 0 to {most:,}, written as digits"
        raise refused(f"{where} with {spelled(node)}", position=position(node), remedy=remedy)
    return value


def _width(value: Fragment, where: str, node: exp.Expression) -> Fragment:
    return _whole(value, where, node, limits.PADDING)


_LITERALS: dict[str, Callable[[Fragment, str, exp.Expression], Fragment]] = {
    "R": _text_literal, "P": _pattern, "M": _mask, "U": _unit, "I": _whole, "W": _width,
}  # fmt: skip


def alike(values: Sequence[Fragment]) -> tuple[list[Fragment], Kind]:
    """Values of which one is given, made of one kind: texts as soon as one is a text and another is not."""
    kinds = {value.kind for value in values} - {"null"}
    if "text" in kinds and kinds - {"text"}:
        return [value if value.kind == "null" else as_text(value) for value in values], "text"
    return list(values), kinds.pop() if len(kinds) == 1 else "unknown"


def _choice(name: str, values: Sequence[Fragment]) -> Fragment:
    same, kind = alike(values)
    duckdb = "coalesce" if name in ("ifnull", "isnull") else name
    copies = max(value.copies for value in same)
    return fragment(f"{duckdb}(", *joined(", ", same), ")", kind=kind, copies=copies)


def _conditional(name: str, values: Sequence[Fragment], node: exp.Expression) -> Fragment:
    condition = wanted(values[0], "bool", f"{name}()", node)
    (yes, no), kind = alike([*values[1:], Fragment(("NULL",), "null")][:2])
    copies = max(yes.copies, no.copies)
    return fragment("(CASE WHEN ", condition, " THEN ", yes, " ELSE ", no, " END)", kind=kind, copies=copies)


def total_copies(values: Sequence[Fragment], node: exp.Expression) -> int:
    """The copies of texts that are joined.

    Raises:
        ExpressionError: more than the bound.
    """
    copies = sum(value.copies for value in values)
    if copies > limits.COPIES:
        found = f"an expression that joins up to {copies} copies of its columns"
        raise refused(found, position=position(node), remedy=f"at most {limits.COPIES}; use several calculated columns")
    return copies


def _plain(_name: str, function: Function, values: Sequence[Fragment], _node: exp.Expression) -> Fragment:
    copies = max((value.copies for value in values), default=0) if function.gives == "text" else 0
    return fragment(f"{function.duckdb}(", *joined(", ", values), ")", kind=function.gives, copies=copies)


def _concat(_name: str, function: Function, values: Sequence[Fragment], node: exp.Expression) -> Fragment:
    copies = total_copies(values, node)
    return fragment(f"{function.duckdb}(", *joined(", ", values), ")", kind="text", copies=copies)


def _replace(_name: str, function: Function, values: Sequence[Fragment], _node: exp.Expression) -> Fragment:
    text, sought, replacement = values
    if replacement.literal is None:
        text, replacement = bounded(text, _REPLACED_LENGTH), bounded(replacement, _REPLACEMENT_LENGTH)
        factor = limits.COPIES
    else:
        factor = max(1, -(-len(replacement.literal) // max(1, len(sought.literal or ""))))
        text = grown(text, factor)
    return _enlarged(function, [text, sought, replacement], factor)


def _regexp_replace(_name: str, function: Function, values: Sequence[Fragment], node: exp.Expression) -> Fragment:
    text, pattern, replacement = values[:3]
    options = values[3].literal or "" if len(values) > 3 else ""
    if complaint := probe.replacement_complaint(pattern.literal or "", replacement.literal or "", options):
        raise refused(f"regexp_replace(): {complaint}", position=position(node), remedy="write \\1 for the first group")
    factor = 1 + len(replacement.literal or "") if "g" in options else 1 + (replacement.literal or "").count("\\")
    return _enlarged(function, [grown(text, factor), *values[1:]], factor)


def _enlarged(function: Function, values: Sequence[Fragment], factor: int) -> Fragment:
    copies = min(limits.COPIES, values[0].copies * factor)
    return fragment(f"{function.duckdb}(", *joined(", ", values), ")", kind="text", copies=copies)


_GROWING: dict[str, Callable[[str, Function, Sequence[Fragment], exp.Expression], Fragment]] = {
    "concat": _concat, "concat_ws": _concat, "replace": _replace, "regexp_replace": _regexp_replace,
}  # fmt: skip
