"""`schedule`: when every sync is due next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from shared.cli.options import everywhere, session_of
from shared.cli.output import say_json
from shared.cli.screens.paper import say
from shared.cli.session import Session
from shared.cli.texts import instant
from shared.errors import NotFoundError
from shared.values.schedules import Upcoming


@click.command()
@click.argument("sync", required=False)
@everywhere
@session_of
def schedule(session: Session, sync: str | None) -> None:
    """Show when syncs are due next. The app's timer starts them, not this command."""
    found = [one for one in session.app.upcoming() if sync in (None, one.sync)]
    if sync is not None and not found:
        raise NotFoundError(f"there is no sound definition {sync!r} with a schedule; `check {sync}` tells more")
    if session.json:
        say_json(found)
    else:
        _print(session.out(), found)


def _print(out: Console, found: Sequence[Upcoming]) -> None:
    if not found:
        say(out, "No sync has a schedule; add `schedule: { cron: 0 0 2 * * *, time_zone: Europe/Amsterdam }` to one.")
    width = max((len(one.sync) for one in found), default=0)
    for one in found:
        say(out, (one.sync.ljust(width), "bold"), f"  {one.cron}  {one.time_zone}")
        for line in _lines(one):
            say(out, (f"{' ' * width}  {line}", "dim"))


def _lines(one: Upcoming) -> list[str]:
    if not one.enabled:
        return ["switched off; `enabled: true` lets it run again"]
    zone = ZoneInfo(one.time_zone)
    return [f"{'next' if number == 0 else 'then'} {_time(when, zone)}" for number, when in enumerate(one.next)] or [
        "never due again"
    ]


def _time(when: datetime, zone: ZoneInfo) -> str:
    """`Mon 2026-03-30 02:30:00 +0200 (2026-03-30 00:30:00 UTC)`."""
    return f"{when.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z} ({instant(when)})"
