"""Statements for which SQLite writes each row as a JSON list by itself: several times cheaper than fetching its values.

Its JSON has 15 digits of a number with a fraction, which may need 17, and no bytes. The careful statement looks at each
value for that. The quick one does so only in columns whose first rows hold such values, and stops at one elsewhere.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import NoReturn, cast

from shared.databases.binding import Statement
from shared.ports import MalformedRow
from shared.sources.dbapi import as_text, set_aside
from shared.sources.spooled_rows import SpooledRows
from shared.sql import identifier

_EXACT, _STOP = "dynsync_text", "dynsync_stop"
_ROWS = 1_000
_SAMPLE_STEPS = 2_000_000
_INEXACT = ("real",) if sqlite3.sqlite_version_info < (3, 45) else ("real", "blob")
"""Types of which JSON may lose something without an error: since 3.45 some bytes are taken for SQLite's own JSON."""
_TELLING = ("json", "->", "random")
"""Where a statement has such words, its values may be marked as JSON, or be others when they are asked for twice."""


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


def inexact(connection: sqlite3.Connection, statement: Statement, wanted: Sequence[str]) -> list[str]:
    """The columns whose first rows hold what JSON may not hold exactly.

    Raises:
        sqlite3.Error: also when the first rows take long, and when the quick statement is no choice.
    """
    likes = " OR ".join(f"sql LIKE '%{word}%'" for word in _TELLING)
    told = connection.execute(f"SELECT 1 FROM sqlite_schema WHERE {likes} LIMIT 1").fetchone()
    if told or any(word in statement.text.casefold() for word in _TELLING):
        raise sqlite3.NotSupportedError("the statement may speak of JSON")
    looks = ", ".join(f"max(typeof({cell}) IN ('real', 'blob'))" for cell in map(identifier, wanted))
    connection.set_progress_handler(lambda: 1, _SAMPLE_STEPS)
    try:
        first = f"SELECT {looks} FROM (SELECT * FROM (\n{statement.text}\n) LIMIT {_ROWS})"
        (found,) = connection.execute(first, statement.parameters).fetchall()
    finally:
        connection.set_progress_handler(None, 0)
    return [name for name, holds in zip(wanted, found, strict=True) if holds]


def quick(sql: str, wanted: Sequence[str], inexact: Collection[str]) -> str:
    """A statement for the rows that fails at a value that JSON may not hold exactly, but in the columns named."""
    tests = [f"typeof({identifier(name)}) = '{kind}'" for name in wanted if name not in inexact for kind in _INEXACT]
    head = f"CASE WHEN {' OR '.join(tests)} THEN {_STOP}() ELSE 0 END" if tests else "0"
    cells = ", ".join(_exact(identifier(name)) if name in inexact else identifier(name) for name in wanted)
    return f"SELECT json_array({head}, 0, {cells}, 0) FROM (\n{sql}\n)"


def _exact(cell: str) -> str:
    """A value as text. A number of which 15 digits are all needs no call of Python, which takes longest of all."""
    short = f"abs({cell}) BETWEEN 1e-4 AND 1e14 AND CAST({cell} || '' AS REAL) = {cell}"
    return (
        f"CASE typeof({cell}) WHEN 'real' THEN CASE WHEN {short} THEN {cell} || '' ELSE {_EXACT}({cell}) END "
        f"WHEN 'blob' THEN {_EXACT}({cell}) ELSE {cell} END"
    )


def spool(cursor: sqlite3.Cursor, rows: SpooledRows) -> tuple[MalformedRow, ...]:
    """Take the lists of a statement that runs; gives the rows that are set aside.

    Raises:
        sqlite3.Error: the database cannot be read to its end.
    """
    number, malformed = 0, list[MalformedRow]()
    cursor.connection.text_factory = bytes
    while fetched := cast("Sequence[tuple[bytes]]", cursor.fetchmany(_ROWS)):
        lines = [line for (line,) in fetched]
        block = b"\n".join(lines)
        _check_text(block, number)
        if b"\\" not in block:
            rows.block(block, len(lines))
            number += len(lines)
            continue
        for line in lines:
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
