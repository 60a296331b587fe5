"""SQLite databases, opened for reading only.

SQLite types values, not columns: a column declared INTEGER may hold a text. So every value is staged as the text that
stands there: an integer by its digits, a text with its leading zeros; the schema's rules give it its type afterwards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from shared.sources.dbapi import DbApiSource, Driver
from shared.sources.newer import Condition
from shared.values.watermarks import Since

_WAIT_S = 10.0
_ALLOWED = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))


def _authorise(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _check_whole(path: Path) -> None:
    """SQLite reads what is missing at a file's end as zeros, so a truncated file would give empty cells.

    Source: Database File Format, sqlite.org, 1.3.2 (page size), 1.3.7 (file size in pages, when 1.3.12 agrees).
    """
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:
        return  # SQLite's own message says more
    if len(head) < 100 or head[24:28] != head[92:96] or not head.startswith(b"SQLite format 3\0"):
        return
    page = int.from_bytes(head[16:18])
    size = int.from_bytes(head[28:32]) * (65_536 if page == 1 else page)
    if path.stat().st_size < size:
        raise sqlite3.DatabaseError(f"the file is truncated ({path.stat().st_size:,} bytes of {size:,})")


def connect(path: Path) -> sqlite3.Connection:
    """A connection that can only read this file: no writes, no ATTACH, no PRAGMA. It waits ten seconds for a lock."""
    _check_whole(path)
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_WAIT_S)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, False)  # else a mistyped "column" is read as a text
    connection.set_authorizer(_authorise)
    return connection


def newer(_column: Sequence[object], since: Since) -> Condition | None:
    """A text is compared by its day, which sorts whatever its zone; a value of another type than expected passes.

    Every way to write an ISO date that the schema's rules take sorts no earlier than the same day in full.
    """
    if (number := since.number()) is not None:
        return Condition("{column} >= CAST({bound} AS NUMERIC) OR typeof({column}) IN ('text', 'blob')", number)
    day = since.day()
    return Condition("{column} >= {bound} OR {column} < '0' OR typeof({column}) <> 'text'", day) if day else None


def sqlite_source(
    path: Path, sql: str, *, wanted: tuple[str, ...], variables: Mapping[str, str], since: Since | None = None
) -> DbApiSource:
    """The result of a SELECT in a SQLite file; `@name` outside of quotes is bound."""
    driver = Driver(connect=lambda: connect(path), errors=(sqlite3.Error,), style="named", newer=newer)
    return DbApiSource(driver, sql, variables, wanted, f"the SQLite file {path}", since)
