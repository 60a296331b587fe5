"""From a file to a definition, with every problem of the file in one go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from shared.definitions.document import MAX_CHARACTERS, Document, DocumentError, read_document
from shared.definitions.part import Part
from shared.definitions.salvage import behind_unknown_types, salvage, without
from shared.definitions.sync import SyncDefinition
from shared.definitions.wording import words
from shared.errors import DefinitionError
from shared.values.problems import Problem


def read_text(path: Path) -> str:
    """A definition file's text.

    Raises:
        DefinitionError: it cannot be read, is too large, or is not UTF-8.
    """
    problem: Problem | None = None
    content = b""
    try:
        with path.open("rb") as file:
            content = file.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        problem = Problem("", f"the file cannot be read ({error.strerror})", "check that it exists and may be read")
    if problem is None and len(content) > 4 * MAX_CHARACTERS:
        problem = Problem("", "the file is too large", f"at most {MAX_CHARACTERS:,} characters are allowed")
    text = content.decode("utf-8-sig", errors="replace") if problem is None else ""
    if problem is None and text.encode("utf-8", errors="replace") != content.removeprefix(b"\xef\xbb\xbf"):
        problem = Problem("", "the file is not UTF-8", "save it with the encoding UTF-8")
    if problem is not None:
        raise DefinitionError(path.stem, [problem])
    return text


@dataclass(frozen=True, slots=True)
class Reading[Model: Part]:
    """A file as it was read: its model, whole or (with problems) what is whole of it; every path's line."""

    model: Model
    problems: tuple[Problem, ...]
    document: Document


def load_sync(path: Path) -> SyncDefinition:
    """The definition in the file; its name must equal the file's.

    Raises:
        DefinitionError: with all problems of the file.
    """
    return parse_sync(read_text(path), name=path.stem)


def parse_sync(text: str, *, name: str) -> SyncDefinition:
    """The definition in the text, which must call itself `name`.

    Raises:
        DefinitionError: with all problems of the text. No message, and no error behind it, holds a value that stands
            in a secret's place.
    """
    return _whole(read_sync(text, name=name), name)


def read_sync(text: str, *, name: str) -> Reading[SyncDefinition]:
    """The definition in the text, or what is whole of it. It must call itself `name`.

    Raises:
        DefinitionError: the text is not YAML.
    """
    reading = _read(text, SyncDefinition, name=name)
    found = reading.model
    if not found.stands("name") or found.name == name:
        return reading
    line = reading.document.line(("name",))
    problem = Problem("name", f"{found.name!r} is not the name of this sync (line {line})", f"write {name}")
    return replace(reading, model=without(found, "name"), problems=(problem, *reading.problems))


def read_model[Model: Part](path: Path, model: type[Model]) -> Model:
    """Another file of the same language, such as the reach file; an empty one gives the defaults.

    Raises:
        DefinitionError: with all problems of the file.
    """
    return _whole(_read(read_text(path), model, name=path.name, empty={}), path.name)


def _whole[Model: Part](reading: Reading[Model], name: str) -> Model:
    if reading.problems:
        raise DefinitionError(name, list(reading.problems))
    return reading.model


def _read[Model: Part](text: str, model: type[Model], *, name: str, empty: object = None) -> Reading[Model]:
    problems: list[Problem]
    try:
        document = read_document(text)
    except DocumentError as error:
        problems = list(error.problems)
    else:
        return _validated(document, model, empty)
    raise DefinitionError(name, problems)  # outside of `except`: nothing that quotes the text hangs on it


def _validated[Model: Part](document: Document, model: type[Model], empty: object) -> Reading[Model]:
    value = empty if document.value is None else document.value
    found: Model | None = None
    problems: list[Problem] = []
    if not isinstance(value, dict):
        problems = [Problem("", "the text does not hold keys and values", "begin with a line such as name: …")]
    else:
        try:
            found = model.model_validate(value)
        except ValidationError as error:
            findings = error.errors(include_url=False)
            problems = words([*findings, *behind_unknown_types(findings)], model, document)
    if found is None or document.problems:
        found = salvage(model, value, document.doubtful)
    return Reading(found, (*document.problems, *problems), document)
