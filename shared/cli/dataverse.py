"""`dataverse`: the local Dataverse, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console

import shared
from shared.cli.options import everywhere, session_of
from shared.cli.output import CLEAN, FAILED, say_json
from shared.cli.screens.paper import say
from shared.cli.session import Session
from shared.errors import AlreadyRunningError, NotFoundError

MODULE = "local.dataverse"
ROOT = Path(shared.__file__).parent.parent
PORT = 8765

WELL_KNOWN = {
    "tenant_id": "0d000000-0000-4000-8000-00000000aaaa",
    "client_id": "0d000000-0000-4000-8000-00000000c1d1",
    "client_secret": "local-development-only",
}
"""How one signs in to the local Dataverse: the same everywhere, and opens nothing else."""


def origin(port: int = PORT) -> str:
    """Where the local Dataverse gives out tokens."""
    return f"http://127.0.0.1:{port}"


def service_url(port: int = PORT) -> str:
    """Where the local Dataverse answers."""
    return f"{origin(port)}/api/data/v9.2/"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Port on this machine.")
@click.option("--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the rows in this file.")
@click.option(
    "--tables", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="YAML file of more tables."
)
@click.option(
    "--settings",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="YAML: limits, faults, logic.",
)
@click.option("--limits", is_flag=True, help="The service's limits; the next five bring them, too.")
@click.option("--servers", type=click.IntRange(1, 64), help="Virtual web servers, each with limits of its own.")
@click.option("--window-s", type=click.FloatRange(0.1, 300), help="The limits' five minutes pass in so many seconds.")
@click.option("--call-ms", type=click.FloatRange(0), help="Simulated time of a call.")
@click.option("--row-ms", type=click.FloatRange(0), help="Simulated time of each row of a call.")
@click.option("--dop-hint", type=click.IntRange(1), help="The degree of parallelism that it recommends.")
@click.option("--faults", type=click.Choice(("off", "rough")), help="Rough weather; off by default.")
@everywhere
@session_of
def dataverse(session: Session, /, port: int, **given: object) -> int:
    """Start the local Dataverse; Ctrl-C stops it."""
    if find_spec(MODULE.partition(".")[0]) is None or find_spec(MODULE) is None:
        raise NotFoundError("the local Dataverse is not part of this installation; use a clone of the project")
    refuse_taken(port)
    if session.json:
        say_json({"service_url": service_url(port), "authority": origin(port), **WELL_KNOWN})
    else:
        _say(session.out(), port)
    words = _words({"port": port, **given})
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:  # the address is said already
        return run_module(MODULE, [*words, "--end-with-parent"], stdout=nowhere)


def _words(given: Mapping[str, object]) -> list[str]:
    """Options as a command line has them: a flag alone, what was not given not at all."""
    named = {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}
    words = ([name] if value is True else [name, str(value)] for name, value in named.items() if value is not False)
    return [word for option in words for word in option]


def _say(out: Console, port: int) -> None:
    say(out, ("The local Dataverse", "bold"), f" answers at {service_url(port)}; Ctrl-C stops it.\n")
    for name, value in WELL_KNOWN.items():
        say(out, f"  {name.replace('_', ' '):<14} {value}")
    say(out, "\nA definition called my-sync reaches it with\n")
    say(out, f"  destination:\n    service_url: {service_url(port)}\n    authority: {origin(port)}")
    for name in WELL_KNOWN:
        say(out, f"    {name}: {{ secret: my-sync--{name.replace('_', '-')} }}")
    say(out, "\nand with these environment variables\n")
    for name, value in WELL_KNOWN.items():
        say(out, f"  export DYNSYNC_SECRET_MY_SYNC__{name.upper()}={value}")
    say(out, "")
    out.file.flush()


def refuse_taken(port: int) -> None:
    """Say it before a program starts in vain. Raises `AlreadyRunningError`."""
    with socket.socket() as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise AlreadyRunningError(
                f"port {port} cannot be used ({error.strerror}); another program has it, perhaps a local Dataverse "
                "that runs already; choose another with --port"
            ) from error


def run_module(module: str, words: list[str], *, stdout: TextIO | None = None) -> int:
    """Run a module with this interpreter until it ends; Ctrl-C and a request to end stop both."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", module, *words]
    environ = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(command, env=environ, stdout=stdout) as child:  # noqa: S603 - a module of our own
        before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            return CLEAN if child.wait() == 0 else FAILED
        except KeyboardInterrupt:
            child.terminate()
            child.wait()
            return CLEAN
        finally:
            signal.signal(signal.SIGTERM, before)
