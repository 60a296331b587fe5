"""The outside of an Excel workbook: what kind of file it is, how large it unpacks, and what its sheets' XML says.

openpyxl streams a sheet's cells, but does not tell which are merged or were never computed when it streams; that is
looked up here, in one pass over the sheet's bytes.
Source: ECMA-376, Office Open XML File Formats, part 1, 18.3.1 (worksheets: c, f, v, mergeCell).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import SourceError
from shared.sources.text_file import check_growth

_BLOCK_BYTES = 1 << 20
_OVERLAP_BYTES = 1 << 16
_MOST_GROWTH = 100
"""A sheet's cells have their places in them, so it packs to a twentieth or so."""
_MOST_MERGES = 200_000
MOST_UNPACKED_BYTES = 8 << 30
"""A full sheet (1,048,576 rows) of about 100 columns unpacks to this; it is streamed, never held."""
MOST_TEXTS_BYTES = 256 << 20
"""What is held in memory: the table of shared texts, styles, the list of sheets."""
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_REF = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref\s*=\s*["']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})["']""")
_END = re.compile(rb"</(?:\w+:)?sheetData\s*>|<(?:\w+:)?sheetData\s*/>")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
_UNCOMPUTED = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)"
    rb"\s*(<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_EMPTY_TEXT = re.compile(rb"""\bt\s*=\s*["']str["']""")
_CELL = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3}\d{1,7})["']""")


@dataclass(frozen=True, slots=True)
class Area:
    """A merged area; rows and columns from 1, ends included."""

    top: int
    left: int
    bottom: int
    right: int


def check_workbook(path: Path) -> None:
    """Hold that a file is a workbook that may be opened.

    Sizes are those of the archive's directory; the reader of the standard library unpacks no more than they say.

    Raises:
        SourceError: it is another kind of file, damaged, or unpacks to more than is read.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start == _OLD:
        raise SourceError(
            f"{path} is an Excel file of the old kind (.xls) or has a password; save it as .xlsx without a password"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise SourceError(
            f"{path} is no Excel workbook, or a damaged one ({error}); save it as .xlsx, or get it again"
        ) from None
    found = {member.filename for member in members}
    if "xl/workbook.bin" in found:
        raise SourceError(f"{path} is a binary workbook (.xlsb); save it as .xlsx")
    if "[Content_Types].xml" not in found:
        raise SourceError(f"{path} is an archive of another kind, no Excel workbook; hand over a .xlsx file")
    _check_sizes(path, members)


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    read = [m for m in members if m.filename.endswith((".xml", ".rels"))]
    held = sum(m.file_size for m in read if not m.filename.startswith(("xl/worksheets/", "xl/charts", "xl/drawings")))
    whole = sum(m.file_size for m in read)
    for part in read:  # blanks between the cells are read into memory, as every text is
        check_growth(part.compress_size, part.file_size, f"{path}, {part.filename}", most=_MOST_GROWTH)
    if held > MOST_TEXTS_BYTES or whole > MOST_UNPACKED_BYTES:
        size, most = (held, MOST_TEXTS_BYTES) if held > MOST_TEXTS_BYTES else (whole, MOST_UNPACKED_BYTES)
        what = "texts and styles unpack" if held > MOST_TEXTS_BYTES else "sheets unpack"
        raise SourceError(
            f"{path} ({path.stat().st_size >> 10:,} KB): its {what} to {size >> 20:,} MB; at most {most >> 20:,} MB "
            "are read, for a larger file fills the memory; save the sheet as a delimited file"
        )


def inspect_sheet(path: Path, member: str) -> tuple[Area, ...]:
    """The merged areas of a sheet, having checked that every formula in it has a value.

    Raises:
        SourceError: a formula was never computed, or the sheet is damaged.
    """
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        try:
            rest = _after_cells(path, file)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise SourceError(f"{path} is a damaged workbook ({error}); get it again") from None
    areas = [Area(int(r1), _number(c1), int(r2), _number(c2)) for c1, r1, c2, r2 in _REF.findall(rest)]
    if len(areas) > _MOST_MERGES:
        raise SourceError(f"{path}: the sheet has more than {_MOST_MERGES:,} merged areas; save it without them")
    return tuple(areas)


def _after_cells(path: Path, file: IO[bytes]) -> bytes:
    """What the sheet says behind its cells; cells are looked through for formulas without a value."""
    pending, ended = b"", False
    for block in _blocks(file):
        pending += block
        if not ended and (end := _END.search(pending)):
            _check_computed(path, pending[: end.start()])
            pending, ended = pending[end.end() :], True
        elif not ended:
            _check_computed(path, pending)
            pending = pending[-_OVERLAP_BYTES:]
        elif len(pending) > MOST_TEXTS_BYTES:
            raise SourceError(f"{path}: the sheet holds too much beside its cells; save it as a delimited file")
    return pending if ended else b""


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block


def _check_computed(path: Path, part: bytes) -> None:
    if not _FORMULA.search(part):
        return
    for found in _UNCOMPUTED.finditer(part):
        if found[2] is None or not _EMPTY_TEXT.search(found[1]):
            cell = _CELL.search(found[1])
            where = f"cell {cell[1].decode()}" if cell else "a cell"
            raise SourceError(
                f"{path}: {where} holds a formula that was never computed; open the workbook in Excel and save it"
            )


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
