"""Expressions: each parses, names columns and variables that exist, and calculated columns form no circle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.definitions.checks.columns import condition_columns, nameless, source_kinds
from shared.definitions.checks.heard import AnyName, heard
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
    others = (_source_filter, _condition, _listener_filter)
    return [
        *heard(_columns(definition)),
        *(problem for rule in others for problem in heard(_told(definition, rule(definition)))),
    ]


def _columns(definition: SyncDefinition) -> Iterator[Problem]:
    needs: dict[str, frozenset[str]] = {}
    kinds = source_kinds(definition)
    for number, column in enumerate(definition.source.columns):
        expressions: list[Expression] = []
        for texts in (_formula(definition, number, column, kinds), _cases(number, column, kinds)):
            yield from heard(_told(definition, texts, expressions))
        yield from heard(_patterns(number, column))
        yield from heard(_mask(number, column))
        if not nameless(column):
            needs[column.label] = frozenset().union(*(expression.columns for expression in expressions))
    if ring := circle(needs):
        number = next(
            place for place, one in enumerate(definition.source.columns) if not nameless(one) and one.label == ring[0]
        )
        path = f"source.schema.{number}"
        yield Problem(path, f"calculated columns need each other: {' → '.join(ring)}", "break the circle")


def _formula(
    definition: SyncDefinition, number: int, column: SchemaColumn, kinds: Mapping[str, str]
) -> Iterator[_Text]:
    if column.formula is not None:
        in_file = isinstance(definition.source, FileSource) or not definition.source.stands("type")
        path = f"source.schema.{number}.formula"
        yield _Text(path, column.formula, kinds, row_number=in_file)


def _cases(number: int, column: SchemaColumn, columns: Mapping[str, str]) -> Iterator[_Text]:
    path = f"source.schema.{number}"
    for place, case in enumerate(column.cases):
        if case.stands("when"):
            yield _Text(f"{path}.cases.{place}.when", case.when, columns, condition=True)
        if case.stands("then"):
            yield _Text(f"{path}.cases.{place}.then", case.then, columns)
    if column.otherwise is not None:
        yield _Text(f"{path}.otherwise", column.otherwise, columns)


def _source_filter(definition: SyncDefinition) -> Iterator[_Text]:
    """A database's and Dataverse's own filter is no expression of ours."""
    source = definition.source
    if isinstance(source, FileSource | RestSource) and source.filter is not None:
        yield _Text("source.filter", source.filter, source_kinds(definition), condition=True)


def _condition(definition: SyncDefinition) -> Iterator[_Text]:
    changed = definition.behaviour.changed
    if not isinstance(changed, str):
        yield _Text("behaviour.changed.when", changed.when, condition_columns(definition), condition=True)


def _listener_filter(definition: SyncDefinition) -> Iterator[_Text]:
    listener = definition.listener
    if listener is not None and listener.filter is not None:
        yield _Text("listener.filter", listener.filter, source_kinds(definition), condition=True)


def _told(
    definition: SyncDefinition, texts: Iterable[_Text], expressions: list[Expression] | None = None
) -> Iterator[Problem]:
    """What is wrong with the texts; those that can be read are added to `expressions`."""
    for text in texts:
        expression, problems = _parsed(text, definition)
        yield from problems
        if expression is not None and expressions is not None:
            expressions.append(expression)


def _parsed(text: _Text, definition: SyncDefinition) -> tuple[Expression | None, list[Problem]]:
    variables = definition.variables if definition.stands("variables") else AnyName()
    try:
        expression = parse(text.text, columns=text.columns, variables=variables, row_number=text.row_number)
    except ExpressionError as error:
        found, _, remedy = str(error).partition("; ")
        return None, [Problem(text.path, found, remedy)]
    if text.condition and expression.kind not in ("bool", "unknown", "null"):
        found = f"a condition gives true or false, this gives a {expression.kind}"
        return expression, [Problem(text.path, found, "compare it with something")]
    return expression, []


def _patterns(number: int, column: SchemaColumn) -> Iterator[Problem]:
    for place, step in enumerate(column.replace):
        if step.stands("pattern") and pattern_complaint(step.pattern) is not None:
            path = f"source.schema.{number}.replace.{place}.pattern"
            yield Problem(path, "the regular expression cannot be read", "write it in RE2's language (no look-around)")


def _mask(number: int, column: SchemaColumn) -> Iterator[Problem]:
    mask, path = column.input_format, f"source.schema.{number}.input_format"
    if mask is not None and "%" not in mask.replace("%%", ""):
        yield Problem(
            path,
            f"the date format {mask!r} has no % mark, so no date is read by it",
            "write strptime marks, %d/%m/%Y for 31/12/2026",
        )
    elif mask is not None and mask_complaint(mask) is not None:
        yield Problem(path, "the date format cannot be read", "write strptime marks such as %Y-%m-%d or %d/%m/%Y")
