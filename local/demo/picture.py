"""`python -m local.demo.picture`: runs the demo and draws what it shows, as the SVG pictures of the documents."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from rich.color import parse_rgb_hex
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from local.demo.stage import ROOT

PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 100

EXCERPTS: dict[str, tuple[str, str]] = {
    "run.svg": (r"2\. ", r"4\. "),
    "plan.svg": (r"\$ \./dynsync plan", r"delete +GN-"),
    "rejects.svg": (r"\$ \./dynsync rejects", r"Every job "),
}
"""Each picture: the line where it begins, and the line before which it ends."""

_CONTROL = re.compile(r"\x1b\[(\d*)([AK])|\x1b\[\?\d+[hl]|\r")
_STYLE = re.compile(r"\x1b\[[\d;]*m")
_INK, _PAPER = "#e6e8eb", "#14171a"
_DARK = ["#14171a", "#f97066", "#57c982", "#f0be5a", "#6eaaf5", "#d78ce6", "#5ac8d2", "#c8ccd2"]
_BRIGHT = ["#787e87", "#ff8c82", "#78e1a0", "#fad278", "#96c3ff", "#e6aaf0", "#82dce6", "#ffffff"]
_FONTS = "ui-monospace, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: FONTS; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="PAPER" x="1" y="1" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, 20)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
""".replace("FONTS", _FONTS).replace("PAPER", _PAPER)


def main() -> int:
    """Run the demo with all records and write every picture."""
    with tempfile.TemporaryDirectory() as folder:
        shown = _screen(_run(Path(folder) / "demo"))
    PICTURES.mkdir(exist_ok=True)
    for name, (begin, end) in EXCERPTS.items():
        (PICTURES / name).write_text(_svg(list(_between(shown, begin, end)), name.removesuffix(".svg")), "utf-8")
    return 0


def _run(folder: Path) -> str:
    """What a terminal gets to see."""
    environ = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "FORCE_COLOR": "1",
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm",
        "COLORTERM": "truecolor",
    }
    command = [sys.executable, "-P", "-m", "local.demo", "--folder", str(folder)]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)  # noqa: S603
    return done.stdout.decode("utf-8")


def _screen(written: str) -> list[str]:
    """The lines that are left when all has been written: bars are drawn over and over in the same place."""
    lines, row = [""], 0
    for piece in re.split(r"(\n|\x1b\[\d*[AK]|\x1b\[\?\d+[hl]|\r)", written):
        control = _CONTROL.fullmatch(piece)
        if piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif control is None:
            lines[row] += piece
        elif control[2] == "A":
            row = max(row - int(control[1] or 1), 0)
        elif control[2] == "K":
            lines[row] = ""
    return lines


def _between(lines: list[str], begin: str, end: str) -> Iterator[str]:
    inside = False
    for line in lines:
        plain = _STYLE.sub("", line)
        if not inside:
            inside = re.match(begin, plain) is not None
        elif re.match(end, plain):
            return
        if inside:
            yield line


def _svg(lines: list[str], name: str) -> str:
    paper = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    paper.print(Text.from_ansi("\n".join(lines).rstrip()), soft_wrap=True)
    return paper.export_svg(title="", theme=_theme(), code_format=_SVG, unique_id=name)


def _theme() -> TerminalTheme:
    return TerminalTheme(_rgb(_PAPER), _rgb(_INK), [_rgb(one) for one in _DARK], [_rgb(one) for one in _BRIGHT])


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = parse_rgb_hex(color[1:])
    return red, green, blue


if __name__ == "__main__":
    sys.exit(main())
