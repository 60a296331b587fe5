"""How screens are put on a console: sentences unbroken, tables without blanks at their ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

LEAST_WIDTH = 20
"""However narrow the terminal, so many columns are left for words."""
_WORD = re.compile(r"\S+")


def say(out: Console, *parts: str | tuple[str, str], hang: int | None = None) -> None:
    """One sentence or more, of plain parts and (text, style) pairs.

    A terminal gets it broken between words, behind `hang` columns or else the line's own indent; a file gets it whole.
    """
    text = Text.assemble(*parts)
    if not out.is_terminal:
        out.print(text, soft_wrap=True)
        return
    for line in text.split("\n", allow_blank=True):
        out.print(_broken(line, out.width, hang), soft_wrap=True)


def _broken(line: Text, width: int, hang: int | None) -> Text:
    """Between words only: an address, a path or a setting that is longer than the line stays one to copy."""
    indent = len(line.plain) - len(line.plain.lstrip(" "))
    if hang is None or width - hang < LEAST_WIDTH:
        hang = indent
    first, *others = line.divide(_starts(line.plain, indent, hang, max(width, hang + LEAST_WIDTH)))
    for piece in (first, *others):
        piece.rstrip()
    return Text("\n" + " " * hang).join([first, *others])


def _starts(text: str, indent: int, hang: int, width: int) -> Iterator[int]:
    """Where each line but the first begins."""
    begin, before = indent, indent
    for word in _WORD.finditer(text, indent):
        if word.start() > begin and before + cell_len(text[begin : word.end()]) > width:
            begin, before = word.start(), hang
            yield begin


def draw(out: Console, table: RenderableType) -> None:
    """A table; into a file, without the blanks that fill its lines."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as drawn:
        out.print(table)
    for line in drawn.get().splitlines():
        out.print(Text(line.rstrip()), soft_wrap=True)
