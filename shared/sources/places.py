"""Where a file source lies: its path made from the template, inside the operator's reach, and there."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import NotAllowedError, NotBuiltError, SourceError
from shared.sources.file_set import Listed
from shared.sources.patterns import NamePattern

_SHOWN = 5


def _similar(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist either"
    try:
        present = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        return f"its folder cannot be listed ({error.strerror})"
    close = difflib.get_close_matches(path.name, present, n=_SHOWN, cutoff=0.5)
    if close:
        return f"similar names in its folder: {', '.join(close)}"
    return f"its folder holds {_files(len(present))} of a similar name" if present else "its folder holds no file"


def _files(count: int) -> str:
    return "1 file, not" if count == 1 else f"{count:,} files, none"


def _within(folder: Path) -> str:
    try:
        present = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        return f"it cannot be listed ({error.strerror})"
    more = ", …" if len(present) > _SHOWN else ""
    return f"name one of its files: {', '.join(present[:_SHOWN])}{more}" if present else "it holds no file"


def locate(text: str, *, base: Path, allows_path: Callable[[Path], bool]) -> Path:
    """The absolute path of an existing file that may be read.

    `text` is relative to `base` unless absolute; links and `..` are resolved before the reach is asked.

    Raises:
        SourceError: there is no such file; names similar files of the folder.
        NotAllowedError: the path is outside the operator's reach.
        NotBuiltError: it is an address that this version does not read.
    """
    if "://" in text:
        raise NotBuiltError(
            f"a source at an address ({text.partition('://')[0]}://…) is not read yet; use a local path"
        )
    if "\0" in text:
        raise SourceError("the source's path holds a NUL character; write a plain path")
    path = (base / text).resolve()
    if not allows_path(path):
        raise NotAllowedError(
            f"the source file {path} is outside the folders that may be read; "
            "the operator allows more in syncs/reach.yaml"
        )
    if not path.is_file():
        if path.is_dir():
            raise SourceError(f"the source {path} is a folder, not a file; {_within(path)}")
        raise SourceError(
            f"the source file {path} does not exist; {_similar(path)}; correct the path, or put the file there"
        )
    return path


def locate_all(pattern: NamePattern, *, base: Path, allows_path: Callable[[Path], bool]) -> tuple[Path, ...]:
    """The files that a pattern means, by name; each one within the reach.

    Raises:
        SourceError: no file matches, or the folder cannot be listed.
        NotAllowedError: one is outside the operator's reach.
    """
    if not pattern.wild:
        return (locate(pattern.text, base=base, allows_path=allows_path),)
    text, names = pattern.split_folder()
    folder = (base / text).resolve()
    try:
        present = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        raise SourceError(f"the folder {folder} cannot be listed ({error.strerror}); check the source's path") from None
    found = [name for name in present if names.matches(name)]
    if not found:
        raise SourceError(f"no file in {folder} matches {names.text!r}; it holds {len(present):,} in all")
    return tuple(locate(str(folder / name), base=base, allows_path=allows_path) for name in found)


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Local files in their order; a file is known by its path, the time it was written and its size."""

    paths: tuple[Path, ...]

    def list(self) -> Sequence[Listed]:
        """The files, as they are now."""
        return [Listed(str(path), _version(path)) for path in self.paths]

    @contextmanager
    def local(self, file: Listed, folder: Path) -> Iterator[Path]:
        """The file where it lies.

        Raises:
            SourceError: at the end, when it was written to meanwhile.
        """
        yield Path(file.name)
        if _version(Path(file.name)) != file.version:
            raise SourceError(f"{file.name} changed while it was read; hand over a file that nobody writes to")

    @contextmanager
    def opened(self, file: Listed) -> Iterator[tuple[IO[bytes], int]]:
        """The file to read pieces of, and its size."""
        try:
            with Path(file.name).open("rb") as found:
                yield found, Path(file.name).stat().st_size
        except OSError as error:
            raise SourceError(f"{file.name} cannot be read: {error.strerror}") from None


def _version(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    return f"{found.st_mtime_ns}-{found.st_size}"
