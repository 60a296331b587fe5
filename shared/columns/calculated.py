"""Calculated columns: their expressions, and the order in which they can be computed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from shared.expressions import Expression, ExpressionError, choose, parse

if TYPE_CHECKING:
    from shared.definitions.schema_column import SchemaColumn


def expression_of(column: SchemaColumn, *, kinds: Mapping[str, str], variables: Collection[str]) -> Expression:
    """The expression of a calculated column; cases become one CASE.

    Raises:
        ExpressionError: it is not in the language; the message names the column and the member.
    """

    def read(text: str, member: str) -> Expression:
        with_column = f"column {column.label!r}, {member}"
        return _named(with_column, lambda: parse(text, columns=kinds, variables=variables, row_number=True))

    if column.formula is not None:
        return read(column.formula, "formula")
    cases = [
        (read(case.when, f"cases.{number}.when"), read(case.then, f"cases.{number}.then"))
        for number, case in enumerate(column.cases)
    ]
    otherwise = read(column.otherwise, "otherwise") if column.otherwise is not None else None
    return _named(f"column {column.label!r}", lambda: choose(cases, otherwise))


def _named(where: str, make: Callable[[], Expression]) -> Expression:
    try:
        return make()
    except ExpressionError as error:
        raise ExpressionError(f"{where}: {error}") from None


def levels(expressions: Mapping[str, Expression]) -> list[list[str]]:
    """The calculated columns in rounds: each needs only read columns and columns of earlier rounds.

    Raises:
        ExpressionError: columns that need each other, by name.
    """
    waiting = {name: expression.columns & expressions.keys() for name, expression in expressions.items()}
    rounds: list[list[str]] = []
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs & waiting.keys()]
        if not ready:
            raise ExpressionError(f"columns need each other in a circle: {', '.join(_circle(waiting))}")
        rounds.append(ready)
        for name in ready:
            del waiting[name]
    return rounds


def _circle(waiting: Mapping[str, Collection[str]]) -> Sequence[str]:
    """One circle among columns that wait for each other."""
    path: list[str] = []
    name = next(iter(waiting))
    while name not in path:
        path.append(name)
        name = next(need for need in sorted(waiting[name]) if need in waiting)
    return [*path[path.index(name) :], name]
