"""Paths that may match several files: `*` and `?` stand for signs of a name, `**` also for folders.

Only the definition's own text makes a pattern; a variable's value is taken letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared import variables
from shared.errors import SourceError

_WILD = re.compile(r"\*\*|\*|\?")
_SIGNS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name in pieces; a piece that came from a variable matches itself alone."""

    pieces: tuple[variables.Piece, ...]

    @property
    def text(self) -> str:
        """The name as written, variables put in."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def wild(self) -> bool:
        """Whether it may match several names."""
        return any(not piece.variable and _WILD.search(piece.text) for piece in self.pieces)

    @property
    def prefix(self) -> str:
        """The part before the first wildcard."""
        text = ""
        for piece in self.pieces:
            found = None if piece.variable else _WILD.search(piece.text)
            text += piece.text[: found.start()] if found else piece.text
            if found:
                break
        return text

    def matches(self, name: str) -> bool:
        """Whether a name is one that is meant."""
        expression = "".join(
            re.escape(piece.text) if piece.variable else _expression(piece.text) for piece in self.pieces
        )
        return re.fullmatch(expression, name, re.DOTALL) is not None

    def split_folder(self) -> tuple[str, NamePattern]:
        """The folder as text, and the pattern of the name in it.

        Raises:
            SourceError: a wildcard stands in the folder.
        """
        at = self.text.rfind("/") + 1
        folder = self.text[:at]
        if len(self.prefix) < at:
            raise SourceError(
                f"the path {self.text!r} has a wildcard in its folder; * and ? may stand in the name only"
            )
        return folder, NamePattern(tuple(_after(self.pieces, at)))


def bound(template: str, values: Mapping[str, str]) -> NamePattern:
    """The pattern of a template with its variables' values.

    Raises:
        SourceError: a variable has no value.
    """
    pieces = variables.template_pieces(template)
    missing = sorted(variables.names(pieces) - set(values))
    if missing:
        raise SourceError(f"the source's path {template!r} needs the variable @{missing[0]}, which has no value")
    return NamePattern(tuple(variables.Piece(values[p.text], variable=True) if p.variable else p for p in pieces))


def wild_template(template: str) -> bool:
    """Whether a definition's path is a pattern, whatever its variables will be."""
    return NamePattern(tuple(variables.template_pieces(template))).wild


def _after(pieces: Sequence[variables.Piece], at: int) -> list[variables.Piece]:
    kept = []
    for piece in pieces:
        rest, at = piece.text[at:] if at < len(piece.text) else "", max(at - len(piece.text), 0)
        if rest:
            kept.append(variables.Piece(rest, variable=piece.variable))
    return kept


def _expression(text: str) -> str:
    parts, done = [], 0
    for found in _WILD.finditer(text):
        parts += [re.escape(text[done : found.start()]), _SIGNS[found.group()]]
        done = found.end()
    return "".join([*parts, re.escape(text[done:])])
