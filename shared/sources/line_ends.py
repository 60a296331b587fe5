"""Temporary copies of delimited files that DuckDB would misread as they are.

DuckDB refuses a file in which some lines end with CR LF and others with LF. Only line ends between records are
rewritten; those inside quoted cells are values and stay.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shared.sources.csv_dialect import Dialect, line_ends
from shared.sources.text_file import BLOCK_BYTES, room_for


@contextlib.contextmanager
def with_one_line_end(path: Path, dialect: Dialect, *, spool: Path) -> Iterator[Path]:
    """A temporary copy of `path`, every record ending with LF, for as long as the context is open."""
    with tempfile.TemporaryDirectory(prefix="dynsync-", dir=spool) as folder:
        copy = Path(folder) / "lines.txt"
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
            copy.open("wb") as out,
        ):
            done = 0
            for token in dialect.tokens().finditer(text):
                if ends := line_ends(token.group()):
                    room_for(out, spool, token.end() - done, path)
                    out.write(text[done : token.start()])
                    out.write(b"\n" * ends)
                    done = token.end()
            out.write(text[done:])
        yield copy


@contextlib.contextmanager
def with_plain_top(path: Path, dialect: Dialect, *, spool: Path) -> Iterator[Path]:
    """The file, or a copy whose skipped lines are blanked out when they hold a quote.

    `skip_rows` counts lines; DuckDB's `skip` counts records, and takes a quote in a title for the start of a cell.
    """
    with path.open("rb") as file:
        skipped = b"".join(file.readline() for _ in range(dialect.skip_rows))
        if dialect.quote is None or dialect.quote.encode() not in skipped:
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="dynsync-", dir=spool) as folder:
            copy = Path(folder) / "top.txt"
            with copy.open("wb") as out:
                end = b"\r\n" if skipped.endswith(b"\r\n") else b"\n"
                out.write((b"-" + end) * dialect.skip_rows)
                while block := file.read(BLOCK_BYTES):
                    room_for(out, spool, len(block), path)
                    out.write(block)
            yield copy
