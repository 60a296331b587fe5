"""A key as a person writes it, held against keys as a job's files show them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.canonical import key_form, text_form
from shared.sql import literal
from shared.values.tables import ColumnKind

SEPARATOR = " | "
"""What stands between the values of a key of several columns."""
_NUMBERS = (ColumnKind.INTEGER, ColumnKind.BIGINT, ColumnKind.DECIMAL, ColumnKind.MONEY, ColumnKind.DOUBLE)
_IDS = (ColumnKind.UNIQUEIDENTIFIER, ColumnKind.LOOKUP, ColumnKind.OWNER)


def same_key(wanted: str, kinds: Sequence[str], *, accent_sensitive: bool) -> str:
    """SQL over a column `key`: whether it is the key that is wanted, as the server sees keys.

    `kinds` are those of the key's columns, in its order; one that is not known (empty) counts as a text. Of texts case
    and trailing blanks do not count, of numbers the zeros, of ids braces and case, of times how they are written.
    """
    texts = _same("key", literal(wanted), "", accent_sensitive=accent_sensitive)
    parts = wanted.split(SEPARATOR)
    if len(parts) != len(kinds):
        return f"({texts})"
    pieces = f"string_split(key, {literal(SEPARATOR)})"
    tests = [f"len({pieces}) = {len(kinds)}"]
    for number, (part, kind) in enumerate(zip(parts, kinds, strict=True), start=1):
        tests.append(_same(f"{pieces}[{number}]", literal(part), kind, accent_sensitive=accent_sensitive))
    return f"({texts} OR ({' AND '.join(tests)}))"


def _same(one: str, other: str, kind: str, *, accent_sensitive: bool) -> str:
    if kind in _NUMBERS:
        return _alike(one, other, "DECIMAL(38, 10)")
    if kind in _IDS:
        return _alike(f"trim({one}, '{{}} ')", f"trim({other}, '{{}} ')", "UUID")
    if kind == ColumnKind.DATETIME:
        return _alike(one, other, "TIMESTAMP")
    form = text_form()
    plain = [key_form(form, sql, accent_sensitive=accent_sensitive) for sql in (one, other)]
    return f"({plain[0]}) = ({plain[1]})"


def _alike(one: str, other: str, sql_type: str) -> str:
    return f"coalesce(try_cast({one} AS {sql_type}) = try_cast({other} AS {sql_type}), FALSE)"
