"""From a file to a definition, with every problem of the file in one go."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from shared.definitions.document import MAX_CHARACTERS, Document, DocumentError, read_document
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
    problems: list[Problem]
    try:
        document = read_document(text)
    except DocumentError as error:
        problems = list(error.problems)
    else:
        definition, problems = _validate(document)
        if definition is not None and definition.name != name:
            problems = [_other_name(definition.name, name, document)]
        elif definition is not None:
            return definition
    raise DefinitionError(name, problems)  # outside of `except`: nothing that quotes the text hangs on it


def _validate(document: Document) -> tuple[SyncDefinition | None, list[Problem]]:
    if not isinstance(document.value, dict):
        return None, [Problem("", "the file holds no definition", "write keys and values, beginning with name")]
    try:
        return SyncDefinition.model_validate(document.value), []
    except ValidationError as error:
        return None, words(error.errors(include_url=False), SyncDefinition, document)


def _other_name(found: str, name: str, document: Document) -> Problem:
    return Problem("name", f"{found!r} is not the file's name (line {document.line(('name',))})", f"write {name}")
