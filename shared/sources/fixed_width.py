"""Text files whose fields have fixed widths, cut by DuckDB.

A line must hold every column: one that is too short may have lost its end, one that is too long does not have these
widths. Either is set aside under its number; the others go on. Empty lines are no records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import duckdb

from shared.errors import SourceError
from shared.ports import MalformedRow, SourceSink, StagedSource
from shared.sources import names
from shared.sources.csv_dialect import MAX_RECORD_BYTES, Dialect
from shared.sources.line_ends import with_one_line_end
from shared.sources.text_file import TextFile
from shared.sql import identifier, literal

_NO_DELIMITER = "\x01\x02\x03\x04"
"""Control characters that stand beside each other in no text: a line is one cell."""
_MIXED = "state machine reached an invalid state"
_MAX_MALFORMED = 100_000


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name, and its width in characters."""

    name: str
    width: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a line, in order; the lines to skip; whether short lines count as filled with blanks."""

    fields: tuple[Field, ...]
    skip_rows: int = 0
    skip_footer_rows: int = 0
    short_lines: str = "reject"

    @property
    def width(self) -> int:
        """All columns together, in characters."""
        return sum(field.width for field in self.fields)

    @property
    def starts(self) -> tuple[int, ...]:
        """The position of each column's first character, from 1."""
        return tuple(accumulate((field.width for field in self.fields), initial=1))[:-1]

    def column_at(self, length: int) -> str:
        """The column in which a line of so many characters ends."""
        return next(f.name for f, start in zip(self.fields, self.starts, strict=True) if start + f.width > length)


@dataclass(frozen=True, slots=True)
class FixedWidthFile:
    """A fixed-width file as a source. `spool`: a folder for temporary copies."""

    path: Path
    layout: Layout
    encoding: str
    spool: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself."""
        return (self.path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: every cell as VARCHAR without the blanks around it; an empty cell is NULL."""
        names.require_distinct([field.name for field in self.layout.fields], where=str(self.path))
        with TextFile(path=self.path, encoding=self.encoding, spool=self.spool).readable() as readable:
            try:
                return _Cut(self, readable).stage(sink)
            except duckdb.Error as error:
                if _MIXED not in str(error):
                    raise self._unreadable(error) from None
            with with_one_line_end(readable, Dialect(quote=None), spool=self.spool) as copy:
                try:
                    return _Cut(self, copy).stage(sink)
                except duckdb.Error as error:
                    raise self._unreadable(error) from None

    def column_types(self) -> Mapping[str, str]:
        """The schema's columns as VARCHAR; the file itself names none.

        Raises:
            SourceError: it is empty, or not in the stated encoding.
        """
        with TextFile(path=self.path, encoding=self.encoding, spool=self.spool).readable():
            return {field.name: "VARCHAR" for field in self.layout.fields}

    def _unreadable(self, error: duckdb.Error) -> SourceError:
        reason = re.split(r"\n", str(error))[0]
        return SourceError(f"{self.path} cannot be read as lines of fixed width: {reason}; check file and encoding")


@dataclass(frozen=True, slots=True)
class _Cut:
    """One readable file, and the queries over it."""

    source: FixedWidthFile
    readable: Path

    def stage(self, sink: SourceSink) -> StagedSource:
        layout = self.source.layout
        lines, odd = sink.query(f"SELECT count(*), count(*) FILTER (NOT ({self._fits()})) FROM ({self._lines()})")[0]
        last = int(str(lines)) - layout.skip_footer_rows
        if last < 0:
            has = "1 line" if str(lines) == "1" else f"{lines} lines"
            raise SourceError(
                f"{self.source.path} has {has} below the skipped ones, but `skip_footer_rows` is "
                f"{layout.skip_footer_rows}; lower it"
            )
        malformed = self._malformed(sink, last) if odd else ()
        if malformed and len(malformed) == last:
            raise SourceError(
                f"{self.source.path}: no line fits the schema's widths (first: {malformed[0].reason}); "
                "check the widths, `skip_rows` and `skip_footer_rows`; where blanks at the ends of lines were cut, "
                "state `short_lines: blank`"
            )
        records = sink.fill(self._query(last))
        if records != last - len(malformed):
            raise SourceError(f"{self.source.path} changed while it was read; hand over a file that nobody writes to")
        return StagedSource(records=records, malformed=malformed)

    def _lines(self) -> str:
        # Old systems end a file with Ctrl-Z.
        return f"""
            SELECT row_number() OVER () AS row_no, line FROM read_csv({literal(str(self.readable))},
              auto_detect = false, header = false, skip = {self.source.layout.skip_rows},
              delim = {literal(_NO_DELIMITER)}, quote = '', escape = '', columns = {{'line': 'VARCHAR'}},
              compression = 'none', strict_mode = true,
              max_line_size = {MAX_RECORD_BYTES}, buffer_size = {2 * MAX_RECORD_BYTES})
            WHERE line <> '' AND line <> chr(26)"""

    def _fits(self) -> str:
        width = self.source.layout.width
        short = "true" if self.source.layout.short_lines == "blank" else f"length(line) >= {width}"
        return f"{short} AND (length(line) <= {width} OR trim(substring(line, {width + 1})) = '')"

    def _malformed(self, sink: SourceSink, last: int) -> tuple[MalformedRow, ...]:
        found = sink.query(f"""
            SELECT row_no, length(line), left(line, 1000) FROM ({self._lines()})
            WHERE row_no <= {last} AND NOT ({self._fits()}) ORDER BY row_no LIMIT {_MAX_MALFORMED + 1}""")
        if len(found) > _MAX_MALFORMED:
            raise SourceError(f"{self.source.path}: more than {_MAX_MALFORMED:,} lines do not fit; check the widths")
        return tuple(MalformedRow(int(str(row)), self._reason(int(str(n))), str(text)) for row, n, text in found)

    def _reason(self, length: int) -> str:
        layout = self.source.layout
        if length > layout.width:
            return f"the line has {length} characters, the schema's columns take {layout.width}"
        ends = f"it ends in column {layout.column_at(length)!r}"
        return f"the line has only {length} characters, the schema's columns take {layout.width}; {ends}"

    def _query(self, last: int) -> str:
        layout = self.source.layout
        cells = _cells(layout.fields, layout.starts)
        return f"SELECT row_no, {cells} FROM ({self._lines()}) WHERE row_no <= {last} AND {self._fits()}"


def _cells(fields: Sequence[Field], starts: Sequence[int]) -> str:
    return ", ".join(
        f"nullif(trim(substring(line, {start}, {field.width})), '') AS {identifier(field.name)}"
        for field, start in zip(fields, starts, strict=True)
    )
