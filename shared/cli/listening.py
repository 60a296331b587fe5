"""`listener`, `publish`, `parked`, `release`, `redrive`: real time from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from shared.cli.facade import EventWords, Hears
from shared.cli.options import everywhere, session_of
from shared.cli.output import CLEAN, FAILED, WITH_REJECTS, say_json
from shared.cli.screens.events import print_parked, print_rejected, print_with_reasons
from shared.cli.screens.listeners import print_listeners
from shared.cli.screens.paper import say
from shared.cli.session import Session, who
from shared.cli.texts import called, counted, safe
from shared.errors import RefuseError
from shared.formats import split
from shared.values.events import Bucket, ListenerState, ListenerView
from shared.values.messages import DeadLetter

_LIMIT = 100
_GOES_ON = "What may go, goes within a minute; `{command} release {sync}` lets it go now."


@contextmanager
def _desk(session: Session) -> Iterator[EventWords]:
    """Real time, of an app that knows it; its connections are closed afterwards. Raises `RefuseError`."""
    if not isinstance(session.app, Hears):
        raise RefuseError("this app does not tell of real time; run the command where its state is")
    desk = session.app.events
    try:
        yield desk
    finally:
        desk.close()


@click.group()
def listener() -> None:
    """Real time: see how listeners fare, switch one on or off."""


@listener.command()
@click.argument("sync", required=False)
@everywhere
@session_of
def status(session: Session, sync: str | None) -> int:
    """Show how listeners fare; one, or all that there are."""
    with _desk(session) as desk:
        views = [desk.listener(sync)] if sync else desk.listeners()
    if session.json:
        say_json(views)
    else:
        print_listeners(session.out(), views)
    return FAILED if any(view.state is ListenerState.FAILED for view in views) else CLEAN


@listener.command(short_help="Switch a listener on; what waited comes first.")
@click.argument("sync")
@click.option("--from", "moment", metavar="TIME", help="Skip what was sent before: now, or 2026-01-31T08:00Z.")
@everywhere
@session_of
def on(session: Session, sync: str, moment: str | None) -> int:
    """Switch a listener on; it takes the messages that waited, then new ones."""
    moment_from = _moment(moment) if moment is not None else None
    with _desk(session) as desk:
        if moment_from is not None:
            desk.start_from(sync, moment_from)
        view = desk.switch(sync, on=True)
    return _switched(session, view)


@listener.command(short_help="Switch a listener off; its messages are parked.")
@click.argument("sync")
@everywhere
@session_of
def off(session: Session, sync: str) -> int:
    """Switch a listener off; its messages are parked, in order, until it is on again."""
    with _desk(session) as desk:
        view = desk.switch(sync, on=False)
    return _switched(session, view)


@listener.command(short_help="Show the events that a listener set aside, and why.")
@click.argument("sync", default="")
@click.option("--limit", default=_LIMIT, show_default=True, type=click.IntRange(1, 10_000), help="How many to show.")
@everywhere
@session_of
def rejects(session: Session, sync: str, limit: int) -> int:
    """Show the events that a listener set aside, and why; without a SYNC those that name no known one."""
    with _desk(session) as desk:
        found = desk.rejected_events(sync, limit=limit)
    if session.json:
        say_json(found)
        return WITH_REJECTS if found else CLEAN
    print_rejected(session.out(), found)
    say(session.out(), f"Set aside: {counted(len(found), 'event')}{' or more' if len(found) == limit else ''}.")
    return WITH_REJECTS if found else CLEAN


@listener.command(short_help="Apply events that were set aside once more.")
@click.argument("sync")
@click.argument("numbers", nargs=-1, type=click.IntRange(1))
@everywhere
@session_of
def replay(session: Session, sync: str, numbers: tuple[int, ...]) -> int:
    """Apply events that were set aside once more: all, or those of some messages (by number)."""
    with _desk(session) as desk:
        counts = desk.replay_events(sync, numbers or None)
    return _said(session, counts, "Nothing is set aside.")


def _said(session: Session, counts: dict[Bucket, int], nothing: str) -> int:
    if session.json:
        say_json({str(bucket): number for bucket, number in counts.items()})
    else:
        listed = ", ".join(f"{bucket}: {number:,}" for bucket, number in counts.items())
        say(session.out(), listed.capitalize() if listed else nothing)
    return WITH_REJECTS if counts.get(Bucket.REJECTED) else CLEAN


def _switched(session: Session, view: ListenerView) -> int:
    if session.json:
        say_json(view)
    else:
        print_listeners(session.out(), [view])
        if view.on and view.parked:
            say(session.out(), _GOES_ON.format(command=called(), sync=safe(view.sync)))
    return CLEAN


def _moment(text: str) -> datetime:
    if text == "now":
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write now, or 2026-01-31T08:00Z", param_hint="--from") from None
    if found.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no zone; write it like 2026-01-31T08:00Z", param_hint="--from")
    return found


@click.command(short_help="Send the records of a JSON file as messages.")
@click.argument("sync")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@everywhere
@session_of
def publish(session: Session, sync: str, file: Path) -> int:
    """Send the records of a JSON file (a list, or one a line) as messages, once all of them are found good."""
    try:
        documents = split(file.read_bytes())
    except ValueError as error:
        raise RefuseError(f"{file} cannot be sent: {error}") from None
    with _desk(session) as desk:
        sent = desk.publish(sync, documents)
    if session.json:
        say_json({"sync": sync, "sent": sent})
    else:
        say(session.out(), f"Sent: {counted(sent, 'message')}.")
    return CLEAN


@click.command()
@click.argument("sync")
@click.option("--limit", default=_LIMIT, show_default=True, type=click.IntRange(1, 10_000), help="How many to show.")
@everywhere
@session_of
def parked(session: Session, sync: str, limit: int) -> int:
    """Show the events of a sync that wait, and why."""
    with _desk(session) as desk:
        found, view = desk.parked(sync, limit=limit), desk.listener(sync)
    if session.json:
        say_json(found)
        return CLEAN
    print_parked(session.out(), found)
    say(session.out(), f"Waiting: {counted(view.parked, 'event')}.")
    if view.on and view.parked:
        say(session.out(), _GOES_ON.format(command=called(), sync=safe(sync)))
    return CLEAN


@click.command(short_help="Apply the events of a sync that wait, in order.")
@click.argument("sync")
@everywhere
@session_of
def release(session: Session, sync: str) -> int:
    """Apply the events of a sync that wait, in order; what still has a reason to wait stays."""
    with _desk(session) as desk:
        counts = desk.release(sync, by=who())
    return _said(session, counts, "Nothing waits that may go.")


@click.command(short_help="Show the dead letters of real time; put some or all back.")
@click.argument("numbers", nargs=-1, type=click.IntRange(1))
@click.option("--all", "everything", is_flag=True, help="Put all of them back.")
@everywhere
@session_of
def redrive(session: Session, numbers: tuple[int, ...], everything: bool) -> int:
    """Show the dead letters of real time; put some (by number) or all back on the queue.

    What is older than what its record holds by now is not written: nothing old overtakes anything new.
    """
    if numbers and everything:
        raise click.UsageError("give numbers or --all, not both")
    with _desk(session) as desk:
        if not numbers and not everything:
            _print_dead(session, desk.dead_letters(limit=_LIMIT))
            return CLEAN
        done = desk.redrive(None if everything else numbers)
    if session.json:
        say_json(done)
    else:
        say(session.out(), f"Put back: {counted(done.sent, 'message')}; dead letters left: {done.left:,}.")
    return CLEAN


def _print_dead(session: Session, letters: list[DeadLetter]) -> None:
    if session.json:
        say_json([{**_told(letter), "properties": dict(letter.properties)} for letter in letters])
        return
    told = [_told(letter) for letter in letters]
    names = ("number", "sync", "sent", "deliveries")
    rows = [([str(one[name]) for name in names], str(one["why"])) for one in told]
    print_with_reasons(session.out(), [name.capitalize() for name in names], rows)
    say(session.out(), f"Dead letters: {len(letters):,}{' or more' if len(letters) == _LIMIT else ''}.")


def _told(letter: DeadLetter) -> dict[str, object]:
    """A dead letter without its body, which holds field values; and what its reason means."""
    reason = letter.reason or "unknown"
    why = _REASONS.get(reason, letter.explanation or reason)
    sent = f"{letter.enqueued_at:%Y-%m-%d %H:%M}Z" if letter.enqueued_at else ""
    return {
        "number": letter.number,
        "first_number": letter.first_number,
        "sync": letter.subject or "",
        "sent": sent,
        "deliveries": letter.deliveries,
        "reason": reason,
        "why": why,
    }


_REASONS = {
    "MaxDeliveryCountExceeded": "the process ended or its store failed at every delivery; mend that, then put it back",
    "TTLExpiredException": "nobody took it within its time to live",
}
