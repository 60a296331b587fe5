"""From a file to a definition, with every problem of the file in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from shared.definitions.document import MAX_CHARACTERS, Document, DocumentError, read_document
from shared.definitions.part import Part
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
    return _parse(text, SyncDefinition, name=name, check=_own_name)


def read_model[Model: Part](path: Path, model: type[Model]) -> Model:
    """Another file of the same language, such as the reach file; an empty one gives the defaults.

    Raises:
        DefinitionError: with all problems of the file.
    """
    return _parse(read_text(path), model, name=path.name, empty={})


def _parse[Model: Part](
    text: str,
    model: type[Model],
    *,
    name: str,
    empty: object = None,
    check: Callable[[Model, str, Document], list[Problem]] = lambda _model, _name, _document: [],
) -> Model:
    problems: list[Problem]
    try:
        document = read_document(text)
    except DocumentError as error:
        problems = list(error.problems)
    else:
        found, problems = _validate(document, model, empty)
        problems = problems if found is None else check(found, name, document)
        if found is not None and not problems:
            return found
    raise DefinitionError(name, problems)  # outside of `except`: nothing that quotes the text hangs on it


def _validate[Model: Part](document: Document, model: type[Model], empty: object) -> tuple[Model | None, list[Problem]]:
    value = empty if document.value is None else document.value
    if not isinstance(value, dict):
        return None, [Problem("", "the file does not hold keys and values", "begin with a line such as name: …")]
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        return None, words(error.errors(include_url=False), model, document)


def _own_name(definition: SyncDefinition, name: str, document: Document) -> list[Problem]:
    if definition.name == name:
        return []
    line = document.line(("name",))
    return [Problem("name", f"{definition.name!r} is not the file's name (line {line})", f"write {name}")]
