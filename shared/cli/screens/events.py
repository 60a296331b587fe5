"""Events that were set aside or wait, and dead letters: a line each, and its reason beneath, at full width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from shared.cli.screens.paper import say
from shared.cli.texts import cut, safe
from shared.values.events import ParkedEvent, RejectedEvent

LONGEST_KEY = 60
_INDENT = "    "


def print_rejected(out: Console, found: Sequence[RejectedEvent]) -> None:
    """What a listener set aside."""
    rows = []
    for one in found:
        told = one.reject
        cells = (str(one.origin.number), cut(told.key or "", LONGEST_KEY), told.type.value, told.column or "")
        rows.append((cells, told.reason))
    print_with_reasons(out, ("Message", "Key", "Error", "Column"), rows)


def print_parked(out: Console, found: Sequence[ParkedEvent]) -> None:
    """What waits, and why."""
    rows = [((str(o.event.origin.number), f"{o.since:%Y-%m-%d %H:%M}Z", o.hold.value), o.why) for o in found]
    print_with_reasons(out, ("Message", "Since", "Waits because"), rows)


def print_with_reasons(out: Console, names: Sequence[str], rows: Iterable[tuple[Sequence[str], str]]) -> None:
    """Rows of short cells under their names; the reason of each, which may be long, on lines of its own."""
    listed = [(tuple(map(safe, cells)), safe(reason)) for cells, reason in rows]
    if not listed:
        return
    widths = [max(map(len, column)) for column in zip(names, *(cells for cells, _ in listed), strict=True)]
    say(out, (_line(names, widths), "bold"))
    for cells, reason in listed:
        say(out, _line(cells, widths))
        if reason:
            say(out, f"{_INDENT}{reason}")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
