"""A SQL statement after a job, in a transaction of its own: all of it or nothing."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from shared.databases import postgresql, sqlserver
from shared.databases.binding import bind
from shared.definitions.post_sync import SqlStatement
from shared.errors import FailError, RetryError, SourceError
from shared.values.steps import Said

_NO_FILES = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA}
_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Database:
    """One database. `connection` is the secret's value, which is never shown; `shown` names the database in messages.

    `identity` is the client id with which SQL Server is signed in to where the secret names none.
    """

    connection: str
    shown: str
    timeout_s: float
    identity: str | None = None


def take(sql: SqlStatement, values: Mapping[str, str], database: Database) -> Said:
    """Run the statement and commit it; for sqlite, `connection` is the file's path, judged by the caller.

    Raises:
        RetryError: the database cannot be reached, or is busy.
        FailError: it refused, or time ran out; nothing was changed.
    """
    rows = _KINDS[sql.dialect](sql.statement, values, database)
    return Said("1 row" if rows == 1 else f"{rows:,} rows" if rows >= 0 else "done")


def _in_sqlite(text: str, values: Mapping[str, str], database: Database) -> int:
    statement, timeout_s = bind(text, values, style="named"), database.timeout_s
    ends = time.monotonic() + timeout_s
    address = f"file:{quote(database.connection)}?mode=rw"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=min(timeout_s, 10))) as connection:
            connection.set_authorizer(_authorise)
            connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
            with connection:
                return connection.execute(statement.text, statement.parameters).rowcount
    except sqlite3.Error as error:
        if "locked" in str(error) or "busy" in str(error):
            raise RetryError(f"{database.shown} is held by another program") from None
        said = f"it took longer than {timeout_s:g} s" if "interrupted" in str(error) else str(error)
        raise FailError(f"{database.shown} refused the statement: {said}; nothing was changed") from None


def _authorise(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_DENY if action in _NO_FILES else sqlite3.SQLITE_OK


def _in_postgresql(text: str, values: Mapping[str, str], database: Database) -> int:
    psycopg = postgresql.driver()
    shown, timeout_s = database.shown, database.timeout_s
    statement = bind(text, values, style="pyformat")
    try:
        opened = psycopg.connect(postgresql.secured(database.connection, shown), connect_timeout=postgresql.CONNECT_S)
    except psycopg.Error as error:
        raise _unreached(postgresql.unreachable(error, shown)) from None
    try:
        with opened as connection:
            connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{round(timeout_s * 1000)}",))
            # Prepared: the server takes exactly one statement then.
            cursor = connection.execute(statement.text.encode(), statement.parameters, prepare=True)
            return int(cursor.rowcount)
    except psycopg.errors.OperationalError as error:
        if error.sqlstate == "57014":
            raise FailError(f"{shown} took longer than {timeout_s:g} s; nothing was changed") from None
        raise RetryError(f"{shown}: {_first_line(error)}") from None
    except psycopg.Error as error:
        raise FailError(f"{shown} refused the statement: {_first_line(error)}; nothing was changed") from None


def _in_sqlserver(text: str, values: Mapping[str, str], database: Database) -> int:
    module = sqlserver.driver()
    shown = database.shown
    statement = bind(text, values, style="qmark")
    string = sqlserver.connection_string(database.connection, identity=database.identity, shown=shown, reads=False)
    try:
        opened = sqlserver.connected(module, string, shown)
    except SourceError as error:
        raise _unreached(error) from None
    with contextlib.closing(opened) as connection:
        connection.timeout = round(database.timeout_s)
        try:
            cursor = connection.cursor()
            cursor.execute(statement.text, statement.parameters)
            rows = int(cursor.rowcount)
            connection.commit()
        except module.Error as error:
            raise FailError(f"{shown} refused the statement: {_first_line(error)}; nothing was changed") from None
    return rows


def _unreached(error: FailError) -> FailError | RetryError:
    return RetryError(str(error)) if isinstance(error, SourceError) else error


def _first_line(error: Exception) -> str:
    return " ".join(str(error).partition("\n")[0].split())[:400]


_KINDS: Mapping[str, Callable[[str, Mapping[str, str], Database], int]] = {
    "sqlite": _in_sqlite,
    "postgresql": _in_postgresql,
    "sqlserver": _in_sqlserver,
}
