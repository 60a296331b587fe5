"""Expressions: each parses, names columns and variables that exist, and calculated columns form no circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.definitions.checks.columns import condition_columns, source_kinds
from shared.definitions.ordering import circle
from shared.definitions.schema_column import SchemaColumn
from shared.definitions.source import FileSource, RestSource
from shared.definitions.sync import SyncDefinition
from shared.expressions import Expression, ExpressionError, parse
from shared.expressions.probe import mask_complaint, pattern_complaint
from shared.values.problems import Problem


@dataclass(frozen=True, slots=True)
class _Text:
    """One expression of a definition, and what it may name."""

    path: str
    text: str
    columns: Mapping[str, str]
    condition: bool = False
    row_number: bool = False


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with formulas, cases, filters and conditions."""
    needs: dict[str, frozenset[str]] = {}
    problems: list[Problem] = []
    for number, column in enumerate(definition.source.columns):
        used, found = _column(definition, number, column)
        needs[column.label] = used
        problems += [*found, *_marks(number, column)]
    if ring := circle(needs):
        path = f"source.schema.{definition.source.labels.index(ring[0])}"
        problems.append(Problem(path, f"calculated columns need each other: {' → '.join(ring)}", "break the circle"))
    for text in _others(definition):
        problems += _parsed(text, definition)[1]
    return problems


def _column(definition: SyncDefinition, number: int, column: SchemaColumn) -> tuple[frozenset[str], list[Problem]]:
    used: frozenset[str] = frozenset()
    problems: list[Problem] = []
    for text in _column_texts(definition, number, column):
        expression, found = _parsed(text, definition)
        problems += found
        used |= expression.columns if expression is not None else frozenset()
    return used, problems


def _column_texts(definition: SyncDefinition, number: int, column: SchemaColumn) -> Iterator[_Text]:
    path, columns = f"source.schema.{number}", source_kinds(definition)
    if column.formula is not None:
        in_file = isinstance(definition.source, FileSource)
        yield _Text(f"{path}.formula", column.formula, columns, row_number=in_file)
    for place, case in enumerate(column.cases):
        yield _Text(f"{path}.cases.{place}.when", case.when, columns, condition=True)
        yield _Text(f"{path}.cases.{place}.then", case.then, columns)
    if column.otherwise is not None:
        yield _Text(f"{path}.otherwise", column.otherwise, columns)


def _others(definition: SyncDefinition) -> Iterator[_Text]:
    """The expressions outside of columns. A database's and Dataverse's own filter is not one."""
    source, changed, listener = definition.source, definition.behaviour.changed, definition.listener
    columns = source_kinds(definition)
    if source.filter is not None and isinstance(source, FileSource | RestSource):
        yield _Text("source.filter", source.filter, columns, condition=True)
    if not isinstance(changed, str):
        yield _Text("behaviour.changed.when", changed.when, condition_columns(definition), condition=True)
    if listener is not None and listener.filter is not None:
        yield _Text("listener.filter", listener.filter, columns, condition=True)


def _parsed(text: _Text, definition: SyncDefinition) -> tuple[Expression | None, list[Problem]]:
    try:
        expression = parse(
            text.text, columns=text.columns, variables=tuple(definition.variables), row_number=text.row_number
        )
    except ExpressionError as error:
        found, _, remedy = str(error).partition("; ")
        return None, [Problem(text.path, found, remedy)]
    if text.condition and expression.kind not in ("bool", "unknown", "null"):
        found = f"a condition gives true or false, this gives a {expression.kind}"
        return expression, [Problem(text.path, found, "compare it with something")]
    return expression, []


def _marks(number: int, column: SchemaColumn) -> Iterator[Problem]:
    """Problems with patterns and date masks."""
    for place, step in enumerate(column.replace):
        if pattern_complaint(step.pattern) is not None:
            path = f"source.schema.{number}.replace.{place}.pattern"
            yield Problem(path, "the regular expression cannot be read", "write it in RE2's language (no look-around)")
    mask, path = column.input_format, f"source.schema.{number}.input_format"
    if mask is not None and "%" not in mask.replace("%%", ""):
        yield Problem(
            path,
            f"the date format {mask!r} has no % mark, so no date is read by it",
            "write strptime marks, %d/%m/%Y for 31/12/2026",
        )
    elif mask is not None and mask_complaint(mask) is not None:
        yield Problem(path, "the date format cannot be read", "write strptime marks such as %Y-%m-%d or %d/%m/%Y")
