"""Variables in texts: `@name` is found by tokenising, never by replacing text.

In code (expressions, SQL, OData) a quoted text is left alone, so `'user@example.com'` holds no variable; in a template
(a path, an address) every `@name` is one, and `@@` stands for a plain at sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_CODE = re.compile(rf"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![A-Za-z0-9_@])@(?P<name>{_NAME})""")
_TEMPLATE = re.compile(rf"@@|@(?P<name>{_NAME})")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text: plain text, or the variable called `text`."""

    text: str
    variable: bool = False


def _pieces(pattern: re.Pattern[str], text: str) -> Iterator[Piece]:
    position = 0
    for match in pattern.finditer(text):
        if match["name"] is None:
            continue
        if match.start() > position:
            yield Piece(text[position : match.start()])
        yield Piece(match["name"], variable=True)
        position = match.end()
    if position < len(text):
        yield Piece(text[position:])


def code_pieces(text: str) -> list[Piece]:
    """The pieces of an expression, a SQL or an OData text; quoted texts hold no variables."""
    return list(_pieces(_CODE, text))


def template_pieces(text: str) -> list[Piece]:
    """The pieces of a plain template such as a path; `@@` is a plain at sign."""
    return [piece if piece.variable else Piece(piece.text.replace("@@", "@")) for piece in _pieces(_TEMPLATE, text)]


def names(pieces: list[Piece]) -> set[str]:
    """The variables named in the pieces."""
    return {piece.text for piece in pieces if piece.variable}


def render(pieces: list[Piece], value: Callable[[str], str]) -> str:
    """The pieces joined, each variable through `value` (which binds, quotes or encodes it)."""
    return "".join(value(piece.text) if piece.variable else piece.text for piece in pieces)
