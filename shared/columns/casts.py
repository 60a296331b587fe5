"""How one cell becomes a typed value: SQL for each declared type over each type that a source stages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.expressions import probe
from shared.expressions.errors import refused
from shared.sql import literal

if TYPE_CHECKING:
    from shared.definitions.schema_column import SchemaColumn

SQL_TYPES = {"text": "VARCHAR", "number": "DECIMAL(38,10)", "date": "TIMESTAMP", "bool": "BOOLEAN"}
"""The DuckDB type of each declared type."""

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
"""The types of whole numbers that every number column can hold."""
_NARROW_DIGITS, _PLACES = 18, 10
_FLOATS = ("FLOAT", "DOUBLE")
_NESTED = ("STRUCT", "MAP", "UNION")
_UTC = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"})

_BLANK = r"[\x00-\x20\x7f-\x{a0}\x{ad}\x{1680}\x{2000}-\x{200f}\x{2028}-\x{202f}\x{205f}-\x{206f}\x{3000}\x{feff}]"
"""White space and characters that do not print. Named one by one: RE2 compiles these ranges ten times as fast as its
classes of all Unicode, and a query for a single message pays for that."""

_MOMENT = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)? ?(Z|UTC|[+-]\d{2}(:?\d{2})?)?"
_DAY_LENGTH = 10


def trimmed(sql: str) -> str:
    """The text without white space and non-printing characters at both ends.

    Most cells have none: looking first costs a tenth of replacing, and looking at both ends first a fifth of that.
    """
    plain = f"({sql} BETWEEN '!' AND '~' AND {sql}[-1] BETWEEN '!' AND '~')"
    needed = f"NOT {plain} AND regexp_matches({sql}, {literal(f'^{_BLANK}|{_BLANK}$')})"
    inner = f"regexp_replace({sql}, {literal(f'^{_BLANK}+')}, '')"
    return f"CASE WHEN {needed} THEN regexp_replace({inner}, {literal(f'{_BLANK}+$')}, '') ELSE {sql} END"


def tidy_number(sql: str) -> str:
    """A fractional number as a text without trailing zeros: 1.0 is '1', 12.50 is '12.5'."""
    pattern, significant = literal(r"^(-?\d+)(?:\.0*|(\.\d*?[1-9])0+)$"), literal(r"\1\2")
    return f"regexp_replace(CAST({sql} AS VARCHAR), {pattern}, {significant})"


def as_text(sql: str, sql_type: str) -> str:
    """A staged value of a DuckDB type as a text."""
    if sql_type == "VARCHAR":
        return sql
    if sql_type in _FLOATS or sql_type.startswith("DECIMAL"):
        return tidy_number(sql)
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return f"replace(CAST(timezone('UTC', {sql}) AS VARCHAR), ' ', 'T') || 'Z'"
    if sql_type.endswith("]") or sql_type.startswith(_NESTED):
        return f"CAST(to_json({sql}) AS VARCHAR)"
    return f"CAST({sql} AS VARCHAR)"


@dataclass(frozen=True, slots=True)
class Cast:
    """How a raw cell becomes a typed one, step by step; each step reads the names of the ones before.

    `prepared` is made of the raw cell; `instant` (dates only; TIMESTAMPTZ, null without an offset) of the prepared
    one; `wall` (dates only) of both; `value` of those; `utc` of the value. `fallible`: a prepared cell that is not
    null may give no value. `value_type`: the value's type where it is narrower than that of the declared type.
    """

    prepared: str
    value: str
    fallible: bool
    instant: str | None = None
    wall: str | None = None
    utc: str | None = None
    value_type: str | None = None


@dataclass(frozen=True, slots=True)
class CellNames:
    """The names of one cell's steps in the layers."""

    raw: str
    prepared: str
    instant: str
    wall: str
    value: str


def cast(column: SchemaColumn, sql_type: str, names: CellNames, time_zone: str) -> Cast:
    """The steps for a column whose raw cells have a DuckDB type; dates without a zone are in `time_zone`."""
    if column.type == "text":
        return Cast(_text(column, as_text(names.raw, sql_type)), names.prepared, fallible=False)
    if column.type == "date":
        return _date(column, sql_type, names, time_zone)
    if native := _native(column.type, sql_type, names):
        return native
    prepared = _no_blanks(as_text(names.raw, sql_type))
    value = f"TRY_CAST({names.prepared} AS {SQL_TYPES[column.type]})"
    if column.type == "number":  # DuckDB reads 1_000 as 1000
        value = f"CASE WHEN NOT contains({names.prepared}, '_') THEN {value} END"
    return Cast(prepared, value, fallible=True)


def _text(column: SchemaColumn, sql: str) -> str:
    """Trim, then the replacements in order, then empty is null."""
    if column.trim:
        sql = trimmed(sql)
    for replacement in column.replace:
        complaint = probe.replacement_complaint(replacement.pattern, replacement.replacement, "g")
        if complaint:
            found = f"column {column.label!r}: the replacement {replacement.pattern!r}: {complaint}"
            raise refused(found, position=None, remedy=r"patterns are RE2's; \1 is the first group")
        sql = f"regexp_replace({sql}, {literal(replacement.pattern)}, {literal(replacement.replacement)}, 'g')"
    return f"nullif({sql}, '')"


def _no_blanks(sql: str) -> str:
    return f"nullif({trimmed(sql)}, '')"


