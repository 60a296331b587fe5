"""The records of a JSON file one after another, in bounded memory: a list in a document, or one object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.errors import SourceError
from shared.json_text import DECODER
from shared.sources.names import quoted

MAX_RECORD_CHARS = 16 << 20
_BLOCK_CHARS = 1 << 16
"""What is read at once. A block that fits the processor's cache takes half the time of one that does not."""
_BATCH_CHARS = 1 << 15
"""What is offered at once: some hundred records."""
_RECORDS_BETWEEN = 200
"""Records read one by one before a batch of a list is offered again: a vain offer costs as much as ten of them."""
Take = Callable[[str, bool], int]
"""Is offered a text of whole records, as lines or (True) as elements of a list; says how many it takes: all or none."""
_ENDS_TRIED = 50
_BETWEEN = re.compile(r"\}\s*,\s*\{")
_NOT_BLANK = re.compile(r"[^ \t\r\n]")


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that is no JSON: the reason, and its text. `whole`: it does not end too early."""

    reason: str
    text: str
    whole: bool = False


class _Window:
    """A moving window over a text: `text` from `at` on is not consumed yet."""

    def __init__(self, file: IO[str], shown: Path) -> None:
        self._file, self._shown = file, shown
        self.text, self.at, self._passed, self.ended = "", 0, 0, False

    def more(self) -> bool:
        """Take in another block, as large as what waits; False at the file's end."""
        block = self._file.read(max(_BLOCK_CHARS, len(self.text) - self.at))
        self._passed += self.at
        self.text, self.at = self.text[self.at :] + block, 0
        self.ended = not block
        return bool(block)

    def peek(self) -> str:
        """The next sign that is not blank, or nothing at the end."""
        while True:
            match = _NOT_BLANK.search(self.text, self.at)
            self.at = match.start() if match else len(self.text)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, expected: str) -> str:
        """Consume the next sign, one of `expected`."""
        sign = self.peek()
        if not sign or sign not in expected:
            raise self.error(f"expected {' or '.join(expected)}, found {sign or 'the end of the file'}")
        self.at += 1
        return sign

    def value(self, what: str) -> object:
        """Consume one value."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except RecursionError:
                raise self.error(f"{what} is nested too deeply") from None
            except json.JSONDecodeError as error:
                reason, behind = error.msg, error.pos - self.at
            except ValueError as error:
                reason, behind = str(error), 0
            else:
                length, whole = end - self.at, end < len(self.text)
                if whole or not self.more_for(what):
                    self.at += length
                    return value
                continue
            if not self.more_for(what):
                raise self._invalid(reason, behind)

    def batch(self) -> str:
        """What follows up to the end of a record, about as much as is offered at once; nothing when no end is found.

        Only where a list has objects does `},{` stand, so the end is mostly that of a record.
        """
        if len(self.text) - self.at < _BATCH_CHARS and not self.ended:
            self.more()
        end = self.at + _BATCH_CHARS
        for _ in range(_ENDS_TRIED):
            end = self.text.rfind("}", self.at, end)
            if end < 0:
                break
            if _BETWEEN.match(self.text, end):
                return self.text[self.at : end + 1]
        return ""

    def more_for(self, what: str) -> bool:
        """Take in more of a value that may go on, up to the limit for one record."""
        if len(self.text) - self.at > MAX_RECORD_CHARS:
            raise self.error(
                f"{what} is longer than {MAX_RECORD_CHARS >> 20} million characters or not valid JSON from here on"
            )
        return not self.ended and self.more()

    def _invalid(self, reason: str, behind: int) -> SourceError:
        self.at += behind
        ended = self.at >= len(self.text.rstrip()) or reason.startswith("Unterminated string")
        return self.error("the file ends in the middle of a value" if ended else reason)

    def error(self, reason: str) -> SourceError:
        """An error at the present place."""
        line, column = self._place()
        return SourceError(
            f"{self._shown}, line {line:,}, character {column:,}: {reason}; "
            "the file is truncated or not valid JSON, nothing was taken from it; get it again"
        )

    def _place(self) -> tuple[int, int]:
        """The line and the character in it, from 1; counted when they are asked for, by reading the file again."""
        self._file.seek(0)
        line, column, left = 1, 1, self._passed + self.at
        while block := self._file.read(min(left, _BLOCK_CHARS)):
            left -= len(block)
            line += block.count("\n")
            last = block.rfind("\n")
            column = column + len(block) if last < 0 else len(block) - last
        return line, column


@dataclass(frozen=True, slots=True)
class JsonRecords:
    """The records of one readable file. `format`: array, lines or auto; `path`: dotted way to the list, or None."""

    format: str
    path: str | None
    shown: Path

    def read(self, file: IO[str], take: Take | None = None) -> Iterator[object]:
        """Each record, a `Broken` for a line that is no JSON. What `take` takes is not given.

        Raises:
            SourceError: the document is not valid JSON to its end, or the list is not where `path` says.
        """
        window = _Window(file, self.shown)
        first = window.peek()
        if self.format == "lines" or (self.format == "auto" and self.path is None and first not in ("[", "")):
            file.seek(0)
            yield from self._lines(file, take or _nothing)
            return
        if not first:
            raise SourceError(f"{self.shown} holds no JSON; an empty list is written as []")
        yield from self._document(window, self.path.split(".") if self.path else [], take or _nothing)
        if window.peek():
            raise window.error("something follows after the end of the document")

    def _document(self, window: _Window, way: list[str], take: Take) -> Iterator[object]:
        if not way:
            yield from self._list(window, take)
            return
        if window.peek() != "{":
            raise window.error(f"`records` asks for the member {way[0]!r} of an object, but here is none")
        window.take("{")
        members: list[str] = []
        while window.peek() != "}":
            if members:
                window.take(",")
            name = window.value("a member's name") if window.peek() == '"' else window.take('"')
            window.take(":")
            if name == way[0]:
                if name in members:
                    raise window.error(f"the member {name!r} stands there twice")
                yield from self._document(window, way[1:], take)
            else:
                window.value(f"the member {name!r}")
            members.append(str(name))
        window.take("}")
        if way[0] not in members:
            raise SourceError(
                f"{self.shown} has no member {way[0]!r} (`records: {self.path}`); it has {quoted(members) or 'none'}"
            )

    def _list(self, window: _Window, take: Take) -> Iterator[object]:
        if window.peek() == "{":
            raise SourceError(
                f"{self.shown} is an object, not a list, where the records should be; "
                "name the member that holds them in `records`, or state `format: lines`"
            )
        window.take("[")
        if window.peek() == "]":
            window.take("]")
            return
        one_by_one = 0
        while True:
            window.peek()
            batch = "" if one_by_one else window.batch()
            if batch and take(batch, True):
                window.at += len(batch)
            else:
                one_by_one = _RECORDS_BETWEEN if batch else max(one_by_one - 1, 0)
                yield window.value("a record")
            if window.take(",]") == "]":
                return

    def _lines(self, file: IO[str], take: Take) -> Iterator[object]:
        number, broken = 0, None
        for lines in _whole_lines(file):
            if broken is None and (taken := take(lines, False)):
                number += taken
                continue
            for line in lines.removesuffix("\n").split("\n"):
                number += 1
                if len(line) > MAX_RECORD_CHARS:
                    raise self._too_long(number)
                if not line.strip():
                    continue
                if broken is not None:
                    yield broken
                    broken = None
                if take(line, False):
                    continue
                record = self._line(line)
                broken = record if isinstance(record, Broken) else None
                if broken is None:
                    yield record
        if broken is not None and broken.whole:
            yield broken
        elif broken is not None:
            raise SourceError(
                f"{self.shown}, line {number}: the last record is not valid JSON ({broken.reason}); "
                "the file is truncated, nothing was taken from it; get it again"
            )

    def _too_long(self, number: int) -> SourceError:
        return SourceError(
            f"{self.shown}, line {number}: a record of more than {MAX_RECORD_CHARS >> 20} million characters; "
            "if the file is one document, state `format: array`"
        )

    def _line(self, line: str) -> object:
        text = line.strip(" \t\r\n")
        try:
            value, end = DECODER.raw_decode(text)
        except RecursionError:
            return Broken("nested too deeply", text[:1000])
        except json.JSONDecodeError as error:
            return Broken(f"not valid JSON: {error.msg} at character {error.colno}", text[:1000])
        except ValueError as error:
            return Broken(f"not valid JSON: {error}", text[:1000])
        return value if end == len(text) else _followed(text, end)


def _nothing(_text: str, _listed: bool) -> int:
    return 0


def _whole_lines(file: IO[str]) -> Iterator[str]:
    """The file's lines, some hundred at a time; of one without an end only as much as shows that it is too long."""
    while lines := file.read(_BATCH_CHARS):
        yield lines if lines.endswith("\n") else lines + file.readline(MAX_RECORD_CHARS + 1)


def _followed(text: str, end: int) -> Broken:
    """A line that goes on behind its record: another begins there, or something else stands there."""
    if text[end:].lstrip(" \t,").startswith("{"):
        reason = f"more than one object in the line, the second at character {text.index('{', end) + 1}"
    else:
        reason = f"more text after the record, at character {end + 1}"
    return Broken(reason, text[:1000], whole=True)
