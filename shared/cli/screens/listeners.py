"""How listeners fare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from shared.cli.screens.paper import draw, say
from shared.cli.texts import safe
from shared.values.events import ListenerView

_GAP = 2
_LEFT = ("Sync", "State", "Last message")
_LEAST_USEFUL = ("A second", "Lag", "Last message", "Events")
"""What is left out, in turn, of a terminal that is too narrow for all."""


def print_listeners(out: Console, views: Sequence[ListenerView]) -> None:
    """A line each, which fits the width, and why a listener is off or skips what was sent."""
    if not views:
        say(out, "No sync has a listener.")
        return
    rows = [_row(view) for view in views]
    names = _fitting(rows, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in _LEFT else "right", overflow="fold")
    for row in rows:
        table.add_row(*(row[name] for name in names))
    draw(out, table)
    for view in views:
        if view.why:
            say(out, f"{safe(view.sync)}: {safe(view.why)}")
        if view.start_from is not None:
            skipped = view.pulse.counts.get("skipped", 0)
            say(out, f"{safe(view.sync)}: skips what was sent before {_moment(view.start_from)}; skipped: {skipped:,}")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def _row(view: ListenerView) -> dict[str, str]:
    pulse = view.pulse
    return {
        "Sync": safe(view.sync),
        "State": view.state.value,
        "Last message": f"{pulse.last_at:%Y-%m-%d %H:%M:%S}Z" if pulse.last_at else "none",
        "Lag": f"{pulse.lag_s:,.1f} s" if pulse.last_at else "",
        "A second": f"{pulse.rate:,.2f}" if pulse.last_at else "",
        "Events": f"{pulse.total:,}",
        "Parked": f"{view.parked:,}",
        "Rejected": f"{view.rejected:,}",
    }


def _fitting(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    """The columns for which there is room; what waits, what was set aside and whose it is always stay."""
    names = list(rows[0])
    for left_out in (None, *_LEAST_USEFUL):
        names = [name for name in names if name != left_out]
        if sum(max(len(name), *(len(row[name]) for row in rows)) + _GAP for name in names) - _GAP <= width:
            break
    return names
