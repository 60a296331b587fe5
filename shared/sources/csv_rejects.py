"""The records that DuckDB's CSV reader could not split: which ones they are, and which of them end the job.

DuckDB numbers a rejected record by `line`: records from the top of the file, blank lines included. A blank line is no
record of ours, so the blank lines before a rejected record are taken off its number. When a quoted cell is never
closed, DuckDB gives up the rest of its buffer (32 MB) and goes on behind it: that is not one bad record, so it ends the
job. Found by trying, DuckDB 2.0.0.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import SourceError
from shared.ports import MalformedRow
from shared.sources.csv_dialect import MAX_RECORD_BYTES, Dialect, Top, line_ends
from shared.sources.text_file import line_at

MAX_MALFORMED = 100_000
_TEXT_LIMIT = 10_000
_SHOWN = 1_000
TABLE = "csv_rejects"
SCAN_TABLE = "csv_reject_scans"
OPTIONS = (
    f"store_rejects = true, rejects_table = '{TABLE}', rejects_scan = '{SCAN_TABLE}', "
    f"rejects_limit = {2 * MAX_MALFORMED}, rejects_line_size_limit = {_TEXT_LIMIT}"
)
DROP = (f"DROP TABLE IF EXISTS {TABLE}", f"DROP TABLE IF EXISTS {SCAN_TABLE}")
# One row per rejected record: its number, where it begins, its kinds of error, its text and the cells it has.
# DuckDB has an error for each cell that is missing or too many, and counts on from the last one that is there.
QUERY = f"""
SELECT
    line,
    min(line_byte_position),
    string_agg(DISTINCT error_type::VARCHAR, ', '),
    any_value(csv_line)[:{_TEXT_LIMIT}],
    CASE WHEN bool_or(error_type = 'MISSING COLUMNS')
        THEN arg_min(error_message, column_idx) ELSE arg_max(error_message, column_idx) END
FROM {TABLE}
GROUP BY line
ORDER BY line
"""


@dataclass(frozen=True, slots=True)
class _Rejected:
    line: int
    start: int
    kinds: str
    text: str
    message: str

    @property
    def end(self) -> int:
        return self.start + len(self.text.encode())


def _rejected(row: tuple[object, ...], file: IO[bytes]) -> _Rejected:
    line, position, kinds, text, message = row
    start = _behind_line_ends(file, max(int(str(position or 1)) - 1, 0))
    return _Rejected(int(str(line)), start, str(kinds), str(text or "").strip("\r\n"), str(message or ""))


def _behind_line_ends(file: IO[bytes], position: int) -> int:
    """Where the record itself begins: DuckDB's position (from 1 there, from 0 here) may stand before blank lines."""
    file.seek(position)
    while block := file.read(64):
        rest = block.lstrip(b"\r\n")
        position += len(block) - len(rest)
        if rest:
            break
    return position


@dataclass(frozen=True, slots=True)
class Rejects:
    """Reads the rejected records of one scan. `path` is the readable copy, `shown` its name for messages."""

    path: Path
    shown: Path
    dialect: Dialect
    top: Top
    width: int

    def malformed(self, rows: Sequence[tuple[object, ...]]) -> tuple[MalformedRow, ...]:
        """The malformed records in order.

        Raises:
            SourceError: one of them shows that the file cannot be read as a whole.
        """
        if len(rows) > MAX_MALFORMED:
            raise SourceError(
                f"{self.shown}: more than {MAX_MALFORMED:,} records do not have {self.width} cells; "
                "check the delimiter, the quote and the schema"
            )
        with self.path.open("rb") as file:
            found = [_rejected(row, file) for row in rows]
        for one in found:
            self._check(one)
        places = zip(found, self._blank_lines(found), self._lines(found), strict=True)
        return tuple(
            MalformedRow(one.line - self.top.skip - blank, f"line {line}: {self._reason(one)}", one.text[:_SHOWN])
            for one, blank, line in places
        )

    def _lines(self, found: Sequence[_Rejected]) -> list[int]:
        """The line of the file at which each begins, from 1: cells may hold line ends, so records are no lines."""
        lines: list[int] = []
        feeds, returns, position = 0, 0, 0
        with self.path.open("rb") as file:
            for one in found:
                while position < one.start and (block := file.read(min(1 << 20, one.start - position))):
                    feeds, returns = feeds + block.count(b"\n"), returns + block.count(b"\r")
                    position += len(block)
                lines.append(max(feeds, returns) + 1)
        return lines

    def _check(self, one: _Rejected) -> None:
        if "LINE SIZE OVER MAXIMUM" in one.kinds:
            raise SourceError(
                f"{self._place(one)}: a record of more than {MAX_RECORD_BYTES >> 20} MB; "
                "a cell is too large, or a quoted cell is not closed; correct the file"
            )
        if "INVALID ENCODING" in one.kinds:
            raise SourceError(f"{self._place(one)}: bytes that are not utf-8; state the right `encoding`")
        if "UNQUOTED VALUE" in one.kinds and self._unclosed(one):
            raise SourceError(
                f"{self._place(one)}: a quoted cell begins and is never closed, so what follows cannot be told apart; "
                "the file is truncated, or a quote too many stands there; correct the file"
            )

    def _unclosed(self, one: _Rejected) -> bool:
        if len(one.text) >= _TEXT_LIMIT:
            return True
        quote = self.dialect.quote or '"'
        text = one.text.replace((self.dialect.escape or quote) + quote, "")
        return one.end >= self.path.stat().st_size - 2 and text.count(quote) % 2 == 1

    def _place(self, one: _Rejected) -> str:
        return f"{self.shown}, line {line_at(self.path, one.start)}"

    def _reason(self, one: _Rejected) -> str:
        if "UNQUOTED VALUE" in one.kinds:
            return "a quoted cell is not closed where the cell ends; double the quotes that belong to the text"
        found = one.message.rpartition("Found: ")[2]
        if "TOO MANY COLUMNS" in one.kinds:
            return f"{found} cells instead of {self.width}; quote a text that holds the delimiter"
        return f"{found} {'cell' if found == '1' else 'cells'} instead of {self.width}"

    def _blank_lines(self, found: Sequence[_Rejected]) -> list[int]:
        """For each rejected record the blank lines between the top and it."""
        if not found or self.width == 1:
            return [0] * len(found)
        counts: list[int] = []
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if all(text.find(blank) < 0 for blank in (b"\n\n", b"\n\r\n", b"\r\r")) and text[0] not in b"\r\n":
                return [0] * len(found)
            position, total = self._data_start(text), 0
            for one in found:
                total += self._blank_between(text, position, one.start)
                counts.append(total)
                position = max(one.end, position)
        return counts

    def _data_start(self, text: mmap.mmap) -> int:
        """Where the last line end of the top stands (0 without a top)."""
        passed = 0
        for token in self.dialect.tokens().finditer(text) if self.top.skip else ():
            run = line_ends(token.group())
            if passed + run >= self.top.skip:
                width = 2 if token.group().startswith(b"\r\n") else 1
                return token.start() + (self.top.skip - passed - 1) * width
            passed += run
        return 0

    def _blank_between(self, text: mmap.mmap, start: int, end: int) -> int:
        total = 0
        for token in self.dialect.tokens().finditer(text, start, end):
            if run := line_ends(token.group()):
                total += run - (1 if token.start() > 0 else 0)
        return total
