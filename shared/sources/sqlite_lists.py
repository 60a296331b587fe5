"""Statements for which SQLite writes each row as a JSON list by itself: several times cheaper than fetching its values.

Its JSON has 15 digits of a number with a fraction, which may need 17, and no bytes. The careful statement looks at each
value for that. The quick one does so only in columns whose first rows hold such values, and stops at one elsewhere; the
first rows also tell by which test a column's values are known most cheaply.
"""

from __future__ import annotations

import enum
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import NoReturn, cast

from shared.databases.binding import Statement
from shared.ports import MalformedRow
from shared.sources.dbapi import as_text, set_aside
from shared.sources.spooled_rows import SpooledRows
from shared.sql import identifier, literal

_EXACT, _STOP = "dynsync_text", "dynsync_stop"
_ROWS = 1_000
_SAMPLE_STEPS = 2_000_000
_INEXACT = ("real",) if sqlite3.sqlite_version_info < (3, 45) else ("real", "blob")
"""Types of which JSON may lose something without an error: since 3.45 some bytes are taken for SQLite's own JSON."""
_AROUND = ("head", "absent", "tail")
"""What a list holds beside the values."""
_TELLING = ("json", "->", "random")
"""Where a statement has such words, its values may be marked as JSON, or be others when they are asked for twice."""


class Held(enum.IntEnum):
    """What the first rows of a column hold, nulls left aside: the last of these that one of them is."""

    TEXTS = 0
    WHOLE_NUMBERS = 1
    INEXACT = 2
    """Fractions or bytes, of which JSON may lose something."""


