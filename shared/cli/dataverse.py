"""`dataverse`: the local Dataverse, in a process of its own."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import click
from rich.console import Console

import shared
from shared.cli.options import by_itself, session_of
from shared.cli.output import CLEAN, FAILED, say_json
from shared.cli.screens.paper import say
from shared.cli.session import Session
from shared.errors import AlreadyRunningError, NotFoundError

MODULE = "local.dataverse"
ROOT = Path(shared.__file__).parent.parent
PORT = 8765
API = "/api/data/v9.2/"

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
    return f"{origin(port)}{API}"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Port; 0: a free one.")
@click.option("--file", "file", type=click.Path(dir_okay=False, path_type=Path), help="Keep the rows in this file.")
@click.option(
    "--tables",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="YAML file of tables, instead of the built-in ones or beside them.",
)
@click.option(
    "--settings",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="YAML: limits, faults, logic.",
)
@click.option(
    "--https",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Speak https; the certificate to trust is written to this file, anew at each start.",
)
@click.option(
    "--language",
    type=click.IntRange(1025, 65535),
    help="Base language (LCID; 1033 by default): decides whether accents count. A file keeps its own.",
)
@click.option("--limits", is_flag=True, help="The service's limits; the next five bring them, too.")
@click.option("--servers", type=click.IntRange(1, 64), help="Virtual web servers, each with limits of its own.")
@click.option("--window-s", type=click.FloatRange(0.1, 300), help="The limits' five minutes pass in so many seconds.")
@click.option("--call-ms", type=click.FloatRange(0), help="Simulated time of a call.")
@click.option("--row-ms", type=click.FloatRange(0), help="Simulated time of each row of a call.")
@click.option("--dop-hint", type=click.IntRange(1), help="The degree of parallelism that it recommends.")
@click.option("--faults", type=click.Choice(("off", "rough")), help="Rough weather; off by default.")
@by_itself
@session_of
def dataverse(session: Session, /, port: int, https: Path | None, **given: object) -> int:
    """Start the local Dataverse; Ctrl-C stops it."""
    if find_spec(MODULE.partition(".")[0]) is None or find_spec(MODULE) is None:
        raise NotFoundError("the local Dataverse is not part of this installation; use a clone of the project")
    refuse_taken(port)
    words = _words({"port": port, "https": https, **given})
    return run_module(MODULE, [*words, "--end-with-parent"], ready=lambda line: _ready(session, line, https))


def _ready(session: Session, line: str, https: Path | None) -> None:
    """Say how to reach the server, once it has said that it listens."""
    address = line.rsplit(maxsplit=1)[-1]
    authority = address.removesuffix(API)
    certificate = str(https.absolute()) if https else None
    if session.json:
        more = {"certificate": certificate} if certificate else {}
        say_json({"service_url": address, "authority": authority, **WELL_KNOWN, **more})
        sys.stdout.flush()
    else:
        _say(session.out(), address, authority, certificate)


def _words(given: Mapping[str, object]) -> list[str]:
    """Options as a command line has them: a flag alone, what was not given not at all."""
    named = {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}
    words = ([name] if value is True else [name, str(value)] for name, value in named.items() if value is not False)
    return [word for option in words for word in option]


def _say(out: Console, address: str, authority: str, certificate: str | None) -> None:
    say(out, ("The local Dataverse", "bold"), f" answers at {address}; Ctrl-C stops it.")
    say(out, f"A page for people is at {authority}/\n")
    for name, value in WELL_KNOWN.items():
        say(out, f"  {name.replace('_', ' '):<14} {value}")
    say(out, "\nA definition called my-sync reaches it with\n")
    say(out, f"  destination:\n    service_url: {address}\n    authority: {authority}")
    for name in WELL_KNOWN:
        say(out, f"    {name}: {{ secret: my-sync--{name.replace('_', '-')} }}")
    say(out, "\nand with these environment variables\n")
    for name, value in WELL_KNOWN.items():
        say(out, f"  export DYNSYNC_SECRET_MY_SYNC__{name.upper()}={value}")
    if certificate:
        say(out, f"  export DYNSYNC_CA_FILE={shlex.quote(certificate)}")
        say(out, "\nMicrosoft's client for Python trusts it with\n")
        say(out, f"  export REQUESTS_CA_BUNDLE={shlex.quote(certificate)}")
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


def run_module(module: str, words: list[str], *, ready: Callable[[str], None] | None = None) -> int:
    """Run a module with this interpreter until it ends; Ctrl-C and a request to end stop both.

    `ready` is told the first line that the module prints; the lines behind it are dropped.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", module, *words]
    environ = os.environ | {"PYTHONPATH": path}
    stdout = subprocess.PIPE if ready else None
    with subprocess.Popen(command, env=environ, stdout=stdout, text=True) as child:  # noqa: S603 - a module of our own
        before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        try:
            if ready is not None and child.stdout is not None:
                _tell(child.stdout, ready)
            return CLEAN if child.wait() == 0 else FAILED
        except KeyboardInterrupt:
            child.terminate()
            child.wait()
            return CLEAN
        finally:
            signal.signal(signal.SIGTERM, before)


def _tell(lines: IO[str], ready: Callable[[str], None]) -> None:
    """Hand on a child's first line; a child that ends without one has nothing to say here."""
    line = lines.readline()
    if line:
        ready(line)
        lines.read()
