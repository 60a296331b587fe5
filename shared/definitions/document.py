"""From YAML text to plain values and line numbers, within bounds, with every key once.

The text is read event by event instead of by a constructor: nesting, size and alias expansion are bounded, tags build
nothing, and no message quotes the text (a secret may stand where it does not belong).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from shared.values.problems import Problem

MAX_CHARACTERS = 200_000
MAX_DEPTH = 24
MAX_VALUES = 50_000
"""Values of a document, aliases counted as often as they are used."""
MAX_WRITTEN_OUT = 2 * MAX_CHARACTERS
"""Characters of all its values, those of aliases counted as often as they are used."""

Path = tuple[str | int, ...]
_TAGGABLE = (ScalarEvent, MappingStartEvent, SequenceStartEvent)

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL = re.compile(r"0o([0-7]{1,20})")
_HEXADECIMAL = re.compile(r"0x([0-9a-fA-F]{1,15})")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Document:
    """The plain value (mappings, lists, texts, numbers, booleans, None) and the line of each path, from 1.

    `problems` tells the keys that stand there twice and `doubtful` their paths: the value holds the first of each, and
    nobody knows which one is meant.
    """

    value: object
    lines: dict[Path, int]
    problems: tuple[Problem, ...] = ()
    doubtful: frozenset[Path] = frozenset()

    def line(self, path: Path) -> int | None:
        """The line of the path, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return None


def path_of(dotted: str) -> Path:
    """A problem's path (`mappings.2.target`) as a path of a document."""
    steps = dotted.split(".") if dotted else []
    return tuple(int(step) if step.isascii() and step.isdigit() else step for step in steps)


class DocumentError(ValueError):
    """The text is not a document that can be read; `problems` says why."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


def plain_scalar(text: str) -> object:
    """The value of an unquoted scalar by YAML 1.2's core schema: `yes` and `2024-01-01` are texts."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    for pattern, base in ((_OCTAL, 8), (_HEXADECIMAL, 16)):
        if match := pattern.fullmatch(text):
            return int(match[1], base)
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being filled; `before`: characters of all values before it."""

    value: dict[str, object] | list[object]
    path: Path
    anchor: str | None
    line: int
    before: int
    size: int = 1
    key: str | None = None


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self.doubtful: set[Path] = set()
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[object, int, int]] = {}
        self._values = self._characters = 0
        self.root: object = None

    def take(self, event: Event) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, _TAGGABLE) and event.tag is not None:
            raise DocumentError(Problem("", f"a tag (!…) stands in line {line}", "remove it; tags are not allowed"))
        if isinstance(event, MappingStartEvent):
            self._begin({}, event, line)
        elif isinstance(event, SequenceStartEvent):
            self._begin([], event, line)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end()
        elif isinstance(event, ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, AliasEvent):
            self._alias(event, line)

    def _begin(self, value: dict[str, object] | list[object], event: NodeEvent, line: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise DocumentError(
                Problem("", f"line {line} is nested too deep", f"at most {MAX_DEPTH} levels are allowed")
            )
        path = self._next_path(line)
        self._open.append(_Open(value, path, event.anchor, line, self._characters))

    def _end(self) -> None:
        done = self._open.pop()
        if done.anchor is not None:
            self._anchors[str(done.anchor)] = (done.value, done.size, self._characters - done.before)
        self._add(done.value, done.path, done.line, done.size)

    def _scalar(self, event: ScalarEvent, line: int) -> None:
        top = self._open[-1] if self._open else None
        text = str(event.value)
        if any(0xD800 <= ord(sign) <= 0xDFFF or sign == "\0" for sign in text):
            raise DocumentError(Problem("", f"line {line} holds a character that is none", "remove it"))
        self._count(len(text))
        if top is not None and isinstance(top.value, dict) and top.key is None:
            top.key = text
            self._check_key(top, text, line)
            return
        value = text if event.style else plain_scalar(text)
        if event.anchor is not None:
            self._anchors[str(event.anchor)] = (value, 1, len(text))
        self._add(value, self._next_path(line), line, 1)

    def _check_key(self, top: _Open, key: str, line: int) -> None:
        if isinstance(top.value, dict) and key in top.value:
            self.doubtful.add((*top.path, key))
            self.problems.append(
                Problem(
                    ".".join(map(str, top.path)),
                    f"line {line} repeats a key of line {self.lines.get((*top.path, key), top.line)}",
                    "keep one of the two",
                )
            )
        self.lines.setdefault((*top.path, key), line)

    def _alias(self, event: AliasEvent, line: int) -> None:
        known = self._anchors.get(str(event.anchor))
        if known is None:
            raise DocumentError(
                Problem("", f"line {line} refers to an anchor that is not defined before it", "write the value out")
            )
        value, size, characters = known
        self._count(characters)
        self._add(value, self._next_path(line), line, size)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_WRITTEN_OUT:
            allowed = f"at most {MAX_WRITTEN_OUT:,} characters, aliases written out"
            raise DocumentError(Problem("", "the document holds too much text", allowed))

    def _next_path(self, line: int) -> Path:
        if not self._open:
            return ()
        top = self._open[-1]
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        if top.key is None:
            raise DocumentError(Problem("", f"line {line} has a key that is not a text", "write a plain key"))
        return (*top.path, top.key)

    def _add(self, value: object, path: Path, line: int, size: int) -> None:
        self._values += size
        if self._values > MAX_VALUES:
            raise DocumentError(
                Problem("", "the document holds too many values", f"at most {MAX_VALUES}, aliases written out")
            )
        if not self._open:
            self.root = value
            return
        top = self._open[-1]
        self.lines.setdefault(path, line)
        top.size += size
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is not None:
            top.value.setdefault(top.key, value)
            top.key = None


def read_document(text: str) -> Document:
    """The one document in the text.

    Raises:
        DocumentError: not YAML, too large, nested too deep, a tag, or more than one document.
    """
    if len(text) > MAX_CHARACTERS:
        raise DocumentError(
            Problem("", f"the text has {len(text):,} characters", f"at most {MAX_CHARACTERS:,} are allowed")
        )
    reader = _Reader()
    unreadable: Problem | None = None
    try:
        for event in _events(text):
            reader.take(event)
    except YAMLError as error:
        unreadable = _unreadable(error)
    if unreadable is not None:  # raised here: the library's error, which quotes the text, stays out of the chain
        raise DocumentError(*reader.problems, unreadable)
    return Document(reader.root, reader.lines, tuple(reader.problems), frozenset(reader.doubtful))


def _events(text: str) -> Iterator[Event]:
    documents = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        documents += isinstance(event, DocumentStartEvent)
        if documents > 1:
            raise DocumentError(Problem("", "the text holds several YAML documents", "keep one, without --- lines"))
        yield event


def _unreadable(error: YAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    if mark is not None and isinstance(error, MarkedYAMLError) and "'\\t'" in (error.problem or ""):
        return Problem(
            "",
            f"a tab stands at line {mark.line + 1}, column {mark.column + 1}; YAML is indented by blanks",
            "write blanks instead of tabs",
        )
    where = f" near line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return Problem(
        "",
        f"the text is not YAML{where}",
        "look for a missing colon or blank, wrong indentation, an unclosed quote or bracket, "
        "or a text that begins with @ % or & and needs quotes",
    )
