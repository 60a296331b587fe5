"""What DuckDB itself says about a pattern, a mask or an expression, asked in an empty database of its own.

DuckDB refuses a wrong pattern or mask when a query is bound, where TRY cannot catch it: one formula would end a job.
So literals are shown to it when an expression is parsed, and whole expressions when the column types are known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache

import duckdb

from shared.expressions.errors import refused
from shared.sql import identifier, literal

_LOCK = threading.Lock()


@lru_cache(maxsize=1)
def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": "128MB",
            "threads": "1",
        },
    )
    connection.execute("SET lock_configuration = true")
    return connection


def _complaint(statement: str) -> str | None:
    """DuckDB's complaint about a statement, or None."""
    with _LOCK:
        try:
            _database().execute(statement).fetchall()
        except duckdb.Error as error:
            return _words(error)
        except UnicodeDecodeError:  # some masks make DuckDB cut a sign in two
            return "DuckDB takes no such sign here"
    return None


def _words(error: duckdb.Error) -> str:
    """The first line, without the kind of error."""
    return str(error).partition("\n")[0].partition(": ")[2] or "DuckDB refuses it"


@lru_cache(maxsize=1024)
def pattern_complaint(pattern: str) -> str | None:
    """Why RE2 refuses a pattern, or None."""
    return _complaint(f"SELECT regexp_matches('', {literal(pattern)})")


@lru_cache(maxsize=1024)
def replacement_complaint(pattern: str, replacement: str, options: str = "") -> str | None:
    """Why RE2 refuses a pattern with its replacement and options, or None."""
    return _complaint(f"SELECT regexp_replace('', {literal(pattern)}, {literal(replacement)}, {literal(options)})")


@lru_cache(maxsize=1024)
def mask_complaint(mask: str) -> str | None:
    """Why DuckDB refuses a date mask (`%d/%m/%Y`), or None."""
    return _complaint(f"SELECT try_strptime('', {literal(mask)}), strftime(TIMESTAMP '2020-01-01', {literal(mask)})")


def result_type(sql: str, *, types: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    """The DuckDB type of a rebuilt expression over columns with these DuckDB types.

    Raises:
        ExpressionError: the types do not fit, in DuckDB's words.
    """
    columns = ", ".join(f"CAST(NULL AS {type_}) AS {identifier(name)}" for name, type_ in types.items())
    tried = f"SELECT TRY({{'v': {sql}}}) AS s FROM (SELECT NULL AS _{', ' if columns else ''}{columns})"
    with _LOCK:
        try:
            rows = _database().execute(f"SELECT typeof(s.v) FROM ({tried})", dict(parameters)).fetchall()
        except duckdb.Error as error:
            raise refused(_words(error), position=None, remedy="make the types fit, with CAST if need be") from None
    return str(rows[0][0])


def zone_complaint(time_zone: str) -> str | None:
    """Why DuckDB refuses a time zone, or None."""
    return _complaint(f"SELECT CAST(timezone({literal(time_zone)}, TIMESTAMP '2020-01-01') AS VARCHAR)")