def _stop() -> NoReturn:
    raise ValueError("a value that was not foreseen")


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that the statements use."""
    connection.create_function(_EXACT, 1, as_text, deterministic=True)
    connection.create_function(_STOP, 0, _stop)


def careful(sql: str, wanted: Sequence[str]) -> str:
    """A statement for the rows, whatever they hold."""
    cells = ", ".join(
        f"CASE typeof({cell}) WHEN 'real' THEN {_EXACT}({cell}) WHEN 'blob' THEN {_EXACT}({cell}) ELSE {cell} || '' END"
        for cell in map(identifier, wanted)
    )
    # With an OFFSET, the inner statement is not merged with the outer one: each of its values is computed once.
    return f"SELECT json_array(0, 0, {cells}, 0) FROM (SELECT * FROM (\n{sql}\n) LIMIT -1 OFFSET 0)"


def fits(connection: sqlite3.Connection, wanted: Sequence[str]) -> bool:
    """Whether SQLite writes lists of that many values."""
    return len(wanted) + len(_AROUND) <= connection.getlimit(sqlite3.SQLITE_LIMIT_FUNCTION_ARG)


def first_rows(connection: sqlite3.Connection, statement: Statement, wanted: Sequence[str]) -> dict[str, Held]:
    """What the first rows hold, by column.

    Raises:
        sqlite3.Error: also when the first rows take long, and when the quick statement is no choice.
    """
    likes = " OR ".join(f"sql LIKE '%{word}%'" for word in _TELLING)
    told = connection.execute(f"SELECT 1 FROM sqlite_schema WHERE {likes} LIMIT 1").fetchone()
    if told or any(word in statement.text.casefold() for word in _TELLING):
        raise sqlite3.NotSupportedError("the statement may speak of JSON")
    ranks = f"WHEN 'integer' THEN {Held.WHOLE_NUMBERS:d} WHEN 'text' THEN 0 WHEN 'null' THEN 0 ELSE {Held.INEXACT:d}"
    looks = ", ".join(f"max(CASE typeof({cell}) {ranks} END)" for cell in map(identifier, wanted))
    connection.set_progress_handler(lambda: 1, _SAMPLE_STEPS)
    try:
        first = f"SELECT {looks} FROM (SELECT * FROM (\n{statement.text}\n) LIMIT {_ROWS})"
        (found,) = connection.execute(first, statement.parameters).fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    return {name: Held(rank or 0) for name, rank in zip(wanted, found, strict=True)}


def quick(sql: str, held: Mapping[str, Held]) -> str:
    """A statement for the rows that fails at a value that JSON may not hold exactly, but in columns that held some."""
    cells = ", ".join(
        _exact(identifier(name)) if kind is Held.INEXACT else identifier(name) for name, kind in held.items()
    )
    return f"SELECT json_array({_watch(held)}, 0, {cells}, 0) FROM (\n{sql}\n)"


def _watch(held: Mapping[str, Held]) -> str:
    """0, if no value was unforeseen. Asking for types takes longest; cheaper tests say where that is needed at all."""
    watched = {identifier(name): kind for name, kind in held.items() if kind is not Held.INEXACT}
    cheap = [_no_text(cell) if kind is Held.TEXTS else _no_number(cell) for cell, kind in watched.items()]
    if not watched:
        return "0"
    stop = f"CASE WHEN {' OR '.join(map(_telling, watched))} THEN {_STOP}() ELSE 0 END"
    return f"CASE WHEN {' OR '.join(cheap)} THEN {stop} ELSE 0 END"


def _no_number(cell: str) -> str:
    """Whether a value may lose something: no whole number below 2⁴⁹, even as a fraction; only of others is it asked."""
    return f"({cell} << 14 >> 14) <> +{cell} AND {_telling(cell)}"


def _telling(cell: str) -> str:
    return f"typeof({cell}) IN ({', '.join(map(literal, _INEXACT))})"


def _no_text(cell: str) -> str:
    """Whether a value is neither text nor null: numbers sort before texts, bytes behind them.

    The sign keeps the column's declared type out of the comparison.
    """
    return f"+{cell} " + ("NOT BETWEEN '' AND x''" if "blob" in _INEXACT else "<= 9e999")


def _exact(cell: str) -> str:
    """A value as text. A number of which 15 digits are all needs no call of Python, which takes longest of all.

    Such a one is a whole number of millionths (or of their millionths) with no more than 15 digits: dividing that
    gives the nearest number, by the rules of arithmetic. Reading the digits back would not do: SQLite may miss it.
    """
    tests = [
        f"round({cell} * {parts}) / {parts} = +{cell} AND {cell} * {cell} BETWEEN 1e-6 AND {most}"
        for parts, most in (("1e6", "1e18"), ("1e12", "1e6"))
    ]
    return (
        f"CASE WHEN {tests[0]} THEN {cell} WHEN {tests[1]} THEN {cell} "
        f"WHEN typeof({cell}) IN ('real', 'blob') THEN {_EXACT}({cell}) ELSE {cell} END"
    )


def spool(cursor: sqlite3.Cursor, rows: SpooledRows) -> tuple[MalformedRow, ...]:
    """Take the lists of a statement that runs; gives the rows that are set aside.

    Raises:
        sqlite3.Error: the database cannot be read to its end.
    """
    number, malformed = 0, list[MalformedRow]()
    cursor.connection.text_factory = bytes
    while fetched := cast("Sequence[tuple[bytes]]", cursor.fetchmany(_ROWS)):
        block = b"\n".join([line for (line,) in fetched])
        _check_text(block, number)
        if b"\\" not in block:
            rows.block(block, len(fetched))
            number += len(fetched)
            continue
        for (line,) in fetched:
            number += 1
            if b"\\" not in line:
                rows.line(line)
            elif b"\\u0000" in line and any("\0" in text for text in json.loads(line)[2:-1] if text):
                set_aside(number, malformed)
                rows.gap()
            else:
                rows.row([text if text is None else str(text) for text in json.loads(line)[2:-1]])
    return tuple(malformed)


def _check_text(block: bytes, after: int) -> None:
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError:
        raise sqlite3.DataError(f"a text that is not UTF-8, behind row {after:,}") from None
