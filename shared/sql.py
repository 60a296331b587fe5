"""Quoting for DuckDB: the one place where a name or a value becomes SQL text."""

from __future__ import annotations

from decimal import Decimal


def identifier(name: str) -> str:
    """A quoted identifier: `a"b` → `"a""b"`.

    Raises:
        ValueError: the name holds a NUL character, which no identifier can.
    """
    if "\0" in name:
        raise ValueError(f"a name cannot hold a NUL character: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | float | Decimal | bool | None) -> str:
    """A SQL literal of a plain value; texts are single-quoted with quotes doubled."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with a NUL character cannot be quoted")
        return "'" + value.replace("'", "''") + "'"
    return str(value)
