"""One cell: SQL from a typed source value to a destination column's canonical form, and what can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.canonical import Form, settle
from shared.columns import TypedColumn
from shared.sql import identifier, literal
from shared.values.records import RejectType
from shared.values.tables import ColumnKind, DateBehaviour, Option

_NUMBERS = (ColumnKind.INTEGER, ColumnKind.BIGINT, ColumnKind.DECIMAL, ColumnKind.DOUBLE, ColumnKind.MONEY)
_OPTIONS = (ColumnKind.CHOICE, ColumnKind.STATE, ColumnKind.STATUS)
_IDS = (ColumnKind.UNIQUEIDENTIFIER, ColumnKind.LOOKUP, ColumnKind.OWNER)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_EARLIEST = "TIMESTAMP '1753-01-01 00:00:00'"
_INT64 = (-(2**63), 2**63 - 1)
_INT32 = (-(2**31), 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that can be wrong with a cell: `when` is SQL over the same relation, `reason` a clause for a person."""

    type: RejectType
    when: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cell:
    """`value` is SQL of the canonical value; it is NULL where a flaw holds."""

    value: str
    flaws: tuple[Flaw, ...] = ()


def accepted_types(form: Form) -> frozenset[str]:
    """The source column types that can be mapped to a destination column."""
    kind = form.column.kind
    if form.is_text:
        return frozenset({"text", "number", "date", "bool"})
    if kind in _NUMBERS:
        return frozenset({"number"})
    if kind is ColumnKind.DATETIME:
        return frozenset({"date"})
    if kind is ColumnKind.BOOLEAN:
        return frozenset({"bool", "text", "number"})
    if kind in _OPTIONS:
        return frozenset({"text", "number"})
    return frozenset({"text"})


def cell(form: Form, source: TypedColumn) -> Cell:
    """The cell of `form` fed by the typed source column `source`."""
    return _maker(form)(form, source)


def _maker(form: Form) -> Callable[[Form, TypedColumn], Cell]:
    kind = form.column.kind
    if form.is_text:
        return _text
    if kind in _NUMBERS:
        return _number
    if kind in _OPTIONS:
        return _option
    special = {ColumnKind.DATETIME: _date, ColumnKind.BOOLEAN: _boolean, ColumnKind.CHOICES: _choices}
    return special.get(kind, _id)


def _text(form: Form, source: TypedColumn) -> Cell:
    sql = identifier(source.name)
    text = as_text(sql, source)
    value = settle(form, text)
    length = form.column.max_length
    if length is None:
        return Cell(value)
    reason = f"longer than the {length} characters that {form.name} holds (an emoji counts as two)"
    return Cell(value, (Flaw(RejectType.MAX_LENGTH, _longer(text, length), reason),))


_BEYOND = literal("[^\\x{10000}-\\x{10ffff}]")


def _longer(text: str, length: int) -> str:
    """Whether the text has more than `length` UTF-16 code units, which is what Dataverse counts.

    A text never has more units than bytes, so only the few that may be too long are looked at closely.
    Source: AttributeMetadata MaxLength over SQL Server's nvarchar(n), in byte-pairs (Microsoft Learn, nchar and
    nvarchar, 2025).
    """
    units = f"length({text}) + length(regexp_replace({text}, {_BEYOND}, '', 'g'))"
    return f"CASE WHEN strlen({text}) > {length} THEN {units} > {length} ELSE FALSE END"


def as_text(sql: str, source: TypedColumn) -> str:
    """SQL of a typed source value as text: numbers without trailing zeros, dates in ISO form."""
    if source.type == "number":
        whole = f"{sql}::HUGEINT::VARCHAR"
        return f"CASE WHEN {sql} = trunc({sql}) THEN {whole} ELSE rtrim({sql}::VARCHAR, '0') END"
    if source.type == "date":
        day, moment = f"strftime({sql}, '%Y-%m-%d')", f"strftime({sql}, '%Y-%m-%dT%H:%M:%S')"
        return f"CASE WHEN {sql} = date_trunc('day', {sql}) THEN {day} ELSE {moment} END"
    return f"{sql}::VARCHAR" if source.type == "bool" else sql


def _number(form: Form, source: TypedColumn) -> Cell:
    sql = identifier(source.name)
    low, high = _range(form)
    flaws = []
    tests = ([f"{sql} < {low}"] if low is not None else []) + ([f"{sql} > {high}"] if high is not None else [])
    if form.scale is None and not source.is_whole:
        reason = f"{form.name} holds whole numbers"
        flaws.append(Flaw(RejectType.INVALID_FORMAT, f"{sql} <> trunc({sql})", reason))
    if tests:
        reason = f"outside {_shown(low)} to {_shown(high)}, the range of {form.name}"
        flaws.append(Flaw(RejectType.OUT_OF_RANGE, " OR ".join(tests), reason))
    wrong = " OR ".join(flaw.when for flaw in flaws)
    value = settle(form, f"({sql})::DOUBLE" if form.sql_type == "DOUBLE" else sql)
    return Cell(f"CASE WHEN {wrong} THEN NULL ELSE {value} END" if wrong else value, tuple(flaws))


