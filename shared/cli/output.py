"""JSON for machines, and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path

import click

from shared.values.jobs import Job, JobState

CLEAN, FAILED, WITH_REJECTS, WAITS = 0, 1, 2, 3
INTERRUPTED = 130
"""What shells expect of a command that was stopped by Ctrl-C."""
TERMINATED = 143
"""What shells expect of a command that was asked to end (SIGTERM)."""
UNREAD = 141
"""What shells expect of a command whose reader has gone (SIGPIPE), such as `head`."""

_CODES = {
    JobState.SUCCEEDED: CLEAN,
    JobState.COMPLETED_WITH_ERRORS: WITH_REJECTS,
    JobState.AWAITING_APPROVAL: WAITS,
}


def exit_code(job: Job) -> int:
    """How a command that ran this job ends."""
    return _CODES.get(job.state, FAILED)


def jsonable(value: object) -> object:
    """Values as JSON knows them; times as ISO 8601, and what JSON has no word for as its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.as_posix() if isinstance(value, Path) else str(value)


def say_json(value: object) -> None:
    """One JSON document on standard output. ASCII, so that no terminal's encoding can spoil it."""
    click.echo(json.dumps(jsonable(value), indent=2))


def say_json_list(name: str, values: Iterable[object], **members: object) -> None:
    """One JSON object with a list that may be long: it is written as it is read."""
    head = "".join(f"{json.dumps(key)}: {json.dumps(jsonable(value))}, " for key, value in members.items())
    click.echo(f"{{{head}{json.dumps(name)}: [", nl=False)
    for number, value in enumerate(values):
        click.echo(("," if number else "") + "\n" + json.dumps(jsonable(value)), nl=False)
    click.echo("\n]}")
