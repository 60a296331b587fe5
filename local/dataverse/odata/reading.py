"""Rows as replies: stored columns turned into JSON members, with the annotations that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from local.dataverse.odata.options import Preferences
from local.dataverse.odata.scope import ROOT
from local.dataverse.store import type_name
from local.dataverse.tables import WHOLE_OPTIONS, Column, Kind, Table, Tables
from shared.sql import identifier

FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
Convert = Callable[[Sequence[object]], Sequence[object]]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a reply's row: its name, the SQL it is read by, and what makes JSON of a column of such values."""

    name: str
    term: str
    convert: Convert | None = None
    optional: bool = False


def members(
    tables: Tables,
    table: Table,
    columns: Sequence[Column],
    preferences: Preferences,
    alias: str = ROOT,
    *,
    name: str | None = None,
    optional: bool = False,
) -> list[Member]:
    """The members of a row, each followed by its annotations; `name` is that of a single column.

    With `optional` a member without a value is left out.
    """
    found: list[Member] = []
    for column in columns:
        term, own = f"{alias}.{identifier(column.name)}", name or column.read_name
        found.append(Member(own, term, converter(column), optional))
        found += _annotations(tables, table, _Named(column, alias, own), preferences)
    return found


def etag(version: object) -> str:
    """The ETag of a row version."""
    return f'W/"{version}"'


def etags(versions: Sequence[object]) -> Sequence[object]:
    """The ETags of a column of row versions."""
    return [None if v is None else f'W/"{v}"' for v in versions]


def rows(listed: Sequence[Sequence[object]], shape: Sequence[Member]) -> list[dict[str, object]]:
    """Rows of values as rows of members."""
    if not listed:
        return []
    columns: list[Sequence[object]] = list(islice(zip(*listed, strict=True), len(shape)))
    for at, member in enumerate(shape):
        if member.convert is not None:
            columns[at] = member.convert(columns[at])
    names = [member.name for member in shape]
    found = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    optional = [member.name for member in shape if member.optional]
    if optional:
        for row in found:
            for name in optional:
                if row[name] is None:
                    del row[name]
    return found


def number_text(value: int, scale: int, digits: int) -> str:
    """A stored decimal as text with `digits` digits behind the point."""
    whole, part = divmod(abs(value), 10**scale)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{str(part).zfill(scale).ljust(digits, '0')}" if digits else f"{sign}{whole}"


def converter(column: Column) -> Convert | None:
    """What makes JSON of a column's stored values, None when they are JSON already."""
    if column.kind is Kind.BOOLEAN:
        return lambda values: [None if v is None else bool(v) for v in values]
    if column.kind in (Kind.DECIMAL, Kind.MONEY):
        scale, digits = column.scale, (4 if column.kind is Kind.MONEY else 10)
        return lambda values: [
            None if v is None else orjson.Fragment(number_text(v, scale, digits))  # type: ignore[arg-type]
            for v in values
        ]
    return None


@dataclass(frozen=True, slots=True)
class _Named:
    """A column of an alias, and the name of its member."""

    column: Column
    alias: str
    name: str


def _annotations(tables: Tables, table: Table, named: _Named, preferences: Preferences) -> list[Member]:
    column, alias, name = named.column, named.alias, named.name
    found = []
    if column.is_lookup:
        if preferences.wants(NAVIGATION):
            found.append(Member(f"{name}@{NAVIGATION}", _navigation_term(column, alias), optional=True))
        if preferences.wants(LOOKUP_TABLE):
            found.append(Member(f"{name}@{LOOKUP_TABLE}", _target_term(column, alias), optional=True))
    if preferences.wants(FORMATTED):
        formatted = _formatted(tables, table, named)
        if formatted is not None:
            found.append(formatted)
    return found


def _formatted(tables: Tables, table: Table, named: _Named) -> Member | None:
    column, alias = named.column, named.alias
    name, term = f"{named.name}@{FORMATTED}", f"{alias}.{identifier(column.name)}"
    if column.is_lookup:
        return Member(name, _name_term(tables, column, alias), optional=True)
    if column.kind is Kind.MONEY and "transactioncurrencyid" in table.columns:
        return Member(name, _money_term(column, alias), _money_texts, optional=True)
    convert = _formatter(column)
    return None if convert is None else Member(name, term, convert, optional=True)


