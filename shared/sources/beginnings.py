"""Only as much of a file as a look at its columns needs: a text's start, also packed; the footer of a Parquet file.

What is made here lies beside the job's other copies and is read like a whole file. A text ends with a whole line.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from shared.sources.unpacking import ZIP_STARTS, chosen

_BLOCK_BYTES = 128 << 10
_FOOTER_BYTES = 64 << 10
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
Ranges = Callable[[int, int], bytes]
"""Gives a piece of a file: from a byte on, so many."""


class RangedFile(io.RawIOBase):
    """A file of known size that is read by ranges."""

    def __init__(self, size_bytes: int, ranges: Ranges) -> None:
        super().__init__()
        self._size, self._ranges, self._at = size_bytes, ranges, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is read."""
        self._at = max(offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence], 0)
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        """Read one range."""
        wanted = min(len(into), self._size - self._at)
        if wanted <= 0:
            return 0
        found = self._ranges(self._at, wanted)
        into[: len(found)] = found
        self._at += len(found)
        return len(found)

    def buffered(self) -> IO[bytes]:
        """The same, with ranges of a size that is worth a request."""
        return io.BufferedReader(self, _BLOCK_BYTES)


def beginning(file: IO[bytes], target: Path, *, encoding: str | None, most_bytes: int) -> bool:
    """Write the part of a file that tells its columns to `target`; False when only the whole file can be read.

    `encoding` is that of a text, None for other kinds; at most `most_bytes` are read of a text, and written.
    """
    start = file.read(4)
    if start == _PARQUET:
        return _parquet(file, target)
    if encoding is None:
        return False
    file.seek(0)
    with contextlib.suppress(zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error):
        content = _unpacked(_first(file, most_bytes) if start in ZIP_STARTS else file.read(most_bytes), most_bytes)
        if content and not content.startswith(_PARQUET):
            target.write_bytes(_whole_lines(content, encoding))
            return True
    return False  # reading the whole says what is wrong


def _first(file: IO[bytes], most_bytes: int) -> bytes:
    """What an archive's first file begins with."""
    with zipfile.ZipFile(file) as archive:
        found = chosen(archive)
        if not found:
            return b""
        with archive.open(found[0]) as member:
            return member.read(most_bytes)


def _unpacked(content: bytes, most_bytes: int) -> bytes:
    if not content.startswith(_GZIP):
        return content
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, most_bytes)


def _whole_lines(content: bytes, encoding: str) -> bytes:
    """Without the last line, which may be torn; where there is but one, without half of a character."""
    if encoding == "utf-16":
        end = b"\0\n" if content.startswith(codecs.BOM_UTF16_BE) else b"\n\0"
        at = content.rfind(end)
        while at % 2 and at > 0:
            at = content.rfind(end, 0, at)
        return content[: at + 2 if at > 0 else len(content) // 2 * 2]
    at = max(content.rfind(b"\n"), content.rfind(b"\r"))
    if at >= 0 or not encoding.startswith("utf-8"):
        return content[: at + 1] if at >= 0 else content
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(content)
    return content[: len(content) - len(decoder.getstate()[0])]


def _parquet(file: IO[bytes], target: Path) -> bool:
    """A file of the same size that holds the footer alone; the rest is a hole, which takes no room.

    Source: Apache Parquet, file format: footer, its length in 4 bytes (little-endian), "PAR1".
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - _FOOTER_BYTES, 0))
    end = file.read(_FOOTER_BYTES)
    length = int.from_bytes(end[-8:-4], "little") + 8
    if end[-4:] != _PARQUET or length > size:
        return False
    if length > len(end):
        file.seek(size - length)
        end = file.read(length)
    with target.open("wb") as out:
        out.write(_PARQUET)
        out.seek(size - len(end))
        out.write(end)
    return True