def _native(type_: str, sql_type: str, names: CellNames) -> Cast | None:
    """Numbers and booleans that the source already has as such; narrow numbers stay narrow, for those are quick."""
    if type_ == "number" and (sql_type in WHOLE or _is_narrow(sql_type)):
        return Cast(names.raw, names.prepared, fallible=False, value_type=sql_type)
    if type_ == "number" and (sql_type == "HUGEINT" or sql_type.startswith("DECIMAL")):
        return Cast(names.raw, f"TRY_CAST({names.prepared} AS {SQL_TYPES['number']})", fallible=True)
    if type_ == "number" and sql_type in _FLOATS:  # by way of its shortest text: 580088.82 has no digits beyond
        value = f"TRY_CAST(CAST({names.prepared} AS VARCHAR) AS {SQL_TYPES['number']})"
        return Cast(names.raw, _short(names.prepared, value) if sql_type == "DOUBLE" else value, fallible=True)
    if type_ == "bool" and sql_type == "BOOLEAN":
        return Cast(names.raw, names.prepared, fallible=False)
    return None


def _short(number: str, otherwise: str) -> str:
    """A double of few places as a decimal, in a quarter of the time of going by way of its text (`otherwise`).

    Of 15 digits in all, four behind the point, no two make the same double; so where one makes this double, it is the
    double's shortest text.
    """
    short = f"TRY_CAST({number} AS DECIMAL(18,4))"
    fits = f"abs({number}) < 1e11 AND CAST({short} AS DOUBLE) = {number}"
    return f"CASE WHEN {fits} THEN CAST({short} AS {SQL_TYPES['number']}) ELSE {otherwise} END"


def _is_narrow(sql_type: str) -> bool:
    """Whether it is a decimal of 64 bits whose places fit the declared type's."""
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", sql_type)
    return found is not None and int(found[1]) <= _NARROW_DIGITS and int(found[2]) <= _PLACES


def is_utc(time_zone: str) -> bool:
    """Whether the zone is UTC under one of its names."""
    return time_zone in _UTC


def _date(column: SchemaColumn, sql_type: str, names: CellNames, time_zone: str) -> Cast:
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return _instants(names, names.raw, names.prepared, time_zone)
    if sql_type == "DATE" or sql_type.startswith("TIMESTAMP"):
        return _walls(names, names.raw, f"TRY_CAST({names.prepared} AS TIMESTAMP)", time_zone)
    prepared = _no_blanks(as_text(names.raw, sql_type))
    if column.input_format is None:
        return _plain_dates(names, prepared, time_zone)
    return _masked_dates(column, names, prepared, time_zone)


def _plain_dates(names: CellNames, prepared: str, time_zone: str) -> Cast:
    """ISO dates. DuckDB's cast to TIMESTAMP passes over offsets, so those go by way of TIMESTAMPTZ."""
    text = names.prepared
    tail = f"substring({text}, {_DAY_LENGTH + 1})"
    zoned = (
        f"length({text}) > {_DAY_LENGTH} AND (contains({tail}, 'Z') OR contains({tail}, '+') OR contains({tail}, '-')"
        f" OR contains({tail}, 'UTC'))"
    )
    instant = f"CASE WHEN {zoned} THEN CASE WHEN {_moment(text)} THEN TRY_CAST({text} AS TIMESTAMPTZ) END END"
    local = f"TRY_CAST({text} AS TIMESTAMP)"
    day = f"CASE WHEN length({text}) <= {_DAY_LENGTH} THEN left({text}, 1) BETWEEN '0' AND '9' ELSE {_moment(text)} END"
    wall = (
        f"CASE WHEN {names.instant} IS NOT NULL THEN timezone({literal(time_zone)}, {names.instant})"
        f" WHEN {zoned} THEN NULL WHEN {day} THEN {local} END"
    )
    return Cast(prepared, _in_range(names.wall), True, instant, wall, _utc(names, time_zone, zoned=True))


def _moment(text: str) -> str:
    return f"regexp_full_match({text}, {literal(_MOMENT)})"


def _masked_dates(column: SchemaColumn, names: CellNames, prepared: str, time_zone: str) -> Cast:
    mask = column.input_format or ""
    if complaint := probe.mask_complaint(mask):
        found = f"column {column.label!r}: the input format {mask!r}: {complaint}"
        raise refused(found, position=None, remedy="write it like %d/%m/%Y")
    parsed = f"TRY_STRPTIME({names.prepared}, {literal(mask)})"
    if _has_zone(mask):
        return _instants(names, prepared, parsed, time_zone)
    return _walls(names, prepared, parsed, time_zone)


def _has_zone(mask: str) -> bool:
    """Whether the mask reads an offset or a zone; `%%` is a plain per cent sign."""
    marks = mask.replace("%%", "")
    return "%z" in marks or "%Z" in marks


def _instants(names: CellNames, prepared: str, instant: str, time_zone: str) -> Cast:
    wall = f"timezone({literal(time_zone)}, {names.instant})"
    return Cast(prepared, _in_range(names.wall), True, instant, wall, _utc(names, time_zone, zoned=True))


def _walls(names: CellNames, prepared: str, wall: str, time_zone: str) -> Cast:
    return Cast(prepared, _in_range(names.wall), fallible=True, wall=wall, utc=_utc(names, time_zone, zoned=False))


def _in_range(sql: str) -> str:
    """Dates of the years 1 to 9999; DuckDB knows others, and infinity."""
    return f"CASE WHEN {sql} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN {sql} END"


def _utc(names: CellNames, time_zone: str, *, zoned: bool) -> str:
    """The instant in UTC, without a zone."""
    if is_utc(time_zone):
        return names.value
    local = f"timezone('UTC', timezone({literal(time_zone)}, {names.value}))"
    if not zoned:
        return local
    stated = f"timezone('UTC', {names.instant})"
    return f"CASE WHEN {names.value} IS NULL THEN NULL WHEN {names.instant} IS NOT NULL THEN {stated} ELSE {local} END"
