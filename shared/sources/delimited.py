"""Delimited text files (CSV), staged by DuckDB's own parallel reader.

Two passes: the first counts the records and finds the malformed ones (a tenth of the cost, for no cell is kept), the
second stages the cells as text, each record under its number. Nothing is staged of a file that cannot be read whole.
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
from shared.sources import csv_rejects, names
from shared.sources.csv_dialect import Dialect, Top, check_distinct, check_header, read_top
from shared.sources.line_ends import with_one_line_end, with_plain_top
from shared.sources.text_file import TextFile
from shared.sql import identifier, literal

_BLOCK = 1024
_MIXED = "state machine reached an invalid state"


@dataclass(frozen=True, slots=True)
class DelimitedFile:
    """A delimited file as a source. `wanted`: the schema's columns, in order; `spool`: a folder for copies."""

    path: Path
    wanted: tuple[str, ...]
    dialect: Dialect
    encoding: str
    spool: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself."""
        return (self.path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: every cell as VARCHAR; an empty cell, quoted or not, is NULL."""
        names.require_distinct(self.wanted, where=str(self.path))
        with self._text.readable() as whole, with_plain_top(whole, self.dialect, spool=self.spool) as readable:
            try:
                return self._stage(readable, sink)
            except duckdb.Error as error:
                if _MIXED not in str(error):
                    raise self._unreadable(error) from None
            with with_one_line_end(readable, self.dialect, spool=self.spool) as copy:
                try:
                    return self._stage(copy, sink)
                except duckdb.Error as error:
                    raise self._unreadable(error) from None

    def column_types(self) -> Mapping[str, str]:
        """All columns of the header (by position: the schema's) as VARCHAR."""
        with self._text.readable() as readable:
            header = read_top(readable, self.dialect, shown=self.path).header
        if header is not None:
            check_distinct(header, shown=self.path)
        return dict.fromkeys(self.wanted if header is None else header, "VARCHAR")

    @property
    def _text(self) -> TextFile:
        return TextFile(path=self.path, encoding=self.encoding, spool=self.spool)

    def _stage(self, readable: Path, sink: SourceSink) -> StagedSource:
        top = read_top(readable, self.dialect, shown=self.path)
        if top.header is not None:
            check_header(top.header, self.wanted, self.dialect, shown=self.path)
        scan = _Scan(self, readable, top)
        try:
            records, malformed = scan.count(sink)
            plain = not malformed and "rowid" not in map(str.casefold, self.wanted)
            staged = sink.fill_in_order(scan.cells) if plain else sink.fill(scan.query(malformed, records))
            found = sink.query(f"SELECT count(DISTINCT line) FROM {csv_rejects.TABLE}")[0][0]
            if staged != records or found != len(malformed):
                scan.malformed(sink)
                raise SourceError(f"{self.path} changed while it was read; hand over a file that nobody writes to")
        finally:
            _drop_rejects(sink)
        return StagedSource(records=records, malformed=malformed)

    def _unreadable(self, error: duckdb.Error) -> SourceError:
        reason = re.split(r"[\n]", str(error))[0]
        return SourceError(
            f"{self.path} cannot be read as delimited text: {reason}; check delimiter, quote, escape and encoding"
        )


@dataclass(frozen=True, slots=True)
class _Scan:
    """One readable file, and the queries over it."""

    source: DelimitedFile
    readable: Path
    top: Top

    @property
    def width(self) -> int:
        return len(self.source.wanted if self.top.header is None else self.top.header)

    def count(self, sink: SourceSink) -> tuple[int, tuple[MalformedRow, ...]]:
        """How many records can be split, and the ones that cannot."""
        _drop_rejects(sink)
        records = int(str(sink.query(f"SELECT count(*) FROM {self._read()}")[0][0]))
        malformed = self.malformed(sink)
        if malformed and not records and self.top.header is None:
            raise SourceError(
                f"{self.source.path}: no record has the schema's {self.width} cells (first: {malformed[0].reason}); "
                "check the delimiter and the schema"
            )
        _drop_rejects(sink)
        return records, malformed

    def malformed(self, sink: SourceSink) -> tuple[MalformedRow, ...]:
        """The malformed records of the scan that ran last."""
        rejects = csv_rejects.Rejects(
            path=self.readable, shown=self.source.path, dialect=self.source.dialect, top=self.top, width=self.width
        )
        return rejects.malformed(sink.query(csv_rejects.QUERY))

    @property
    def cells(self) -> str:
        """The wanted cells of all records, in their order."""
        return f"SELECT {self._wanted} FROM {self._read()}"

    @property
    def _wanted(self) -> str:
        header = self.source.wanted if self.top.header is None else self.top.header
        position = {name: number for number, name in reversed(list(enumerate(header)))}
        return ", ".join(f"c{position[name]} AS {identifier(name)}" for name in self.source.wanted)

    def query(self, malformed: Sequence[MalformedRow], records: int) -> str:
        """Stages the wanted cells, each record under its number."""
        cells = self._wanted
        if not malformed:
            return f"SELECT row_number() OVER () AS row_no, {cells} FROM {self._read()}"
        # Each malformed record lifts the numbers of the good records behind it. They are looked up by blocks, in a hash
        # join: it depends on no order, and an ASOF join would sort the whole file.
        return f"""
            WITH lift AS ({_lifts(malformed, records)}),
                 good AS (SELECT row_number() OVER () AS good_no, * FROM {self._read()})
            SELECT good_no + lifted + len(list_filter(firsts, lambda first: first <= good_no)) AS row_no, {cells}
            FROM good JOIN lift ON lift.block = good_no // {_BLOCK}
        """

    def _read(self) -> str:
        options = self.source.dialect.options(skip=self.top.skip, width=self.width)
        return f"read_csv({literal(str(self.readable))}, {options}, {csv_rejects.OPTIONS})"


def _lifts(malformed: Sequence[MalformedRow], records: int) -> str:
    """A query for each block of good records: how many malformed ones stand before it, and before which ones in it."""
    blocks: list[list[int]] = [[] for _ in range(records // _BLOCK + 1)]
    for rank, one in enumerate(malformed, start=1):
        first = one.row - rank + 1
        if first <= records:
            blocks[first // _BLOCK].append(first)
    before = [0, *accumulate(map(len, blocks))][:-1]
    return (
        f"SELECT unnest(range({len(blocks)})) AS block, unnest({before}::BIGINT[]) AS lifted, "
        f"unnest({blocks}::BIGINT[][]) AS firsts"
    )


def _drop_rejects(sink: SourceSink) -> None:
    for statement in csv_rejects.DROP:
        sink.query(statement)
