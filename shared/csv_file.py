"""Rejects, and any rows, as a CSV file for a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from shared.errors import NotAllowedError
from shared.values.records import Reject

COLUMNS = {
    "record": "row", "key": "key", "type": "type", "column": "column", "found": "found", "reason": "reason",
    "code": "code", "request_id": "request_id", "rejecting": "rejecting", "source": "source",
}  # fmt: skip
"""The file's columns, and where each comes from in a reject."""
FORMULA = r"^[=+\-@\t\r]"
NUMBER = r"^[+-]?[0-9]+([.,][0-9]+)*$"
"""What a spreadsheet takes for a formula, unless it is a number; regular expressions of Python's and of SQL's kind."""
_FORMULA, _NUMBER = re.compile(FORMULA), re.compile(NUMBER)


def write_rejects(path: Path, rejects: Iterable[Reject]) -> int:
    """Write them all as `write_csv` does; returns how many."""
    return write_csv(path, list(COLUMNS), map(reject_row, rejects))


def reject_row(reject: Reject) -> list[object]:
    """The cells of one reject, in the order of `COLUMNS`."""
    return [getattr(reject, name) for name in COLUMNS.values()]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write rows as UTF-8 that spreadsheets recognise; the file appears when it is complete.

    Returns:
        How many were written.

    Raises:
        NotAllowedError: the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.partial")
    try:
        with beside.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
            written = write_lines(file, header, rows)
        beside.replace(path)
    except OSError as error:
        raise NotAllowedError(f"{path} cannot be written ({error.strerror}); choose another file") from error
    finally:
        beside.unlink(missing_ok=True)
    return written


def write_lines(file: TextIO, header: Sequence[str], rows: Iterable[Iterable[object]]) -> int:
    """Write a header and rows that no spreadsheet takes for formulas; returns how many rows."""
    writer = csv.writer(file)
    writer.writerow(header)
    written = 0
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        written += 1
    return written


def _cell(value: object) -> str:
    """A spreadsheet takes some texts for formulas; those get an apostrophe in front."""
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
