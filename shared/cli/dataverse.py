"""`dataverse`: the local Dataverse, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

import shared
from shared.cli.options import everywhere, session_of
from shared.cli.output import CLEAN, FAILED
from shared.cli.session import Session
from shared.errors import NotFoundError

MODULE = "local.dataverse"
ROOT = Path(shared.__file__).parent.parent


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Port on this machine.")
@click.option("--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the rows in this file.")
@click.option(
    "--tables", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="YAML file of more tables."
)
@everywhere
@session_of
def dataverse(session: Session, port: int | None, file: Path | None, tables: Path | None) -> int:
    """Start the local Dataverse; Ctrl-C stops it."""
    if find_spec(MODULE.partition(".")[0]) is None or find_spec(MODULE) is None:
        raise NotFoundError("the local Dataverse is not part of this installation; use a clone of the project")
    given = {"--port": port, "--file": file, "--tables": tables}
    words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    return run_module(MODULE, [*words, *(["--json"] if session.json else [])])


def run_module(module: str, words: list[str]) -> int:
    """Run a module with this interpreter until it ends or Ctrl-C stops it; both see the same Ctrl-C."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", module, *words]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}) as child:  # noqa: S603 - our own module
        try:
            return CLEAN if child.wait() == 0 else FAILED
        except KeyboardInterrupt:
            child.wait()
            return CLEAN
