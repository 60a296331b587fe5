"""A text file made readable: unpacked, checked, and in UTF-8.

One pass over the bytes finds broken encodings, NUL bytes and truncated gzip before anything is staged. A file that is
already plain UTF-8 is read where it lies; any other is copied into the spool folder, block by block.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import SourceError

BLOCK_BYTES = 1 << 20
_RESERVE_BYTES = 64 << 20
_ANY_GROWTH_BYTES = 256 << 20
_MOST_GROWTH = 250
_CODECS = {"latin-1": "iso-8859-1", "windows-1252": "cp1252", "utf-8-sig": "utf-8"}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_C1 = dict.fromkeys(range(0x80, 0xA0))


EMPTY_TABLE = "a file without records still has its header"
EMPTY_JSON = "a list without records is written as []; get the file again, or see what was to write it"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of text as the definition describes it. `spool` is a folder for a temporary copy.

    `empty` says what a file without records holds all the same.
    """

    path: Path
    encoding: str
    spool: Path
    empty: str = EMPTY_TABLE

    @contextlib.contextmanager
    def readable(self) -> Iterator[Path]:
        """A path at which the same text lies in plain UTF-8 for as long as the context is open.

        Raises:
            SourceError: it is empty, truncated, or not in the stated encoding.
        """
        with _system_errors(self.path):
            if self.path.stat().st_size == 0:
                raise SourceError(f"{self.path} is empty (0 bytes); {self.empty}")
            copied = self._needs_copy()
            if not copied:
                for _ in self._texts():
                    pass
        if not copied:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="dynsync-", dir=self.spool) as folder:
            copy = Path(folder) / "source.txt"
            with _system_errors(self.path), copy.open("wb") as out:
                self._copy(out)
            yield copy

    def _needs_copy(self) -> bool:
        return self._packed() or self.encoding not in ("utf-8", "utf-8-sig")

    def _packed(self) -> bool:
        with self.path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"

    def _copy(self, out: IO[bytes]) -> None:
        for text in self._texts():
            room_for(out, self.spool, len(text), self.path)
            out.write(text if isinstance(text, bytes) else text.encode())

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes, unpacked, in blocks."""
        packed = self._packed()
        with self.path.open("rb") as raw, gzip.open(raw, "rb") if packed else contextlib.nullcontext(raw) as file:
            try:
                unpacked = 0
                while block := file.read(BLOCK_BYTES):
                    unpacked += len(block)
                    if packed:
                        check_growth(self.path.stat().st_size, unpacked, str(self.path))
                    yield block
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise SourceError(
                    f"{self.path} is a damaged or truncated gzip file ({error}); nothing was taken, get it again"
                ) from None

    def _texts(self) -> Iterator[str | bytes]:
        decode = codecs.getincrementaldecoder(_CODECS.get(self.encoding, self.encoding))()
        passed = 0
        plain = self.encoding not in ("utf-16",)
        for number, block in enumerate(self.blocks()):
            if number == 0:
                self._check_mark(block)
            if plain and 0 in block:
                raise self._nul(passed + block.index(0))
            yield self._decoded(decode, block, passed)
            passed += len(block)
        self._decoded(decode, b"", passed, final=True)

    def _decoded(
        self, decode: codecs.IncrementalDecoder, block: bytes, passed: int, *, final: bool = False
    ) -> str | bytes:
        pending = len(decode.getstate()[0])
        if not pending and self.encoding != "utf-16" and block.isascii():
            return block
        try:
            text = decode.decode(block, final)
        except UnicodeDecodeError as error:
            raise self._broken(passed - pending + error.start) from None
        if self.encoding == "latin-1" and len(text.translate(_C1)) != len(text):
            raise self._broken(passed + next(at for at, sign in enumerate(text) if ord(sign) in _C1))
        if self.encoding == "utf-16" and "\0" in text:
            raise self._nul(passed + 2 * text.index("\0"))
        return text

    def _check_mark(self, block: bytes) -> None:
        found = next((name for mark, name in _BOMS if block.startswith(mark)), None)
        stated = "utf-8" if self.encoding == "utf-8-sig" else self.encoding
        if found is None and stated != "utf-16" and block[:64].count(0) > len(block[:64]) // 4:
            found = "utf-16"
        if found == "utf-16" and stated != "utf-16":
            raise SourceError(f"{self.path} seems to be in utf-16, not {stated}; state `encoding: utf-16`")
        if found == "utf-8" and stated != "utf-8":
            raise SourceError(f"{self.path} begins with the mark of utf-8, not {stated}; state `encoding: utf-8`")

    def _nul(self, position: int) -> SourceError:
        return SourceError(
            f"{self.path}, line {self.line(position)}: a NUL character, which no text holds; "
            "the file is damaged or not a text file; get it again or export it as text"
        )

    def _broken(self, position: int) -> SourceError:
        return SourceError(
            f"{self.path}, line {self.line(position)}: bytes that are not {self.encoding}; "
            f"the file seems to be in {self._guess(position)}; state that as `encoding`, or export the file again"
        )

    def line(self, position: int) -> int:
        """The line (from 1) in which the byte at `position` stands, counted after unpacking."""
        feeds = returns = 0
        for block in self.blocks():
            part = block[: max(position, 0)]
            feeds, returns = feeds + part.count(b"\n"), returns + part.count(b"\r")
            position -= len(block)
            if position <= 0:
                break
        return (feeds or returns) + 1

    def _guess(self, position: int) -> str:
        sample = b""
        for block in self.blocks():
            sample = block[max(position - 1000, 0) : position + 1000] if position < len(block) else b""
            position -= len(block)
            if sample:
                break
        return guess_encoding(sample, apart_from=self.encoding)


def guess_encoding(sample: bytes, *, apart_from: str = "") -> str:
    """The encoding that a sample seems to be in: by its mark, as valid UTF-8, or as Windows' or ISO's Latin letters."""
    mark = next((name for sign, name in _BOMS if sample.startswith(sign)), None)
    if mark is not None:
        return mark
    if len(sample) > 3 and sample[:64].count(0) > len(sample[:64]) // 4:
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        pass
    else:
        if apart_from not in ("utf-8", "utf-8-sig"):
            return "utf-8"
    high = any(0x80 <= byte < 0xA0 for byte in sample)
    return "windows-1252" if high or apart_from == "latin-1" else "windows-1252 or latin-1"


def check_growth(packed_bytes: int, unpacked_bytes: int, shown: str, *, most: int = _MOST_GROWTH) -> None:
    """Hold that a packed file does not grow beyond what any honest one does: to `most` times its size.

    Raises:
        SourceError: it does; nothing more is unpacked.
    """
    if unpacked_bytes > _ANY_GROWTH_BYTES and unpacked_bytes > most * packed_bytes:
        raise SourceError(
            f"{shown} ({packed_bytes >> 10:,} KB) unpacks to more than {unpacked_bytes >> 20:,} MB, over "
            f"{most} times its size; it is no honest file; hand it over unpacked"
        )


def room_for(out: IO[bytes], folder: Path, size_bytes: int, path: Path) -> None:
    """Check now and then that a temporary copy does not fill the disk.

    Raises:
        SourceError: it would.
    """
    before = out.tell()
    if before // (16 << 20) == (before + size_bytes) // (16 << 20) and before:
        return
    if shutil.disk_usage(folder).free < _RESERVE_BYTES:
        raise SourceError(
            f"{path} unpacked is too large for the temporary disk ({before >> 20} MB written to {folder}); "
            "give the app more temporary disk, or split the file"
        )


def line_at(path: Path, position: int) -> int:
    """The line (from 1) in which the byte at `position` of a UTF-8 file stands."""
    return TextFile(path=path, encoding="utf-8", spool=path.parent).line(position)


@contextlib.contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}; check the file and its rights") from None
