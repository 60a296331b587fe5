"""How screens are put on a console: sentences unbroken, tables without blanks at their ends."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.text import Text

LEAST_WIDTH = 20
"""However narrow the terminal, so many columns are left for words."""


def say(out: Console, *parts: str | tuple[str, str]) -> None:
    """One sentence or more, of plain parts and (text, style) pairs.

    A terminal gets it broken between words, behind the line's own indent; a file gets it whole.
    """
    text = Text.assemble(*parts)
    if not out.is_terminal:
        out.print(text, soft_wrap=True)
        return
    for line in text.split("\n", allow_blank=True):
        out.print(_broken(out, line), soft_wrap=True)


def _broken(out: Console, line: Text) -> Text:
    """Between words only: an address, a path or a setting that is longer than the line stays one to copy."""
    indent = len(line.plain) - len(line.plain.lstrip(" "))
    width = max(out.width - indent, LEAST_WIDTH)
    lines = line[indent:].wrap(out, width, overflow="ignore") if line.plain.strip() else [line]
    return Text("\n").join(Text(" " * indent) + one for one in lines)


def draw(out: Console, table: RenderableType) -> None:
    """A table; into a file, without the blanks that fill its lines."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as drawn:
        out.print(table)
    for line in drawn.get().splitlines():
        out.print(Text(line.rstrip()), soft_wrap=True)
