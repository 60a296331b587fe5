"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shared.cli.session import Session
from shared.cli.texts import cut

LONGEST_SLIP = 60
"""Characters of a wrong word that a message repeats."""

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]
session_of = click.make_pass_decorator(Session)


def _noted(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option's value in the session instead of handing it to every command."""
    setattr(context.find_object(Session), str(parameter.name), value)


def _deployed(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Keep the address, unless one stands before the command and none behind it. See `_refused` for the others."""
    session = context.ensure_object(Session)
    typed = context.get_parameter_source(str(parameter.name)) is not ParameterSource.ENVIRONMENT
    if value and (typed or session.address is None):
        session.address = value


def _refused(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Refuse an address that was typed, before the command or behind it; the variable is not heeded."""
    typed = value and context.get_parameter_source(str(parameter.name)) is not ParameterSource.ENVIRONMENT
    if typed or context.ensure_object(Session).address:
        raise click.BadParameter("this command works on this machine only; leave --app out", context, parameter)


_FOLDER = click.Path(file_okay=False, path_type=Path)
_VERBOSE = click.option("--verbose", is_flag=True, callback=_noted, expose_value=False, help="Log events to stderr.")
_QUIET = click.option("-q", "--quiet", is_flag=True, callback=_noted, expose_value=False, help="Show no progress.")
_JSON = click.option("--json", is_flag=True, callback=_noted, expose_value=False, is_eager=True, help="Speak JSON.")
_SYNCS = click.option(
    "--syncs", type=_FOLDER, default="syncs", show_default=True, envvar="DYNSYNC_SYNCS", callback=_noted,
    expose_value=False, help="Folder of the definitions.",
)  # fmt: skip
_STATE = click.option(
    "--state", type=_FOLDER, default=".dynsync", show_default=True, envvar="DYNSYNC_STATE", callback=_noted,
    expose_value=False, help="Folder where jobs are kept.",
)  # fmt: skip
_NO_APP = click.option("--app", envvar="DYNSYNC_APP", callback=_refused, expose_value=False, hidden=True)


def _app(*, envvar: str | None) -> Decorator:
    help_ = "Speak to the app that is deployed there; before the command or behind it."
    return click.option("--app", metavar="URL", envvar=envvar, callback=_deployed, expose_value=False, help=help_)


def _all(command: Command, *options: Decorator) -> Command:
    for option in options:
        command = option(command)
    return command


def everywhere(command: Command) -> Command:
    """The options of a command that works on this machine's folders, or with `--app` on a deployed app."""
    return _all(command, _VERBOSE, _QUIET, _JSON, _SYNCS, _STATE, _app(envvar="DYNSYNC_APP"))


def on_this_machine(command: Command) -> Command:
    """The options of a command that looks at this machine's folders and secrets: a deployed app has no answer to it."""
    return _all(command, _VERBOSE, _QUIET, _JSON, _SYNCS, _STATE, _NO_APP)


def by_itself(command: Command) -> Command:
    """The options of a command that needs neither definitions nor jobs."""
    return _all(command, _JSON, _NO_APP)


def before_the_command(root: Command) -> Command:
    """The options that may stand before every command."""
    return _app(envvar=None)(root)


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
            shown = cut(value, LONGEST_SLIP)
            raise click.BadParameter(f"{shown!r} is not of the form {parameter.metavar}", ctx=context, param=parameter)
        if name in pairs:
            shown = cut(name, LONGEST_SLIP)
            raise click.BadParameter(f"{shown!r} is given twice; give it once", ctx=context, param=parameter)
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
