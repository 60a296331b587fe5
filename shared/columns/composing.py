"""Composes the typed query and the problems query: layers of projections, each step computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shared.columns import casts, writing
from shared.columns.calculated import expression_of, levels
from shared.columns.cells import Cell, Check
from shared.columns.writing import FILTERED, REJECTED, REPORTED
from shared.columns.writing import ROW as _ROW
from shared.errors import FailError
from shared.expressions import Expression, ExpressionError, limits, parse, probe
from shared.sql import identifier, literal
from shared.values.records import RejectType

if TYPE_CHECKING:
    from shared.definitions.schema_column import SchemaColumn
    from shared.values.watermarks import Since


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """One column of the typed query. `may_be_absent`: a companion `"<name>?"` tells where.

    `sql_type` is its type in expressions; `value_type` is the narrower one in which the query holds it, if it does.
    """

    name: str
    type: Literal["text", "number", "date", "bool"]
    sql_type: str
    may_be_absent: bool
    value_type: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it can only hold whole numbers."""
        return self.value_type in casts.WHOLE

    def in_expressions(self, sql: str) -> str:
        """SQL of a value of this column with the type that expressions count with."""
        return sql if self.value_type is None else f"CAST({sql} AS {self.sql_type})"


@dataclass(frozen=True, slots=True)
class TypedSource:
    """The two queries over a staged source; `parameters` belong to both.

    `query`: `row_no`; each column under its label; for a date `"<name>!utc"`; where it may be absent `"<name>?"`; the
    flags. A record is rejected, filtered or kept; `"!reported"` marks kept or rejected ones with a lesser problem.

    `problems`: row_no, column, type, found (at most 200 characters), reason, rejecting; one row per problem, in order;
    none for records filtered out. It reads the relation anew: where it is large, compose it over the flagged rows only.
    """

    query: str
    problems: str
    parameters: Mapping[str, object]
    columns: tuple[TypedColumn, ...]


def compose(
    schema: Sequence[SchemaColumn],
    *,
    relation: str,
    staged: Mapping[str, str],
    variables: Mapping[str, str],
    time_zone: str,
    record_filter: str | None,
    since: Since | None = None,
) -> TypedSource:
    """Compose the queries for a staged source. Records before `since` are filtered out.

    `relation` is trusted SQL (a quoted table, or a query in brackets) with `row_no` and the `staged` columns: names as
    in the source, and `"<name>?"` where the source tells absent from null; values are their DuckDB types.

    Raises:
        FailError: the relation lacks a column, a zone is unknown, two columns share a name.
        ExpressionError: a formula, a case or the filter is not in the language, or its types do not fit.
    """
    _check(schema, staged, time_zone)
    return _Composer(schema, relation, staged, variables, time_zone).compose(record_filter, since)


def _check(schema: Sequence[SchemaColumn], staged: Mapping[str, str], time_zone: str) -> None:
    lacking = [column.name for column in schema if not column.calculated and column.name not in staged]
    if lacking:
        present = ", ".join(map(repr, list(staged)[:20]))
        raise FailError(f"the source has no column {', '.join(map(repr, lacking))}; it has {present}")
    if complaint := probe.zone_complaint(time_zone):
        raise FailError(f"the time zone {time_zone!r}: {complaint}; write a name such as Europe/Amsterdam")
    seen = {_ROW, REJECTED, REPORTED, FILTERED}
    for column in schema:
        names = {column.label, f"{column.label}!utc", f"{column.label}?"}
        folded = {name.casefold() for name in names}
        if twice := folded & seen:
            found = f"the column name {column.label!r} is taken: {min(twice)!r} exists already (case does not count)"
            raise FailError(f"{found}; give the column an alias")
        seen |= folded


