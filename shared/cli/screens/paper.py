"""How screens are put on a console: sentences unbroken, tables without blanks at their ends."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.text import Text


def say(out: Console, *parts: str | tuple[str, str]) -> None:
    """One sentence, of plain parts and (text, style) pairs. The terminal breaks it, so that a file keeps it whole."""
    out.print(Text.assemble(*parts), soft_wrap=True)


def draw(out: Console, table: RenderableType) -> None:
    """A table; into a file, without the blanks that fill its lines."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as drawn:
        out.print(table)
    for line in drawn.get().splitlines():
        out.print(Text(line.rstrip()), soft_wrap=True)
