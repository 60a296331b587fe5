"""A sample of a plan: change by change, column by column, old → new."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shared.cli.screens.paper import draw, say
from shared.cli.texts import counted, cut, safe, value_text
from shared.values.changes import Action
from shared.values.plans import FieldChange, PlannedChange

LONGEST_VALUE = 200
LEAD_IN = 30
_STYLES = {Action.CREATE: "bold green", Action.DELETE: "bold red", Action.UPDATE: "bold cyan"}


def print_changes(out: Console, changes: Sequence[PlannedChange], *, total: int | None) -> None:
    """The changes; `total` is how many the plan holds, None when only some were asked for."""
    if not changes:
        say(out, "\nNo change fits." if total is None else "\nThe plan holds no changes.")
        return
    for change in changes:
        say(out, "")
        _print_change(out, change)
    if total is not None and total > len(changes):
        say(out, f"\nShown: {len(changes):,} of {counted(total, 'change')}; --export FILE writes them all.")


def _print_change(out: Console, change: PlannedChange) -> None:
    place = f"  record {change.row_no:,}" if change.row_no is not None else ""
    row = f"  {change.row_id}" if change.row_id else ""
    action = (change.action.value, _STYLES.get(change.action, "bold yellow"))
    say(out, action, f"  {cut(safe(change.key), LONGEST_VALUE)}", (place + row, "dim"))
    if change.fields:
        draw(out, Padding(_fields(change), (0, 0, 0, 2)))


def _fields(change: PlannedChange) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(overflow="fold")
    for field in change.fields:
        table.add_row(safe(field.column), *_values(field, change.action))
    return table


def _values(field: FieldChange, action: Action) -> list[Text]:
    """A created row has no old values and a deleted one no new values, so only the other side is shown."""
    texts = shortened(_shown(field.old, field.old_label), _shown(field.new, field.new_label))
    old, new = (_styled(text) for text in texts)
    if action is Action.CREATE:
        return [new]
    if action is Action.DELETE:
        return [old]
    return [old, Text("→"), new]


def _shown(value: object, label: str | None) -> str:
    """A value as text; a choice with its label before its number."""
    return value_text(value) if label is None else f"{label} ({value_text(value)})"


def shortened(old: str, new: str) -> tuple[str, str]:
    """Both, at most 200 characters each; long texts that begin alike are shown from shortly before they part."""
    alike = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    if max(len(old), len(new)) > LONGEST_VALUE and alike > LEAD_IN:
        old, new = (f"…{text[alike - LEAD_IN :]}" for text in (old, new))
    return cut(old, LONGEST_VALUE), cut(new, LONGEST_VALUE)


def _styled(text: str) -> Text:
    return Text(text, style="dim" if text == value_text(None) else "")
