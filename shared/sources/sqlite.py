"""SQLite databases, opened for reading only.

SQLite types values, not columns: a column declared INTEGER may hold a text. So every value is staged as the text that
stands there: an integer by its digits, a text with its leading zeros; the schema's rules give it its type afterwards.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from shared.databases.binding import Statement, bind
from shared.errors import SourceError
from shared.ports import SourceSink, StagedSource
from shared.sources import names, sqlite_lists
from shared.sources.dbapi import DbApiSource, Driver
from shared.sources.newer import Condition
from shared.sources.spooled_rows import spooled_rows
from shared.values.watermarks import Since

_WAIT_S = 10.0
_TWICE = re.compile(r":[0-9]+\Z")
"""How SQLite renames a column of a subquery whose name stands there twice."""
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
    sqlite_lists.prepare(connection)
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


@dataclass(frozen=True, slots=True)
class SqliteSource(DbApiSource):
    """A SELECT in a SQLite file, whose rows SQLite itself writes as lines of a file; `spool` is the folder for that.

    What cannot be asked for in that way (no subquery, names that stand there twice, more than 124 columns) is read
    value by value.
    """

    spool: Path = Path(tempfile.gettempdir())

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: the rows in the order of the database."""
        names.require_distinct(self.wanted, where=self.shown)
        with self._connected() as opened:
            cursor = cast("sqlite3.Cursor", opened)
            sql, values = self._narrowed(cursor)
            if self._listed(cursor, sql, values):
                with contextlib.suppress(
                    sqlite3.Error
                ):  # what was not foreseen is read below; what is wrong shows there
                    return self._quickly(cursor, sql, values, sink)
                return self._spooled(cursor, bind(sqlite_lists.careful(sql, self.wanted), values, style="named"), sink)
        return DbApiSource.stage(self, sink)

    def _listed(self, cursor: sqlite3.Cursor, sql: str, values: Mapping[str, str]) -> bool:
        """Whether this statement can be asked for each row as one text."""
        try:
            self._run(cursor, f"SELECT * FROM (\n{sql}\n) LIMIT 0", values)
        except (sqlite3.Error, SourceError):
            return False  # read as it stands, it works or tells what is wrong with it
        found = [str(item[0]) for item in cursor.description or ()]
        if any(_TWICE.search(name) for name in found) or not sqlite_lists.fits(cursor.connection, self.wanted):
            return False
        names.require(self.wanted, found, where=f"the result of {self.shown}")
        return True

    def _quickly(self, cursor: sqlite3.Cursor, sql: str, values: Mapping[str, str], sink: SourceSink) -> StagedSource:
        bound = bind(sql, values, style="named")
        held = sqlite_lists.first_rows(cursor.connection, bound, self.wanted)
        return self._spooled(cursor, Statement(sqlite_lists.quick(bound.text, held), bound.parameters), sink)

    def _spooled(self, cursor: sqlite3.Cursor, statement: Statement, sink: SourceSink) -> StagedSource:
        with spooled_rows(self.wanted, self.spool, Path(self.shown)) as rows:
            cursor.execute(statement.text, statement.parameters)
            malformed = sqlite_lists.spool(cursor, rows)
            return StagedSource(rows.fill(sink), malformed)


def sqlite_source(
    path: Path,
    sql: str,
    *,
    wanted: tuple[str, ...],
    variables: Mapping[str, str],
    since: Since | None = None,
    spool: Path | None = None,
) -> SqliteSource:
    """The result of a SELECT in a SQLite file; `@name` outside of quotes is bound."""
    driver = Driver(connect=lambda: connect(path), errors=(sqlite3.Error,), style="named", newer=newer)
    shown = f"the SQLite file {path}"
    return SqliteSource(driver, sql, variables, wanted, shown, since, spool or Path(tempfile.gettempdir()))
