"""Pieces of rebuilt SQL: quoted text with open places for columns and variables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.expressions import limits
from shared.sql import literal

type Kind = Literal["text", "number", "date", "bool", "interval", "null", "unknown"]


@dataclass(frozen=True, slots=True)
class ColumnPlace:
    """Where the SQL of a column goes."""

    name: str


@dataclass(frozen=True, slots=True)
class VariablePlace:
    """Where the SQL of a bound variable goes."""

    name: str


type Part = str | ColumnPlace | VariablePlace


@dataclass(frozen=True, slots=True)
class Fragment:
    """A rebuilt piece. `copies`: how many times the length of its cells a text may have at worst."""

    parts: tuple[Part, ...]
    kind: Kind = "unknown"
    copies: int = 0
    literal: str | None = None


def fragment(*pieces: str | Fragment, kind: Kind = "unknown", copies: int = 0) -> Fragment:
    """The pieces one after the other."""
    parts: list[Part] = []
    for piece in pieces:
        parts.extend(piece.parts if isinstance(piece, Fragment) else (piece,))
    return Fragment(tuple(parts), kind, copies)


def joined(separator: str, pieces: Iterable[Fragment]) -> list[str | Fragment]:
    """The pieces with a separator between them."""
    found: list[str | Fragment] = []
    for piece in pieces:
        found.extend((separator, piece) if found else (piece,))
    return found


_TRAILING_ZEROS = literal(r"^(-?\d+)(?:\.0*|(\.\d*?[1-9])0+)$")
_SIGNIFICANT = literal(r"\1\2")


def as_text(value: Fragment) -> Fragment:
    """The value as a text; a number without trailing zeros (numbers carry ten decimals): 100, 12.5."""
    if value.kind == "text":
        return value
    cast = fragment("CAST(", value, " AS VARCHAR)", kind="text", copies=value.copies)
    if value.kind != "number":
        return cast
    plain = value.literal is not None or (len(value.parts) == 1 and isinstance(value.parts[0], ColumnPlace))
    return fragment(
        "regexp_replace(", cast if plain else _finite(cast), f", {_TRAILING_ZEROS}, {_SIGNIFICANT})", kind="text"
    )


def _finite(number: Fragment) -> Fragment:
    """The text of a number; infinity, or no number at all, is an error of its record (as in `bounded`)."""
    failure = "CAST(CAST('not finite: ' || v AS INTEGER) AS VARCHAR)"
    check = f"CASE WHEN v IN ('inf', '-inf', 'nan') THEN {failure} ELSE v END"
    return fragment("list_transform([", number, f"], lambda v: {check})[1]", kind="text", copies=number.copies)


def bounded(value: Fragment, characters: int) -> Fragment:
    """The text; one longer than `characters` is an error of its record.

    The lambda evaluates the text once. `error()` counts as volatile and cannot stand inside TRY, so a cast that never
    succeeds raises instead.
    """
    failure = "CAST(CAST('text too long' || left(v, 0) AS INTEGER) AS VARCHAR)"
    check = f"CASE WHEN length(v) > {characters} THEN {failure} ELSE v END"
    return fragment("list_transform([", value, f"], lambda v: {check})[1]", kind="text", copies=1)


def never_zero(value: Fragment) -> Fragment:
    """The divisor; zero is an error of its record, also where the quotient is a step only (DuckDB: infinite)."""
    if value.literal is not None and float(value.literal):
        return value
    failure = "CAST('no division by ' || CAST(v AS VARCHAR) AS DOUBLE)"
    return fragment("list_transform([", value, f"], lambda v: CASE WHEN v = 0 THEN {failure} ELSE v END)[1]")


def grown(value: Fragment, factor: int) -> Fragment:
    """The text, measured first where growing by `factor` could pass the bound."""
    if value.copies * factor <= limits.COPIES:
        return value
    return bounded(value, limits.RESULT_LENGTH * limits.COPIES // max(factor, limits.COPIES))