def _range(form: Form) -> tuple[str | None, str | None]:
    column = form.column
    floor, ceiling = (_INT32 if column.kind is ColumnKind.INTEGER else _INT64) if form.scale is None else (None, None)
    low = column.min_value if column.min_value is not None else floor
    high = column.max_value if column.max_value is not None else ceiling
    return (None if low is None else f"{low:f}" if not isinstance(low, int) else str(low)), (
        None if high is None else f"{high:f}" if not isinstance(high, int) else str(high)
    )


def _shown(bound: str | None) -> str:
    return "any" if bound is None else bound


def _date(form: Form, source: TypedColumn) -> Cell:
    behaviour = form.column.date_behaviour
    instant = behaviour is DateBehaviour.USER_LOCAL
    sql = identifier(f"{source.name}!utc") if instant else identifier(source.name)
    value = f"{sql}::DATE" if behaviour is DateBehaviour.DATE_ONLY else settle(form, sql)
    flaw = Flaw(RejectType.OUT_OF_RANGE, f"{sql} < {_EARLIEST}", "Dataverse keeps no date before 1753-01-01")
    return Cell(f"CASE WHEN {flaw.when} THEN NULL ELSE {value} END", (flaw,))


def _boolean(form: Form, source: TypedColumn) -> Cell:
    sql = identifier(source.name)
    if source.type == "bool":
        return Cell(sql)
    words = {label: flag for label, flag in _boolean_words(form.column.options).items() if label}
    text = as_text(sql, source)
    pairs = ", ".join(f"{literal(label)}: {literal(flag)}" for label, flag in words.items())
    value = f"MAP {{{pairs}}}[lower(trim({text}))]"
    allowed = ", ".join(sorted(words))
    return _looked_up(value, text, RejectType.INVALID_FORMAT, f"{form.name} is one of {allowed}")


def _boolean_words(options: tuple[Option, ...]) -> dict[str, bool]:
    words = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
    return words | {option.label.strip().lower(): bool(option.value) for option in options}


def option_words(options: tuple[Option, ...]) -> dict[str, int]:
    """What may stand for an option: its number, and its label unless two options share it."""
    labels = [option.label.strip().lower() for option in options]
    unique = {label: option.value for label, option in zip(labels, options, strict=True) if labels.count(label) == 1}
    return {str(option.value): option.value for option in options} | {k: v for k, v in unique.items() if k}


def _option(form: Form, source: TypedColumn) -> Cell:
    text = as_text(identifier(source.name), source)
    words = option_words(form.column.options)
    value = f"{_option_map(words)}[lower(trim({text}))]"
    return _looked_up(value, text, RejectType.UNKNOWN_OPTION, _option_reason(form))


def _option_map(words: dict[str, int]) -> str:
    if not words:
        return "MAP([]::VARCHAR[], []::INTEGER[])"
    return "MAP {" + ", ".join(f"{literal(word)}: {number}" for word, number in words.items()) + "}"


def _option_reason(form: Form) -> str:
    labels = [option.label or str(option.value) for option in form.column.options]
    shown = ", ".join(labels[:20]) + (", …" if len(labels) > 20 else "")
    return f"{form.name} is one of {shown}"


def _choices(form: Form, source: TypedColumn) -> Cell:
    sql = identifier(source.name)
    parts = f"list_filter(string_split_regex({sql}, '[;,]'), lambda part: trim(part) <> '')"
    words = _option_map(option_words(form.column.options))
    numbers = f"list_transform({parts}, lambda part: {words}[lower(trim(part))])"
    value = f"nullif(array_to_string(list_sort(list_distinct({numbers})), ','), '')"
    wrong = f"len(list_filter({numbers}, lambda number: number IS NULL)) > 0"
    flaw = Flaw(RejectType.UNKNOWN_OPTION, wrong, _option_reason(form))
    return Cell(f"CASE WHEN {wrong} THEN NULL ELSE {value} END", (flaw,))


def _looked_up(value: str, text: str, type_: RejectType, reason: str) -> Cell:
    return Cell(value, (Flaw(type_, f"trim({text}) <> '' AND {value} IS NULL", reason),))


def _id(_: Form, source: TypedColumn) -> Cell:
    sql = identifier(source.name)
    trimmed = f"CASE WHEN starts_with({sql}, ' ') OR ends_with({sql}, ' ') THEN trim({sql}) ELSE {sql} END"
    value = f"TRY_CAST({trimmed} AS UUID)"
    flaw = Flaw(RejectType.INVALID_FORMAT, f"{trimmed} <> '' AND {value} IS NULL", "not an id (GUID)")
    return Cell(value, (flaw,))
