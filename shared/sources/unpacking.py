"""Packed files: a zip's members as files, and a limit to what anything may unpack to."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from shared.errors import SourceError
from shared.sources.text_file import BLOCK_BYTES, check_growth, room_for

ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_MOST_MEMBERS = 10_000


def is_zip(path: Path) -> bool:
    """Whether a file begins like a zip archive."""
    try:
        with path.open("rb") as file:
            return file.read(4) in ZIP_STARTS
    except OSError:
        return False  # reading it will say why


def members(path: Path, shown: str) -> list[zipfile.ZipInfo]:
    """The files in an archive, by name; what systems put beside them (folders, hidden files) is left out.

    Raises:
        SourceError: it is damaged, protected or empty.
    """
    with _damage_in_words(shown), zipfile.ZipFile(path) as archive:
        found = chosen(archive)
    if not found:
        raise SourceError(f"{shown} is an archive without a file in it")
    if len(found) > _MOST_MEMBERS:
        raise SourceError(f"{shown} is an archive of {len(found):,} files; at most {_MOST_MEMBERS:,} are read")
    if any(one.flag_bits & 1 for one in found):
        raise SourceError(f"{shown} is an archive with a password; hand it over without one")
    return found


def chosen(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in an open archive, by name, without what systems put beside them."""
    found = [one for one in archive.infolist() if _wanted(one.filename)]
    return sorted(found, key=lambda one: one.filename)


def unpack(path: Path, member: zipfile.ZipInfo, target: Path, shown: str) -> None:
    """Write one member to `target`.

    Raises:
        SourceError: it is damaged, unpacks to more than any honest file does, or the disk is full.
    """
    with (
        _damage_in_words(shown),
        zipfile.ZipFile(path) as archive,
        archive.open(member) as file,
        target.open("wb") as out,
    ):
        while block := file.read(BLOCK_BYTES):
            check_growth(member.compress_size, out.tell() + len(block), shown)
            room_for(out, target.parent, len(block), Path(shown))
            out.write(block)


def _wanted(name: str) -> bool:
    steps = name.split("/")
    return not name.endswith("/") and steps[0] != "__MACOSX" and not steps[-1].startswith(".")


@contextlib.contextmanager
def _damage_in_words(shown: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{shown} is a damaged archive, or one of an unusual kind ({error}); get it again") from None
    except OSError as error:
        raise SourceError(f"{shown} cannot be unpacked: {error.strerror or error}") from None
