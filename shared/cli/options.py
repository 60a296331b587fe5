"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shared.cli.session import Session

Command = Callable[..., Any]
session_of = click.make_pass_decorator(Session)


def _noted(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option's value in the session instead of handing it to every command."""
    setattr(context.find_object(Session), str(parameter.name), value)


LOCAL_ONLY = ("init", "secrets", "doctor", "role", "dataverse")
"""Commands that look at this machine's folders and secrets, and so have nothing to ask of a deployed app."""


def _deployed(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep the address. A command of this machine refuses it when it was typed, and does not heed the variable."""
    words = context.command_path.split()
    if value and any(word in LOCAL_ONLY for word in words[1:]):
        if context.get_parameter_source(str(parameter.name)) is not ParameterSource.ENVIRONMENT:
            raise click.BadParameter("this command works on this machine only; leave --app out", context, parameter)
        return
    context.find_object(Session).address = value or None  # type: ignore[union-attr]


def everywhere(command: Command) -> Command:
    """The options of every command."""
    folder = click.Path(file_okay=False, path_type=Path)
    for option in (
        click.option("--verbose", is_flag=True, callback=_noted, expose_value=False, help="Log events to stderr."),
        click.option("-q", "--quiet", is_flag=True, callback=_noted, expose_value=False, help="Show no progress."),
        click.option("--json", is_flag=True, callback=_noted, expose_value=False, is_eager=True, help="Speak JSON."),
        click.option(
            "--syncs", type=folder, default="syncs", show_default=True, envvar="DYNSYNC_SYNCS", callback=_noted,
            expose_value=False, help="Folder of the definitions.",
        ),
        click.option(
            "--state", type=folder, default=".dynsync", show_default=True, envvar="DYNSYNC_STATE", callback=_noted,
            expose_value=False, help="Folder where jobs are kept.",
        ),
        click.option(
            "--app", metavar="URL", envvar="DYNSYNC_APP", callback=_deployed, expose_value=False,
            help="Speak to the app that is deployed there.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def exported(command: Command) -> Command:
    """`--out FILE`: where the whole plan is written."""
    return click.option(
        "--out",
        "--export",
        "export",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_writable,
        help="Write the plan: .csv .jsonl .parquet",
    )(command)


def _writable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """Told before the job begins, which may take long."""
    if path is None:
        return None
    if path.suffix.lower() not in (".csv", ".jsonl", ".parquet"):
        raise click.BadParameter(f"{str(path)!r} does not end in .csv, .jsonl or .parquet", context, parameter)
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}; make it first", context, parameter)
    return path


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not of the form {parameter.metavar}", ctx=context, param=parameter)
        if name in pairs:
            raise click.BadParameter(f"{name!r} is given twice; give it once", ctx=context, param=parameter)
        pairs[name] = text
    return pairs


def _files(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    files = {name: Path(text) for name, text in _pairs(context, parameter, values).items()}
    for name, path in files.items():
        if not path.is_file():
            raise click.BadParameter(f"there is no file {str(path)!r} for {name!r}", ctx=context, param=parameter)
    return files


def variables(command: Command) -> Command:
    """`-v name=value` and `--file name=path`."""
    value = click.option(
        "-v", "--variable", "values", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="Value of a variable."
    )
    file = click.option(
        "--file", "files", multiple=True, metavar="NAME=PATH", callback=_files, help="File for a file variable."
    )
    return value(file(command))
