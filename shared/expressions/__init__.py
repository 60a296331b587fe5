"""The expression language: DuckDB's scalar SQL, parsed and rebuilt from an allow-list.

`parse` gives an `Expression`; its `sql` is text that this package wrote, never the text that came in. Names go through
the caller's quoting, texts are quoted anew, variables stay bound parameters. docs/expressions.md lists the language.

The parser's library takes a tenth of a second to import, so it is imported with the first expression.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from shared.expressions.errors import ExpressionError
from shared.expressions.fragments import ColumnPlace, Fragment, Kind, Part, VariablePlace, fragment

__all__ = ["Expression", "ExpressionError", "Kind", "choose", "parse"]

_KINDS: dict[str, Kind] = {"text": "text", "number": "number", "date": "date", "bool": "bool"}


def _bound(name: str) -> str:
    """A variable as a bound parameter; that it is a text is said, for a prepared statement cannot know."""
    return f"CAST($v_{name} AS VARCHAR)"


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: what it names, and its SQL.

    `columns` holds names as the caller spells them. `kind` is what it gives as far as the text tells: text, number,
    date, bool, interval, null or unknown.
    """

    text: str
    columns: frozenset[str]
    variables: frozenset[str]
    uses_row_number: bool
    kind: Kind
    parts: tuple[Part, ...]

    def sql(self, column: Callable[[str], str], variable: Callable[[str], str] = _bound) -> str:
        """DuckDB SQL in one line. `column` gives the SQL of a column (of `row_number()` too: name `row_no`)."""
        return "".join(_rendered(part, column, variable) for part in self.parts)


def _rendered(part: Part, column: Callable[[str], str], variable: Callable[[str], str]) -> str:
    if isinstance(part, ColumnPlace):
        return column(part.name)
    return variable(part.name) if isinstance(part, VariablePlace) else part


def parse(
    text: str,
    *,
    columns: Collection[str],
    variables: Collection[str] = (),
    row_number: bool = False,
) -> Expression:
    """Parse an expression over `columns` and `variables`.

    `columns` may be a mapping of names to kinds (text, number, date, bool): then values are checked against what
    functions want, and numbers become tidy texts. A qualified name (`target.name`) is a column of that whole name.
    `row_number` allows the expression `row_number()`, alone.

    Raises:
        ExpressionError: not in the language; says what was found, where, and what is allowed.
    """
    from shared.expressions.building import Builder, Names
    from shared.expressions.reading import is_row_number, tree

    read = tree(text)
    names = Names(columns=columns, kinds=_kinds(columns), variables=variables, row_number=row_number)
    if row_number and is_row_number(read):
        built = Fragment((ColumnPlace("row_no"),), "number")
        return Expression(text, frozenset(), frozenset(), True, built.kind, built.parts)
    try:
        built = Builder(names).build(read)
    except RecursionError:
        raise ExpressionError("an expression nested too deeply; split it into several columns") from None
    return Expression(
        text, frozenset(names.columns_used), frozenset(names.variables_used), False, built.kind, built.parts
    )


def choose(cases: Sequence[tuple[Expression, Expression]], otherwise: Expression | None) -> Expression:
    """One expression of ordered cases (condition, value): the first condition that holds gives the value.

    Without `otherwise` the value is null when none holds. Values of several kinds become texts.

    Raises:
        ExpressionError: a condition is plainly no condition, or there is no case.
    """
    from shared.expressions import calls

    if not cases:
        raise ExpressionError("no cases; write at least one")
    for when, _ in cases:
        if when.kind not in ("bool", "null", "unknown"):
            raise ExpressionError(f"the condition {when.text!r} is a {when.kind}; compare it with something")
    last = Fragment(otherwise.parts, otherwise.kind) if otherwise else Fragment(("NULL",), "null")
    values, kind = calls.alike([*(Fragment(then.parts, then.kind) for _, then in cases), last])
    whens = [Fragment(when.parts) for when, _ in cases]
    pairs = [fragment(" WHEN ", when, " THEN ", then) for when, then in zip(whens, values, strict=False)]
    built = fragment("(CASE", *pairs, " ELSE ", values[-1], " END)", kind=kind)
    used = [part for case in cases for part in case] + ([otherwise] if otherwise else [])
    return Expression(
        "cases",
        frozenset().union(*(part.columns for part in used)),
        frozenset().union(*(part.variables for part in used)),
        False,
        kind,
        built.parts,
    )


def _kinds(columns: Collection[str]) -> dict[str, Kind]:
    if not isinstance(columns, Mapping):
        return {}
    return {name: _KINDS.get(kind, "unknown") for name, kind in columns.items()}