def _formatter(column: Column) -> Convert | None:
    labels = {option.value: option.label for option in column.options}
    if column.kind in WHOLE_OPTIONS or column.kind is Kind.BOOLEAN:
        return lambda values: [None if v is None else labels.get(v) for v in values]  # type: ignore[call-overload]
    if column.kind is Kind.CHOICES:
        return lambda values: [
            None if v is None else "; ".join(labels.get(int(part), part) for part in str(v).split(",")) for v in values
        ]
    if column.kind is Kind.DATETIME:
        only_day = column.date_only_format
        return lambda values: [None if v is None else _date_text(str(v), only_day) for v in values]
    return _number_formatter(column)


def _number_formatter(column: Column) -> Convert | None:
    if column.kind in (Kind.INTEGER, Kind.BIGINT):
        return lambda values: [None if v is None else f"{v:,}" for v in values]
    if column.kind is Kind.DOUBLE:
        digits = column.precision or 0
        return lambda values: [None if v is None else f"{v:,.{digits}f}" for v in values]
    if column.kind is Kind.DECIMAL:
        scale = column.scale
        return lambda values: [None if v is None else _grouped(number_text(int(str(v)), scale, scale)) for v in values]
    return None


def _date_text(stored: str, only_day: bool) -> str:
    year, month, day = stored[:4], int(stored[5:7]), int(stored[8:10])
    text = f"{month}/{day}/{year}"
    if only_day or len(stored) == 10:
        return text
    hour = int(stored[11:13])
    return f"{text} {hour % 12 or 12}:{stored[14:16]} {'AM' if hour < 12 else 'PM'}"


def _grouped(text: str) -> str:
    whole, point, part = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{part}"


def _navigation_term(column: Column, alias: str) -> str:
    own = f"{alias}.{identifier(column.name)}"
    if not column.is_polymorphic or len({t.navigation for t in column.targets}) == 1:
        return f"CASE WHEN {own} IS NOT NULL THEN {_text(column.targets[0].navigation)} END"
    cases = " ".join(f"WHEN {_text(t.table)} THEN {_text(t.navigation)}" for t in column.targets)
    return f"CASE {alias}.{identifier(type_name(column))} {cases} END"


def _target_term(column: Column, alias: str) -> str:
    own = f"{alias}.{identifier(column.name)}"
    named = f"{alias}.{identifier(type_name(column))}" if column.is_polymorphic else _text(column.targets[0].table)
    return f"CASE WHEN {own} IS NOT NULL THEN {named} END"


def _name_term(tables: Tables, column: Column, alias: str) -> str:
    """The primary name of the row that a lookup points at."""
    own = f"{alias}.{identifier(column.name)}"
    names = []
    for target in column.targets:
        table = tables.by_name[target.table]
        name, key = identifier(table.name_column), identifier(table.id_column)
        names.append(f"(SELECT {name} FROM {identifier(table.name)} WHERE {key} = {own})")
    return names[0] if len(names) == 1 else f"coalesce({', '.join(names)})"


def _money_term(column: Column, alias: str) -> str:
    """Amount, symbol and precision of the currency, joined by a character that no symbol holds."""
    currency = f"{alias}.transactioncurrencyid"
    if column.base_of is not None:
        currency = "(SELECT basecurrencyid FROM organization LIMIT 1)"
    own = f"{alias}.{identifier(column.name)}"
    return (
        f"(SELECT {own} || char(31) || c.currencysymbol || char(31) || c.currencyprecision FROM transactioncurrency "
        f"AS c WHERE c.transactioncurrencyid = {currency})"
    )


def _money_texts(values: Sequence[object]) -> Sequence[object]:
    return [None if v is None else _money_text(*str(v).split("\x1f")) for v in values]


def _money_text(amount: str, symbol: str, precision: str) -> str:
    value, digits = int(amount), min(int(precision), 4)
    text = number_text(abs(value), 4, 4)
    whole = text.partition(".")[0] + ("." + text.partition(".")[2][:digits] if digits else "")
    return f"{'-' if value < 0 else ''}{symbol}{_grouped(whole)}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
