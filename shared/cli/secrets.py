"""`secrets`: set secrets, and see which are set. A value is never shown, nor taken from the command line."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from shared.cli.options import on_this_machine, session_of
from shared.cli.output import say_json
from shared.cli.screens.paper import say
from shared.cli.session import Session
from shared.cli.texts import called
from shared.errors import RefuseError
from shared.values.secrets import SecretEntry, SecretState

LARGEST_BYTES = 25_600
"""What Key Vault takes."""


@click.group()
def secrets() -> None:
    """Set secrets and see which are set; never their values."""


@secrets.command("list", short_help="Show which secrets are set, and which syncs name them.")
@on_this_machine
@session_of
def list_secrets(session: Session) -> None:
    """Show the secrets that syncs name or may name: whether each is set, and by whom it is named."""
    place, entries = session.app.secret_place(), session.app.secret_entries()
    if session.json:
        say_json({"place": place, "secrets": entries})
    else:
        _print(session.out(), place, entries)


@secrets.command(
    "set", short_help="Set a secret; its value is asked for.", context_settings={"ignore_unknown_options": True}
)
@click.argument("name")
@click.argument("more", nargs=-1, metavar="", type=click.UNPROCESSED)
@on_this_machine
@session_of
def set_secret(session: Session, name: str, more: tuple[str, ...]) -> None:
    """Set a secret: its value is asked for twice without echo, or read from standard input."""
    if more:
        raise RefuseError(
            f"a value is not given on the command line, where others can read it: leave it out and it is asked for, or "
            f"send it by `{called()} secrets set NAME < file`; if that was a secret, take it for known and change it"
        )
    session.app.set_secret(name, _value)
    if session.json:
        say_json({"secret": name, "place": session.app.secret_place()})
    else:
        say(session.out(), f"Set {name} in {session.app.secret_place()}.")


def _value() -> str:
    """The value, from a person at the terminal or from standard input.

    Raises:
        RefuseError: there is none, or it is no text that can be kept.
    """
    if sys.stdin.isatty():
        return _fit(str(click.prompt("Value", hide_input=True, confirmation_prompt="The same again", err=True)))
    try:
        text = sys.stdin.buffer.read(LARGEST_BYTES + 3).decode("utf-8")
    except UnicodeDecodeError:
        raise RefuseError("standard input is no text (UTF-8); encode the value in base64 first") from None
    return _fit(text.removesuffix("\n").removesuffix("\r"))


def _fit(value: str) -> str:
    if not value.strip():
        raise RefuseError("there was no value: nothing was set")
    if len(value.encode()) > LARGEST_BYTES:
        raise RefuseError(f"the value is longer than the {LARGEST_BYTES} bytes that a secret may have: nothing was set")
    return value


def _print(out: Console, place: str, entries: list[SecretEntry]) -> None:
    say(out, f"Secrets in {place}:")
    if not entries:
        say(out, "  none, and no sync names one")
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        style = "green" if entry.state is SecretState.SET else "bold"
        named = f"named by {', '.join(entry.syncs)}" if entry.syncs else "named by no sync"
        say(out, f"  {entry.name.ljust(width)}  ", (f"{entry.state.value:<13}", style), f"  {named}")