class _Composer:
    """Collects layers, cells and checks of one composition."""

    def __init__(
        self,
        schema: Sequence[SchemaColumn],
        relation: str,
        staged: Mapping[str, str],
        variables: Mapping[str, str],
        time_zone: str,
    ) -> None:
        self.schema = schema
        self.relation = relation
        self.staged = staged
        self.variables = variables
        self.time_zone = time_zone
        self.kinds = {column.label: column.type for column in schema}
        self.numbers = {column.label: number for number, column in enumerate(schema)}
        self.cells: dict[str, Cell] = {}
        self.layers: list[list[tuple[str, str]]] = []
        self.used: set[str] = set()

    def compose(self, record_filter: str | None, since: Since | None) -> TypedSource:
        """All layers, then the two queries over them."""
        self._read()
        expressions = {
            column.label: expression_of(column, kinds=self.kinds, variables=self.variables)
            for column in self.schema
            if column.calculated
        }
        for names in levels(expressions):
            self._calculate({name: expressions[name] for name in names})
        checks = [check for column in self.schema for check in self.cells[column.label].checks()]
        checks += self._filter(record_filter, expressions, self._older(since))
        self._judge(checks)
        steps = writing.steps(self.layers, self.relation)
        cells = [self.cells[column.label] for column in self.schema]
        parameters: dict[str, object] = {f"v_{name}": self.variables[name] for name in sorted(self.used)}
        parameters |= {"since": since.instant() or since.number()} if since else {}
        return TypedSource(writing.typed(steps, cells), writing.problems(steps, checks), parameters, self._columns())

    # layers

    def _layer(self, *assignments: tuple[str, str]) -> None:
        if assignments:
            self.layers.append(list(assignments))

    def _read(self) -> None:
        """The read columns: raw cells, then their steps side by side."""
        cells, raw = [], []
        for column in self.schema:
            if column.calculated:
                continue
            cell = self._cell(column, self.staged[column.name], self._missing(column))
            source = identifier(column.name)
            raw.append((cell.names.raw, source))
            if cell.missing:
                raw[-1] = (cell.names.raw, f"CASE WHEN {identifier(column.name + '?')} THEN NULL ELSE {source} END")
                raw.append((cell.missing, f"coalesce({identifier(column.name + '?')}, FALSE)"))
            cells.append(cell)
        self._layer(*raw)
        self._build(cells)

    def _missing(self, column: SchemaColumn) -> str | None:
        return f"c{self.numbers[column.label]}m" if f"{column.name}?" in self.staged else None

    def _cell(
        self, column: SchemaColumn, sql_type: str, missing: str | None, expression: Expression | None = None
    ) -> Cell:
        number = self.numbers[column.label]
        names = casts.CellNames(*(f"c{number}{letter}" for letter in "rtzwv"))
        made = casts.cast(column, _spelled(sql_type), names, self.time_zone)
        cell = Cell(number, column, made, names, missing, expression)
        self.cells[column.label] = cell
        return cell

    def _build(self, cells: Sequence[Cell]) -> None:
        """The steps of cells that do not need each other, layer by layer."""
        steps = [cell.steps() for cell in cells]
        for position in range(max(map(len, steps), default=0)):
            self._layer(*(step[position] for step in steps if position < len(step)))
        self._layer(*(flag for cell in cells for flag in cell.flags()))

    def _calculate(self, expressions: Mapping[str, Expression]) -> None:
        """One round of calculated columns: evaluated, then treated as if they had been read."""
        evaluated, raw, cells = [], [], []
        for name, expression in expressions.items():
            sql = expression.sql(self._value)
            self.used |= expression.variables
            type_ = _spelled(self._type_of(name, expression))
            cell = self._cell(self._column(name), type_, self._all_absent(expression), expression)
            evaluated.append((cell.name("e"), f"TRY({{'v': {sql}}})"))
            failed = _failure(cell.name("e"), type_)
            nothing = " OR ".join(part for part in (cell.missing, failed) if part)
            raw.append((cell.names.raw, f"CASE WHEN {nothing} THEN NULL ELSE {cell.name('e')}.v END"))
            raw.append((cell.name("x"), failed))
            cells.append(cell)
        self._layer(*evaluated)
        self._layer(*raw)
        self._build(cells)

    def _column(self, name: str) -> SchemaColumn:
        return self.schema[self.numbers[name]]

    def _value(self, name: str) -> str:
        return _ROW if name == _ROW and name not in self.kinds else self._typed(name).in_expressions(self._name(name))

    def _name(self, name: str) -> str:
        return self.cells[name].names.value

    def _type_of(self, where: str, expression: Expression) -> str:
        """What DuckDB says the expression gives."""
        typed = [self._typed(name) for name in expression.columns]
        types = {self._name(column.name): column.value_type or column.sql_type for column in typed}
        parameters = {f"v_{name}": self.variables[name] for name in expression.variables}
        try:
            return probe.result_type(
                expression.sql(self._value), types={_ROW: "BIGINT", **types}, parameters=parameters
            )
        except ExpressionError as error:
            raise ExpressionError(f"{where!r}: {error}") from None

    def _all_absent(self, expression: Expression) -> str | None:
        """SQL that holds where all inputs are absent; None where one never is, or there are none."""
        absents = [self.cells[name].absent for name in sorted(expression.columns)]
        known = [absent for absent in absents if absent]
        return f"({' AND '.join(known)})" if absents and len(known) == len(absents) else None

    # the filter and the flags

    def _older(self, since: Since | None) -> str:
        """SQL that holds for a record that earlier jobs have read. One without a value is never old."""
        if since is None:
            return "FALSE"
        cell = self.cells[since.label]
        if cell.column.type == "date":
            return f"coalesce({cell.name('u')} < timezone('UTC', CAST($since AS TIMESTAMPTZ)), FALSE)"
        return f"coalesce({cell.names.value} < CAST($since AS {casts.SQL_TYPES['number']}), FALSE)"

    def _filter(self, record_filter: str | None, expressions: Mapping[str, Expression], older: str) -> list[Check]:
        """The layers of the record filter, and its check."""
        if record_filter is None:
            self._layer(("filtered", older))
            return []
        try:
            keep = parse(record_filter, columns=self.kinds, variables=self.variables)
        except ExpressionError as error:
            raise ExpressionError(f"the source's filter: {error}") from None
        if keep.kind not in ("bool", "null", "unknown") or self._type_of("the source's filter", keep) != "BOOLEAN":
            raise ExpressionError(f"the source's filter gives a {keep.kind}; write a condition, such as credit > 0")
        self.used |= keep.variables
        cells = [self.cells[name] for name in sorted(_inputs(keep, expressions))]
        undecided = [part for cell in cells for part in cell.undecided]
        self._layer(("f", f"TRY({{'v': {keep.sql(self._value)}}})"))
        decided = " AND ".join(["f IS NOT NULL", *(f"NOT {condition}" for condition in undecided)])
        self._layer(("filtered", f"({decided} AND f.v IS NOT TRUE) OR {older}"))
        reason = literal("the source's filter has no result for this record")
        unread = [cell.unparseable for cell in cells if cell.unparseable and not cell.column.validated]
        return [Check(None, RejectType.EXPRESSION, f"({' OR '.join(['f IS NULL', *unread])})", "NULL", reason, True)]

    def _judge(self, checks: Sequence[Check]) -> None:
        rejecting = [check.condition for check in checks if check.rejecting]
        reporting = [check.condition for check in checks if not check.rejecting]
        self._layer(("rejected", _any(rejecting)), ("reported", _any(reporting)))

    def _columns(self) -> tuple[TypedColumn, ...]:
        return tuple(self._typed(column.label) for column in self.schema)

    def _typed(self, name: str) -> TypedColumn:
        cell, type_ = self.cells[name], self.kinds[name]
        return TypedColumn(name, type_, casts.SQL_TYPES[type_], cell.absent is not None, cell.cast.value_type)


