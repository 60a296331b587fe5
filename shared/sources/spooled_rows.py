"""Rows on their way into the workspace, as a file that DuckDB reads: several times cheaper than appending their values.

A row is a JSON list on a line of its own. Without a backslash in it, that is at the same time a record of delimited
text, so whoever can write such lists in one stroke (SQLite, orjson) needs no Python object for each value.

A line is `[0,ABSENT,VALUE,…,0]`: `[0` a record (`[1`: only a number that is left out), which values are
absent (`0`: none), and the values. Nobody reads the end behind the last comma.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import duckdb

from shared.errors import SourceError
from shared.ports import SourceSink
from shared.sources.csv_dialect import MAX_RECORD_BYTES
from shared.sources.text_file import room_for
from shared.sql import identifier, literal

_BATCH_BYTES = 1 << 20


@dataclass(slots=True)
class SpooledRows:
    """The rows of one read, all VARCHAR. `marks`: each column has another that says whether it is absent, `"<name>?"`.

    `path` is the file, `shown` where the rows come from, for messages.
    """

    path: Path
    columns: tuple[str, ...]
    shown: Path
    out: IO[bytes]
    marks: bool = False
    _waiting: bytearray = field(default_factory=bytearray)
    _gaps: bool = False
    _absent: bool = False
    _ends: bool = False
    _records: int = 0

    def line(self, line: bytes) -> None:
        """Take a line as it stands; it holds no backslash, and no list or object among its values."""
        self._records += 1
        self._add(line)

    def lines(self, lines: Sequence[str]) -> None:
        """Take several such lines."""
        self._records += len(lines)
        self._add("\n".join(lines).encode())

    def block(self, lines: bytes, records: int) -> None:
        """Take many such lines, one behind the other."""
        self._records += records
        self._add(lines)

    def row(self, texts: Sequence[str | None], absent: Sequence[bool] = ()) -> None:
        """Take one row of texts, whatever they hold but NUL characters."""
        marks = "".join("01"[one] for one in absent) if True in absent else "0"
        self._absent = self._absent or True in absent
        cells = ["null" if text is None else '"' + text.replace('"', '""') + '"' for text in texts]
        line = f"[0,{marks},{','.join(cells)},0]"
        self._ends = self._ends or "\n" in line or "\r" in line
        self.line(line.encode())

    def gap(self) -> None:
        """Pass over a number: its record was set aside."""
        self._gaps = True
        self._add(b"[1,0" + b",null" * len(self.columns) + b",0]")

    def fill(self, sink: SourceSink) -> int:
        """Stage the rows under their numbers; returns how many they are.

        Raises:
            SourceError: one is too long.
        """
        self._flush()
        self.out.flush()
        if not self._records:
            flags = {f"{name}?": "BOOLEAN" for name in self.columns} if self.marks else {}
            sink.create({"row_no": "BIGINT"} | dict.fromkeys(self.columns, "VARCHAR") | flags)
            return 0
        try:
            staged = self._staged(sink)
        except duckdb.InvalidInputException as error:
            reason = str(error).partition("\n")[0]
            raise SourceError(f"the rows of {self.shown} cannot be staged: {reason}") from None
        if staged != self._records:
            raise SourceError(f"{self.shown} gave {self._records:,} rows, {staged:,} could be staged; report this")
        return staged

    def _add(self, text: bytes) -> None:
        # One growing buffer: thousands of small objects that wait to be joined cost ten times as much.
        waiting = self._waiting
        waiting += text
        waiting += b"\n"
        if len(waiting) > _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            room_for(self.out, self.path.parent, len(self._waiting), self.shown)
            self.out.write(self._waiting)
            self._waiting = bytearray()

    def _staged(self, sink: SourceSink) -> int:
        """Fill the sink: by several threads, unless numbers are left out or a text runs over a line's end."""
        flags = tuple(f"{name}?" for name in self.columns) if self.marks else ()
        if self._gaps or self._absent or self._ends or "rowid" in map(str.casefold, self.columns):
            return sink.fill(self._query())
        cells = ", ".join(f"c{at} AS {identifier(name)}" for at, name in enumerate(self.columns))
        return sink.fill_in_order(f"SELECT {cells} FROM {self._lines()}", never=flags)

    def _query(self) -> str:
        cells = [f"c{at} AS {identifier(name)}" for at, name in enumerate(self.columns)]
        if self.marks:
            cells += [f"{self._mark(at)} AS {identifier(name + '?')}" for at, name in enumerate(self.columns)]
        if not self._gaps:
            return f"SELECT row_number() OVER () AS row_no, {', '.join(cells)} FROM {self._lines()}"
        numbered = f"SELECT row_number() OVER () AS row_no, * FROM {self._lines()}"
        return f"SELECT row_no, {', '.join(cells)} FROM ({numbered}) WHERE head = '[0'"

    def _mark(self, at: int) -> str:
        return f"substring(absent, {at + 1}, 1) = '1'" if self._absent else "false"

    def _lines(self) -> str:
        names = ["head", "absent", *(f"c{at}" for at in range(len(self.columns))), "tail"]
        types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
        return f"""read_csv({literal(str(self.path))}, auto_detect = false, header = false, delim = ',', quote = '"',
          escape = '"', new_line = '\\n', columns = {{{types}}}, nullstr = 'null', allow_quoted_nulls = false,
          compression = 'none', strict_mode = true, max_line_size = {MAX_RECORD_BYTES},
          buffer_size = {2 * MAX_RECORD_BYTES})"""


@contextlib.contextmanager
def spooled_rows(columns: tuple[str, ...], spool: Path, shown: Path, *, marks: bool = False) -> Iterator[SpooledRows]:
    """Rows in a file of the folder `spool`, which goes away in the end."""
    with tempfile.TemporaryDirectory(prefix="dynsync-", dir=spool) as folder:
        path = Path(folder) / "rows.csv"
        with path.open("wb") as out:
            yield SpooledRows(path, columns, shown, out, marks)
