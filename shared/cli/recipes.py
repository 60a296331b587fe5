"""Columns of texts that mean numbers, truth values or dates: how a definition reads them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from shared.sql import identifier, literal
from shared.values.tables import Column, ColumnKind

SAMPLE = 1000
"""Records that are looked at."""

_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?")
_CERTAIN = re.compile(r".*\..*,.*|.*,(?!\d{3}$)\d+")
"""A comma behind a point, or before other than three digits: it cannot part thousands."""

_YES_AND_NO = (
    *(("ja", "nein"), ("ja", "nee"), ("ja", "nej"), ("oui", "non"), ("si", "no"), ("sí", "no"), ("sim", "não")),
    *(("tak", "nie"), ("ano", "ne"), ("on", "off"), ("active", "inactive")),
)
NUMBERS = {ColumnKind.INTEGER, ColumnKind.BIGINT, ColumnKind.DECIMAL, ColumnKind.DOUBLE, ColumnKind.MONEY}

_NUMBER = "CAST(replace(replace({text}, '.', ''), ',', '.') AS DECIMAL)"
_BOOL = "CASE lower({text}) WHEN {yes} THEN TRUE WHEN {no} THEN FALSE ELSE CAST({text} AS BOOLEAN) END"


def writings(path: Path, *, delimiter: str, encoding: str, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """How the columns of a delimited file with a header write what is no text.

    Returns:
        By column, `(",",)` for numbers with a decimal comma, or the words for yes and no. A column of which the first
        thousand records leave a doubt is not in there.
    """
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        try:
            records = list(islice(csv.DictReader(file, delimiter=delimiter), SAMPLE))
        except csv.Error:
            return {}
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        cells = {(record.get(name) or "").strip() for record in records} - {""}
        if writing := _writing(cells):
            found[name] = writing
    return found


def _writing(cells: set[str]) -> tuple[str, ...]:
    if not cells:
        return ()
    if all(map(_DECIMAL_COMMA.fullmatch, cells)):
        return (",",) if any(map(_CERTAIN.fullmatch, cells)) else ()
    words = {cell.casefold() for cell in cells}
    return next((pair for pair in _YES_AND_NO if words <= set(pair)), ())


def calculated(name: str, source: str, column: Column | None, writing: tuple[str, ...]) -> Mapping[str, object] | None:
    """The calculated column `name` that reads the text column `source` for a destination column; None where none can.

    Its formula rejects the record whose text is something else.
    """
    text = identifier(source)
    if column is not None and column.kind in NUMBERS and writing == (",",):
        return {"name": name, "type": "number", "formula": _NUMBER.format(text=text)}
    if column is not None and column.kind is ColumnKind.BOOLEAN and len(writing) == 2:
        yes, no = map(literal, writing)
        return {"name": name, "type": "bool", "formula": _BOOL.format(text=text, yes=yes, no=no)}
    return None


def advice(source: str, column: Column | None) -> str:
    """What to do where a column seems to be text and fills numbers, truth values or dates; empty where it fits."""
    text = identifier(source)
    if column is None:
        return ""
    if column.kind in NUMBERS:
        return f"for 1.234,56 a calculated column: {_NUMBER.format(text=text)}"
    if column.kind is ColumnKind.BOOLEAN:
        words = _BOOL.format(text=text, yes="'ja'", no="'nein'")
        return f"a text for yes/no: type: bool, or for other words a calculated column: {words}"
    if column.kind is ColumnKind.DATETIME:
        return 'for dates such as 31/12/2025: input_format: "%d/%m/%Y"'
    return ""
