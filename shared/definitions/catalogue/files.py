"""The definitions in a folder's files, read again when a file changes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from shared.definitions.catalogue.reading import Read, Reader
from shared.definitions.loading import read_text
from shared.errors import DefinitionError, NotFoundError
from shared.values.problems import Problem

REACH_FILE = "reach.yaml"
"""The file of the folder that is no sync."""


@dataclass(frozen=True, slots=True)
class _Stamped:
    """What a file gave when it had this stamp (change time and size)."""

    stamp: tuple[int, int]
    read: Read


class Files:
    """The files of one folder. A file is found among those that are there, never by a name made to a path."""

    def __init__(self, folder: Path, reader: Reader) -> None:
        self._folder = folder
        self._reader = reader
        self._kept: dict[Path, _Stamped] = {}

    def names(self) -> list[str]:
        """The stems of all files, in order."""
        return [path.stem for path in self._paths()]

    def all(self) -> dict[str, Read]:
        """Every file, by its stem, in order."""
        return {path.stem: self._read(path) for path in self._paths()}

    def get(self, name: str) -> Read | None:
        """The file of one sync; None when it has none."""
        path = self._path(name)
        return self._read(path) if path is not None else None

    def text(self, name: str) -> str:
        """The text of a sync's file. Raises `NotFoundError`, and `DefinitionError` when it cannot be read."""
        path = self._path(name)
        if path is None:
            raise NotFoundError(f"sync {name!r} has no file in {self._folder.name}/")
        return read_text(path)

    def _paths(self) -> list[Path]:
        return [path for name in self._listed() if (path := self._folder / name).is_file()]

    def _path(self, name: str) -> Path | None:
        """One of those; the others are not looked at, for a list of syncs asks for each."""
        found = (self._folder / file for file in self._listed() if file.rpartition(".")[0] == name)
        return next((path for path in found if path.is_file()), None)

    def _listed(self) -> list[str]:
        """The names of what may be a definition, in order."""
        try:
            with os.scandir(self._folder) as entries:
                names = [entry.name for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return []
        ours = (name for name in names if name.lower().endswith((".yaml", ".yml")))
        return sorted(name for name in ours if name != REACH_FILE and not name.startswith("."))

    def _read(self, path: Path) -> Read:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (-1, -1)
        known = self._kept.get(path)
        if known is None or known.stamp != stamp:
            known = _Stamped(stamp, self._load(path))
            self._kept[path] = known
        return known.read

    def _load(self, path: Path) -> Read:
        if path.suffix != ".yaml":
            problem = Problem("", f"the file ends in {path.suffix}", "rename it to .yaml")
            return Read(DefinitionError(path.stem, [problem]))
        try:
            text = read_text(path)
        except DefinitionError as error:
            return Read(DefinitionError(error.sync, error.problems))
        return self._reader.read(text, path.stem)
