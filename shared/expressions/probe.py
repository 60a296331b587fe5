"""What DuckDB itself says about a pattern, a mask or an expression, asked in an empty database of its own.

DuckDB refuses a wrong pattern or mask when a query is bound, where TRY cannot catch it: one formula would end a job.
So literals are shown to it when an expression is parsed, and whole expressions when the column types are known.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache

import duckdb

from shared.expressions.errors import ExpressionError, refused
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


def _complaint(statement: str, parameters: Mapping[str, str] | None = None) -> str | None:
    """DuckDB's first line of complaint about a statement, or None."""
    with _LOCK:
        try:
            _database().execute(statement, dict(parameters or {})).fetchall()
        except duckdb.Error as error:
            return str(error).partition("\n")[0].partition(": ")[2] or str(error)
    return None


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


def check_binds(sql: str, *, types: Mapping[str, str], parameters: Mapping[str, str]) -> None:
    """Bind a rebuilt expression over an empty table of columns with these DuckDB types.

    Raises:
        ExpressionError: the types do not fit, in DuckDB's words.
    """
    columns = ", ".join(f"CAST(NULL AS {type_}) AS {identifier(name)}" for name, type_ in types.items()) or "NULL AS _"
    complaint = _complaint(f"SELECT {sql} FROM (SELECT {columns}) WHERE FALSE", parameters)
    if complaint is not None:
        raise refused(complaint, position=None, remedy="make the types fit, with CAST if need be")


__all__ = ["ExpressionError", "check_binds", "mask_complaint", "pattern_complaint", "replacement_complaint"]
