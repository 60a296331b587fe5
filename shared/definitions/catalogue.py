"""All syncs of a folder. A broken file takes out only itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from shared.definitions.checks import check_definition
from shared.definitions.document import DocumentError, path_of, read_document
from shared.definitions.loading import load_sync, read_text
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.errors import DefinitionError, NotFoundError
from shared.values.problems import Problem, Severity

REACH_FILE = "reach.yaml"
"""The file of the folder that is no sync."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a file gave when it had this stamp (change time and size)."""

    stamp: tuple[int, int]
    found: SyncDefinition | DefinitionError


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
        path = next((path for path in self._files() if path.stem == name), None)
        if path is None:
            raise NotFoundError(self._unknown(name))
        found = self._found(path)
        if isinstance(found, DefinitionError):
            raise DefinitionError(found.sync, found.problems)
        return found

    def broken(self) -> dict[str, DefinitionError]:
        """The broken syncs and why, by file stem, in order."""
        found = {path.stem: self._found(path) for path in self._files()}
        return {name: error for name, error in found.items() if isinstance(error, DefinitionError)}

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        files = (path for path in self._folder.iterdir() if path.suffix.lower() in (".yaml", ".yml") and path.is_file())
        return sorted(path for path in files if path.name != REACH_FILE and not path.name.startswith("."))

    def _found(self, path: Path) -> SyncDefinition | DefinitionError:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = (-1, -1)
        known = self._read.get(path)
        if known is None or known.stamp != stamp:
            known = _Read(stamp, self._load(path))
            self._read[path] = known
        return known.found

    def _load(self, path: Path) -> SyncDefinition | DefinitionError:
        if path.suffix != ".yaml":
            return DefinitionError(path.stem, [Problem("", f"the file ends in {path.suffix}", "rename it to .yaml")])
        try:
            definition = load_sync(path)
        except DefinitionError as error:
            return DefinitionError(error.sync, error.problems)
        problems = check_definition(definition, self._reach, local=self._local, base=self._folder.resolve().parent)
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        return DefinitionError(definition.name, _with_lines(errors, path)) if errors else definition

    def _unknown(self, name: str) -> str:
        names = [path.stem for path in self._files()]
        near = get_close_matches(name, names, n=3)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names) or 'none'}"
        return f"there is no sync {name[:80]!r}; {remedy}"


def _with_lines(problems: list[Problem], path: Path) -> list[Problem]:
    """The problems with the lines of the file that they lie in."""
    try:
        document = read_document(read_text(path))
    except (DefinitionError, DocumentError):  # changed since it was read; the next look tells
        return problems
    lines = [document.line(path_of(problem.path)) if problem.path else None for problem in problems]
    return [
        problem if line is None else replace(problem, found=f"{problem.found} (line {line})")
        for problem, line in zip(problems, lines, strict=True)
    ]


def definition_hash(definition: SyncDefinition) -> str:
    """A SHA-256 over what the definition means: the same for other comments, order of keys and spelled-out defaults."""
    plain = definition.model_dump(mode="json", by_alias=True)
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
