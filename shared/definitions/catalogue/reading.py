"""From a definition's text to what may run, with every problem, whoever wrote it and wherever it is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from shared.definitions.checks import check_definition
from shared.definitions.document import Document, path_of
from shared.definitions.loading import Reading, read_sync
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.definitions.unbuilt import unbuilt_parts
from shared.errors import DefinitionError
from shared.nearest import one_text
from shared.values.problems import Problem, Severity


@dataclass(frozen=True, slots=True)
class Read:
    """What a text gave: a definition, with what to know of it beside, or all its errors.

    `meaning` is the definition's hash, empty where it is broken; `text` the hash of the text itself, empty where it
    could not be read.
    """

    found: SyncDefinition | DefinitionError
    advice: tuple[Problem, ...] = ()
    meaning: str = ""
    text: str = ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All errors, or of a sound one the advice."""
        return self.found.problems if isinstance(self.found, DefinitionError) else self.advice


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads texts within the reach. Relative paths begin at `base`; `local`: loopback is within reach."""

    reach: Reach
    local: bool
    base: Path

    def look(self, text: str, name: str) -> tuple[SyncDefinition | None, list[Problem]]:
        """The definition in the text, or what is whole of it (None: nothing), and everything to be said of it: errors,
        warnings, and the parts that do not run yet."""
        try:
            definition, problems = self.examined(text, name)
        except DefinitionError as error:
            return None, list(error.problems)
        return definition, [*problems, *unbuilt_parts(definition)]

    def examined(self, text: str, name: str) -> tuple[SyncDefinition, list[Problem]]:
        """See `examine`."""
        return examine(text, name=name, reach=self.reach, local=self.local, base=self.base)

    def read(self, text: str, name: str) -> Read:
        """The text as a sync of that name."""
        told = text_hash(text)
        try:
            definition, problems = self.examined(text, name)
        except DefinitionError as error:
            return Read(DefinitionError(name, error.problems), text=told)
        told_beside = (*problems, *unbuilt_parts(definition))
        if any(problem.severity is Severity.ERROR for problem in problems):
            errors = [problem for problem in told_beside if problem.severity is Severity.ERROR]
            return Read(DefinitionError(name, errors), text=told)
        return Read(definition, told_beside, definition_hash(definition), told)


def examine(
    text: str, *, name: str, reach: Reach, local: bool = False, base: Path | None = None
) -> tuple[SyncDefinition, list[Problem]]:
    """The definition in the text, or what is whole of it, and all its problems: in its shape and across its parts.

    Raises:
        DefinitionError: the text is not YAML.
    """
    reading = read_sync(text, name=name)
    with one_text():
        across = check_definition(reading.model, reach, local=local, base=base, meant=_meant(name, reading))
    return reading.model, [*reading.problems, *(_with_line(problem, reading.document) for problem in across)]


def _meant(name: str, reading: Reading[SyncDefinition]) -> tuple[str, ...]:
    """What a sync may be called whose own name is broken: as its file, or as it calls itself."""
    value = reading.document.value
    own = value.get("name") if isinstance(value, dict) else None
    return (name, own) if isinstance(own, str) else (name,)


def _with_line(problem: Problem, document: Document) -> Problem:
    """The problem with the line of the text that it lies in."""
    line = document.line(path_of(problem.path)) if problem.path else None
    return problem if line is None else replace(problem, found=f"{problem.found} (line {line})")


def definition_hash(definition: SyncDefinition) -> str:
    """A SHA-256 over what the definition means: the same for other comments, order of keys and spelled-out defaults."""
    plain = definition.model_dump(mode="json", by_alias=True)
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def text_hash(text: str) -> str:
    """A SHA-256 (hexadecimal) over the text as it stands."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