def _spelled(sql_type: str) -> str:
    """A DuckDB type by the one name that the casts know."""
    spelled = sql_type.strip().upper()
    synonyms = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "TEXT": "VARCHAR", "STRING": "VARCHAR", "BOOL": "BOOLEAN"}
    spelled = synonyms.get(spelled, spelled)
    return "VARCHAR" if spelled.startswith("VARCHAR(") else spelled


def _failure(evaluated: str, sql_type: str) -> str:
    """SQL that holds where an expression failed, gave no finite number or too long a text."""
    result = f"{evaluated}.v"
    if sql_type in ("DOUBLE", "FLOAT"):
        return f"({evaluated} IS NULL OR coalesce(NOT isfinite({result}), FALSE))"
    if sql_type == "VARCHAR":
        return f"({evaluated} IS NULL OR coalesce(length({result}) > {limits.RESULT_LENGTH}, FALSE))"
    return f"({evaluated} IS NULL)"


def _inputs(expression: Expression, expressions: Mapping[str, Expression]) -> set[str]:
    """The columns an expression needs, and those that these need."""
    found: set[str] = set()
    waiting = set(expression.columns)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= expressions[name].columns if name in expressions else set()
    return found


def _any(conditions: Sequence[str]) -> str:
    return f"coalesce({' OR '.join(conditions)}, FALSE)" if conditions else "FALSE"
