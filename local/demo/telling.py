"""How the demo speaks: headings, short explanations, commands as a person types them."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

_WIDEST = 100


class Paper:
    """What the reader sees. Everything is flushed before a command speaks for itself."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def title(self, text: str) -> None:
        """A heading with a line under it."""
        self._say(Text(f"\n{text}", style="bold magenta"))
        self._say(Text("─" * min(len(text), self._out.width), style="magenta"))

    def tell(self, text: str) -> None:
        """A paragraph, with an empty line before it."""
        width = min(self._out.width, _WIDEST)
        self._say(Text("\n" + textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)))

    def command(self, line: str) -> None:
        """A command, as it is typed."""
        self._say(Text.assemble(("\n$ ", "bold green"), (line, "bold")))

    def stop(self, why: str) -> None:
        """The end, before its time."""
        self._say(Text("\n" + textwrap.fill(f"The demo stopped: {why}", self._out.width), style="bold red"))

    def verdict(self, text: str) -> None:
        """What came of it, in one line."""
        width = min(self._out.width, _WIDEST)
        self._say(Text("\n" + textwrap.fill(f"✔ {text}", width, subsequent_indent="  "), style="green"))

    def rows(self, pairs: list[tuple[str, str]]) -> None:
        """Two columns, indented, with an empty line before them."""
        width = max(len(left) for left, _ in pairs)
        self._say(Text(""))
        for left, right in pairs:
            self._say(Text.assemble("  ", (left.ljust(width) if right else left, "bold"), "  " if right else "", right))

    def _say(self, text: Text) -> None:
        self._out.print(text, soft_wrap=True)
        self._out.file.flush()
