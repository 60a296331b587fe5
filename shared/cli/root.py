"""The command's root: its group, and how every error ends."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from shared import VERSION
from shared.cli.dataverse import dataverse
from shared.cli.definition import definition
from shared.cli.doctor import doctor, role
from shared.cli.init import init
from shared.cli.jobs import jobs, show
from shared.cli.listening import listener, parked, publish, redrive, release
from shared.cli.options import before_the_command
from shared.cli.output import CLEAN, FAILED, INTERRUPTED, TERMINATED, UNREAD, say_json
from shared.cli.rejects import rejects, replay
from shared.cli.rights import needed
from shared.cli.runs import apply, cancel, check, plan, run, undo
from shared.cli.schedule import schedule
from shared.cli.screens.paper import say
from shared.cli.secrets import secrets
from shared.cli.session import Session, Terminated
from shared.cli.texts import as_called, called, refusal, safe_lines
from shared.cli.waits import waits_told
from shared.cli.watermark import watermark
from shared.errors import DefinitionError, DynsyncError
from shared.values.life import resumable

HELP = """Keep Dynamics 365 / Dataverse tables in step with other systems.

Exit codes: 0 clean, 1 failed, 2 finished with rejects, 3 waits for approval; 130 stopped by Ctrl-C,
143 by a request to end (SIGTERM), 141 when nobody reads the output any more (`| head`).
"""


class _UnreadError(Exception):
    """Nobody reads the output any more. No OSError: click would end the process with 1."""


@contextlib.contextmanager
def _read() -> Iterator[None]:
    """Tells from every other end that the output's reader has gone; rich makes a SystemExit of it.

    Raises:
        _UnreadError: it has.
    """
    try:
        yield
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, BrokenPipeError) or isinstance(end.__context__, BrokenPipeError):
            raise _UnreadError from None
        raise


class Root(click.Group):
    """The group; ends every call with one exit code and every error with one message."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, obj: Session | None = None, **extra: Any
    ) -> None:
        """Run one call and leave the process."""
        session = obj or Session()
        extra.pop("standalone_mode", None)
        with waits_told(session.waits):
            code = self._ended(session, args, prog_name, extra)
        sys.exit(_written(code))

    def make_context(self, *words: Any, **members: Any) -> click.Context:
        """As click does; `--help` is said here."""
        with _read():
            return super().make_context(*words, **members)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does."""
        with _read():
            return super().invoke(ctx)

    def _ended(self, session: Session, args: Sequence[str] | None, prog_name: str | None, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args=args, prog_name=prog_name, standalone_mode=False, obj=session, **extra)
        except click.ClickException as error:
            return _misused(session, error)
        except DynsyncError as error:
            return _failed(session, error, str(error))
        except (click.Abort, KeyboardInterrupt) as error:
            line = "" if error.__cause__ else "\n"  # click has ended the line already, but not after a question
            say(session.err(), f"{line}Stopped{_way_on(session)}")
            return TERMINATED if isinstance(error.__cause__ or error, Terminated) else INTERRUPTED
        except _UnreadError:
            return UNREAD
        except OSError as error:
            return _failed(session, error, refusal(error))
        return code if isinstance(code, int) else CLEAN


def _written(code: int) -> int:
    """The exit code, once all that was said has left the process; what cannot leave is let go and told on stderr."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go()
        return UNREAD
    except OSError as error:
        _let_go()
        if code != FAILED:
            click.echo(f"Error: {refusal(error)}", err=True)
        return FAILED
    return code


def _let_go() -> None:
    """Send what still waits for standard output nowhere, or the interpreter would fail over it once more."""
    with contextlib.suppress(io.UnsupportedOperation):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _way_on(session: Session) -> str:
    """How to go on after a stop: with the plan of the job that was at work, else from the beginning."""
    if session.working is None:
        return "; nothing was changed."
    if session.address is not None:
        return f". The app goes on with the job; `{called()} jobs` shows it, and `cancel` stops it."
    with contextlib.suppress(DynsyncError, OSError):
        job = next(iter(session.app.jobs(sync=session.working, limit=1)), None)
        if job is not None and resumable(job):
            return f". `{called()} apply {job.id}` goes on where it stopped: nothing is lost or doubled."
    return f". `{called()} run {session.working}` starts again: nothing is lost or doubled."


def _misused(session: Session, error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return FAILED
    return _failed(session, error, error.format_message(), hint=_usage(error))


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    words = [called(), *context.command_path.split()[1:]] if context else []
    return f"\n`{' '.join(words)} --help` explains." if words else ""


def _failed(session: Session, error: Exception, message: str, *, hint: str = "") -> int:
    message = as_called(message)
    if session.json:
        problems = list(error.problems) if isinstance(error, DefinitionError) else []
        with contextlib.suppress(OSError):  # the message on stderr below is said in any case
            say_json({"error": {"type": type(error).__name__, "message": message, "problems": problems}})
    say(session.err(), f"Error: {safe_lines(message)}{hint}")
    return FAILED


@click.group(cls=Root, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="%(prog)s %(version)s")
@before_the_command
def dynsync() -> None:
    """Hold the commands together."""


for command in (
    init,
    check,
    plan,
    run,
    apply,
    undo,
    cancel,
    jobs,
    show,
    rejects,
    replay,
    schedule,
    definition,
    watermark,
    listener,
    publish,
    parked,
    release,
    redrive,
    secrets,
    doctor,
    role,
    dataverse,
):
    command.epilog = needed(str(command.name))
    dynsync.add_command(command)
