"""How a delimited file is written, and how its top is read: skipped lines, header, first record."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import SourceError
from shared.sources import names
from shared.sql import literal

MAX_RECORD_BYTES = 10 << 20
_OTHERS = (",", ";", "\t", "|", ":")
_SPELLED = {"\t": "a tab (\\t)", " ": "a space"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """Separator, text qualifier (None: none) and the sign before a qualifier in a text (None: it is doubled)."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    header: bool = True
    skip_rows: int = 0

    def records(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """The records of some lines, by the standard library's reader; for the top of a file only."""
        escape = self.escape if self.escape != self.quote else None
        if self.quote is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, escapechar=escape)
        return csv.reader(
            lines, delimiter=self.delimiter, quotechar=self.quote, escapechar=escape, doublequote=escape is None
        )

    def options(self, *, skip: int, width: int) -> str:
        """The options of DuckDB's `read_csv`: `width` text columns c0, c1, …; `skip` records are left out."""
        quote = self.quote or ""
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(width))
        escape = (self.escape or quote) if quote else ""
        return (
            f"auto_detect = false, header = false, skip = {skip}, delim = {literal(self.delimiter)}, "
            f"quote = {literal(quote)}, escape = {literal(escape)}, columns = {{{columns}}}, "
            f"compression = 'none', strict_mode = true, max_line_size = {MAX_RECORD_BYTES}, "
            f"buffer_size = {2 * MAX_RECORD_BYTES}"
        )

    def tokens(self) -> re.Pattern[bytes]:
        """Finds quoted cells, and runs of line ends outside of them; `line_ends` tells which.

        Every token begins with a sign of one set, which lets the search skip everything else quickly.
        """
        if self.quote is None:
            return re.compile(rb"[\r\n]+")
        sign, delimiter = re.escape(self.quote.encode()), re.escape(self.delimiter.encode())
        inside = rb"(?:[^%s]|%s%s)*+" % (sign, sign, sign)
        if self.escape is not None and self.escape != self.quote:
            inside = rb"(?:%s.|[^%s])*+" % (re.escape(self.escape.encode()), sign)
        # A quote opens a cell only behind a separator, a line end, or at the start.
        cell = rb"(?<=%s)(?<![^%s\r\n]%s)%s%s" % (sign, delimiter, sign, inside, sign)
        return re.compile(rb"[%s\r\n](?:%s|(?<=[\r\n])[\r\n]*)" % (sign, cell), re.DOTALL)


def line_ends(token: bytes) -> int:
    """How many line ends a token is: 0 for a quoted cell."""
    return (token.count(b"\n") or token.count(b"\r")) if token[0] in b"\r\n" else 0


@dataclass(frozen=True, slots=True)
class Top:
    """The top of a file: the header's cells (None without a header), and the records before the first data record."""

    header: tuple[str, ...] | None
    skip: int


def read_top(path: Path, dialect: Dialect, *, shown: Path) -> Top:
    """Read the skipped lines and the header of a readable file; `shown` is the name for messages.

    Raises:
        SourceError: there is no header, or it cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number in range(dialect.skip_rows):
            if not file.readline(MAX_RECORD_BYTES):
                has = "1 line" if number == 1 else f"{number} lines"
                raise SourceError(f"{shown} has {has}, but `skip_rows` is {dialect.skip_rows}; lower it")
        skip = dialect.skip_rows
        if not dialect.header:
            return Top(header=None, skip=skip)
        lines = iter(lambda: file.readline(MAX_RECORD_BYTES), "")
        try:
            for record in dialect.records(lines):
                skip += 1
                if record:
                    return Top(header=tuple(record), skip=skip)
        except csv.Error as error:
            raise SourceError(f"{shown}, line {skip + 1}: the header cannot be read ({error})") from None
    raise SourceError(f"{shown} has no header line; state `header: false` when it has none")


def check_header(header: Sequence[str], wanted: Sequence[str], dialect: Dialect, *, shown: Path) -> None:
    """Hold the header against the schema.

    Raises:
        SourceError: the separator is another one, a name stands there twice, or a column is missing.
    """
    if not set(wanted) <= set(header):
        _check_delimiter(header, wanted, dialect, shown=shown)
    check_distinct(header, shown=shown)
    names.require(wanted, header, where=f"the header of {shown}")


def check_distinct(header: Sequence[str], *, shown: Path) -> None:
    """Hold that a header names each column once; cells without a name do not count.

    Raises:
        SourceError: a name stands there twice.
    """
    seen: dict[str, int] = {}
    for position, name in enumerate(header, start=1):
        first = seen.setdefault(name, position) if name.strip() else position
        if first != position:
            raise SourceError(
                f"{shown}: the header names the column {name!r} twice, at positions {first} and {position}; "
                "give each column its own name"
            )


def _check_delimiter(header: Sequence[str], wanted: Sequence[str], dialect: Dialect, *, shown: Path) -> None:
    line = dialect.delimiter.join(header)
    present = len(set(wanted) & set(header))
    for other in _OTHERS:
        if other == dialect.delimiter or other not in line:
            continue
        cells = next(csv.reader([line], delimiter=other), [])
        if len(cells) > 1 and len(set(wanted) & {cell.strip() for cell in cells}) > present:
            raise SourceError(
                f"{shown}: the header {line[:200]!r} is not separated by {spelled(dialect.delimiter)}; "
                f"the delimiter seems to be {spelled(other)}; state that as `delimiter`"
            )


def spelled(delimiter: str) -> str:
    """A separator for a message."""
    return _SPELLED.get(delimiter, repr(delimiter))
