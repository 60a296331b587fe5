"""The command's root: its group, and how every error ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from shared.cli.dataverse import dataverse
from shared.cli.init import init
from shared.cli.jobs import jobs, rejects, show
from shared.cli.output import CLEAN, FAILED, INTERRUPTED, say_json
from shared.cli.runs import apply, check, plan, run
from shared.cli.session import Session
from shared.cli.texts import safe_lines
from shared.errors import DefinitionError, DynsyncError

HELP = """Keep Dynamics 365 / Dataverse tables in step with other systems.

Exit codes: 0 clean, 1 failed, 2 finished with rejects, 3 waits for approval; 130 stopped by Ctrl-C.
"""


class Root(click.Group):
    """The group; ends every call with one exit code and every error with one message."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, obj: Session | None = None, **extra: Any
    ) -> None:
        """Run one call and leave the process."""
        session = obj or Session()
        extra.pop("standalone_mode", None)
        sys.exit(self._ended(session, args, prog_name, extra))

    def _ended(self, session: Session, args: Sequence[str] | None, prog_name: str | None, extra: dict[str, Any]) -> int:
        try:
            code = super().main(args=args, prog_name=prog_name, standalone_mode=False, obj=session, **extra)
        except click.ClickException as error:
            return _failed(session, error, error.format_message(), hint=_usage(error))
        except DynsyncError as error:
            return _failed(session, error, str(error))
        except (click.Abort, KeyboardInterrupt):
            click.echo("\nStopped. A job that was running can be started again: nothing is lost or doubled.", err=True)
            return INTERRUPTED
        except BrokenPipeError:
            sys.stderr.close()
            return FAILED
        return code if isinstance(code, int) else CLEAN


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"\n`{context.command_path} --help` explains." if context else ""


def _failed(session: Session, error: Exception, message: str, *, hint: str = "") -> int:
    if session.json:
        problems = list(error.problems) if isinstance(error, DefinitionError) else []
        say_json({"error": {"type": type(error).__name__, "message": message, "problems": problems}})
    click.echo(f"Error: {safe_lines(message)}{hint}", err=True)
    return FAILED


@click.group(cls=Root, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def dynsync() -> None:
    """Hold the commands together."""


for command in (init, check, plan, run, apply, jobs, show, rejects, dataverse):
    dynsync.add_command(command)
