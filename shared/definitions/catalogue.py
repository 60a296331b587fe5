"""All syncs of a folder. A broken file takes out only itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from shared.definitions.checks import check_definition
from shared.definitions.document import Document, path_of
from shared.definitions.loading import Reading, read_sync, read_text
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.definitions.unbuilt import unbuilt_parts
from shared.errors import DefinitionError, NotFoundError
from shared.values.problems import Problem, Severity

REACH_FILE = "reach.yaml"
"""The file of the folder that is no sync."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file gave when it had this stamp (change time and size)."""

    stamp: tuple[int, int]
    found: SyncDefinition | DefinitionError
    advice: tuple[Problem, ...] = ()


class Catalogue:
    """The syncs in `folder`, read again when a file changes.

    Relative paths in definitions begin at the folder's parent. `local`: loopback addresses are within reach.
    """

    def __init__(self, folder: Path, reach: Reach, *, local: bool = False) -> None:
        self._folder = folder
        self._reach = reach
        self._local = local
        self._read: dict[Path, _Read] = {}

    def names(self) -> list[str]:
        """The names of the sound syncs, in order."""
        return [path.stem for path in self._files() if isinstance(self._found(path), SyncDefinition)]

    def get(self, name: str) -> SyncDefinition:
        """One sync.

        Raises:
            NotFoundError: there is none of that name; says the nearest ones.
            DefinitionError: there is one and it is broken.
        """
        found = self._found(self._path(name))
        if isinstance(found, DefinitionError):
            raise DefinitionError(found.sync, found.problems)
        return found

    def _path(self, name: str) -> Path:
        path = next((path for path in self._files() if path.stem == name), None)
        if path is None:
            raise NotFoundError(self._unknown(name))
        return path

    def broken(self) -> dict[str, DefinitionError]:
        """The broken syncs and why, by file stem, in order."""
        found = {path.stem: self._found(path) for path in self._files()}
        return {name: error for name, error in found.items() if isinstance(error, DefinitionError)}

    def advice(self, name: str) -> list[Problem]:
        """What to know of a sound sync beside: warnings, and the parts that do not run yet.

        Raises:
            NotFoundError, DefinitionError: as `get`.
        """
        self.get(name)
        return [*self._look(self._path(name)).advice]

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        files = (path for path in self._folder.iterdir() if path.suffix.lower() in (".yaml", ".yml") and path.is_file())
        return sorted(path for path in files if path.name != REACH_FILE and not path.name.startswith("."))

    def _found(self, path: Path) -> SyncDefinition | DefinitionError:
        return self._look(path).found

    def _look(self, path: Path) -> _Read:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (-1, -1)
        known = self._read.get(path)
        if known is None or known.stamp != stamp:
            known = self._load(path, stamp)
            self._read[path] = known
        return known

    def _load(self, path: Path, stamp: tuple[int, int]) -> _Read:
        if path.suffix != ".yaml":
            problem = Problem("", f"the file ends in {path.suffix}", "rename it to .yaml")
            return _Read(stamp, DefinitionError(path.stem, [problem]))
        base = self._folder.resolve().parent
        try:
            definition, problems = examine(
                read_text(path), name=path.stem, reach=self._reach, local=self._local, base=base
            )
        except DefinitionError as error:
            return _Read(stamp, DefinitionError(error.sync, error.problems))
        unbuilt = unbuilt_parts(definition)
        if any(problem.severity is Severity.ERROR for problem in problems):
            errors = [problem for problem in (*problems, *unbuilt) if problem.severity is Severity.ERROR]
            return _Read(stamp, DefinitionError(path.stem, errors))
        return _Read(stamp, definition, (*problems, *unbuilt))

    def _unknown(self, name: str) -> str:
        names = [path.stem for path in self._files()]
        near = get_close_matches(name, names, n=3)
        remedy = f"did you mean {' or '.join(near)}?" if near else _present(names)
        return f"there is no sync {name[:80]!r}; {remedy}"


def _present(names: Sequence[str]) -> str:
    return f"there are: {', '.join(names)}" if names else "none is there yet; `dynsync init` writes one"


def examine(
    text: str, *, name: str, reach: Reach, local: bool = False, base: Path | None = None
) -> tuple[SyncDefinition, list[Problem]]:
    """The definition in the text, or what is whole of it, and all its problems: in its shape and across its parts.

    Raises:
        DefinitionError: the text is not YAML.
    """
    reading = read_sync(text, name=name)
    across = check_definition(reading.model, reach, local=local, base=base, meant=_meant(name, reading))
    return reading.model, [*reading.problems, *(_with_line(problem, reading.document) for problem in across)]


def _meant(name: str, reading: Reading[SyncDefinition]) -> tuple[str, ...]:
    """What a sync may be called whose own name is broken: as its file, or as it calls itself."""
    value = reading.document.value
    own = value.get("name") if isinstance(value, dict) else None
    return (name, own) if isinstance(own, str) else (name,)


def _with_line(problem: Problem, document: Document) -> Problem:
    """The problem with the line of the file that it lies in."""
    line = document.line(path_of(problem.path)) if problem.path else None
    return problem if line is None else replace(problem, found=f"{problem.found} (line {line})")


def definition_hash(definition: SyncDefinition) -> str:
    """A SHA-256 over what the definition means: the same for other comments, order of keys and spelled-out defaults."""
    plain = definition.model_dump(mode="json", by_alias=True)
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
