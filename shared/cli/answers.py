"""The answers that `init` needs: from an option, the defaults, or the person, who is asked again if need be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import ValidationError

from shared.definitions.connection import DataverseConnection
from shared.definitions.part import SYNC_NAME

Checked = Callable[[str], str]
"""Gives the answer as it is meant.

Raises:
    click.UsageError: it is none; says what would be one.
"""


def anything(text: str) -> str:
    """Every answer will do."""
    return text


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said on the command line; None is asked for."""

    name: str | None
    source: Path | None
    dialect: str | None
    source_table: str | None
    source_secret: str | None
    entity: str | None
    service_url: str | None
    tenant_id: str | None
    client_id: str | None
    client_secret: str | None
    maps: tuple[str, ...]
    key: str | None
    currency: str | None
    yes: bool
    force: bool

    def ask(
        self,
        text: str,
        given: str | None,
        default: str | None = None,
        *,
        option: str = "the option",
        checked: Checked = anything,
    ) -> str:
        """The answer given, the default with --yes, or the person's, who is asked until it is an answer.

        Raises:
            click.UsageError: the answer given is none, or there is nobody to ask.
        """
        if given is not None:
            return checked(given)
        if self.yes and default is not None:
            return checked(default)
        if self.yes:
            raise click.UsageError(f"--yes takes defaults, but there is none for: {text}; give {option}")
        return str(_asked(lambda: click.prompt(text, default=default, err=True, value_proc=checked)))

    def agree(self, text: str, *, default: bool) -> bool:
        """The person's yes or no; the default with --yes."""
        return default if self.yes else bool(_asked(lambda: click.confirm(text, default=default, err=True)))


def _asked(question: Callable[[], object]) -> object:
    try:
        return question()
    except click.Abort as end:
        if not isinstance(end.__context__, EOFError):
            raise
    raise click.UsageError("the answers ended here and nothing was written; give them as options, or --yes")


def source_file(text: str) -> str:
    """The path of a file."""
    path = Path(text)
    if path.is_file():
        return text
    found = "is a folder" if path.is_dir() else "does not exist"
    raise click.UsageError(f"{text} {found}; give the path of a file, as seen from {Path.cwd()}")


def sync_name(text: str) -> str:
    """A name that a sync may have."""
    if re.fullmatch(SYNC_NAME, text):
        return text
    raise click.UsageError(f"{text!r} is no name for a sync: lower-case letters, digits and single hyphens")


def table_name(text: str) -> str:
    """A name that a table may have."""
    return _fitting("entity", text, text, f"{text!r} is no name of a table; write its logical name, such as account")


def environment(text: str) -> str:
    """An environment's address; it is not said again, for it may hold a password."""
    wrong = "this is no address of an environment; write one such as https://org.crm4.dynamics.com"
    return _fitting("service_url", text, text, wrong)


def secret_name(text: str) -> str:
    """A secret's name; what was typed is not said again, for it may be the secret."""
    wrong = "this is no name of a secret (letters, digits and hyphens); write the name, never the value"
    return _fitting("client_secret", {"secret": text}, text, wrong)


def currency_code(text: str) -> str:
    """A currency's ISO code."""
    if re.fullmatch("[A-Z]{3}", text):
        return text
    raise click.UsageError(f"{text!r} is no currency code; write three capital letters such as EUR")


def _fitting(member: str, value: object, text: str, wrong: str) -> str:
    sound = {
        "entity": "account",
        "service_url": "https://org.crm4.dynamics.com",
        "client_id": {"secret": "a"},
        "client_secret": {"secret": "a"},
    }
    try:
        DataverseConnection.model_validate({**sound, member: value})
    except ValidationError:
        raise click.UsageError(wrong) from None
    return text
