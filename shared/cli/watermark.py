"""`watermark`: see and set how far an incremental sync has read its source."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from shared.cli.options import everywhere, session_of
from shared.cli.output import say_json
from shared.cli.screens.paper import say
from shared.cli.session import Session
from shared.cli.texts import safe
from shared.values.watermarks import Watermark


@click.command(short_help="Show or set how far a sync has read its source.")
@click.argument("sync")
@click.option(
    "--set", "value", metavar="VALUE", help="Read from here on: a number, or a date such as 2026-01-31T08:00Z."
)
@click.option("--reset", is_flag=True, help="Forget it: the next run reads everything.")
@click.option("--dry-run", "dry", is_flag=True, help="With --set or --reset: say what it would be; change nothing.")
@everywhere
@session_of
def watermark(session: Session, sync: str, value: str | None, reset: bool, dry: bool) -> None:
    """Show how far an incremental sync has read its source, or set it."""
    if value is not None and reset:
        raise click.UsageError("give --set or --reset, not both")
    app, setting = session.app, value is not None
    if dry and not (reset or setting):
        raise click.UsageError("--dry-run goes with --set or --reset: it says what these would do")
    found = app.set_watermark(sync, value, dry=dry) if reset or setting else app.watermark(sync)
    if session.json:
        told = {"sync": sync, "column": found and found.column, "watermark": found and str(found)}
        say_json(told | ({"dry_run": True} if dry else {}))
    elif dry:
        say(session.out(), f"With this, {_sentence(sync, found)}")
        say(session.out(), f"Nothing was changed: {_sentence(sync, app.watermark(sync))}")
    else:
        say(session.out(), _sentence(sync, found))
    if found is not None and setting and (caution := found.caution(datetime.now(UTC))):
        say(session.err(), f"Warning: {caution}.")


def _sentence(sync: str, found: Watermark | None) -> str:
    if found is None:
        return f"{sync} has no watermark: the next run reads everything."
    return f"{sync} reads from {safe(found.column)} {found} on, and its overlap, where it has one, once more."
