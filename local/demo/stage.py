"""Where the demo plays: its folder, the local Dataverse beside it, and the commands that are run in it."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from local.dataverse.identity import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
OWN_FOLDER = ROOT / ".dynsync" / "demo"
SYNCS = ("countries", "cities")
WRITTEN_FOR = "http://127.0.0.1:8765"
"""The address in the example definitions; the demo puts its own in its place."""
PORT = 8765
START_S = 30.0
_MARK = ".dynsync-demo"
COMMAND = "./dynsync"
"""The command as one calls it in the demo's folder."""
_REACH = "# The demo's own folder is all that these definitions may read.\nfolders: ['..']\n"


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Dataverse:
    """The running local Dataverse."""

    origin: str

    def forget_requests(self) -> None:
        """Empty its log of requests."""
        requests.delete(f"{self.origin}/_local/requests", timeout=10).raise_for_status()

    def logged(self) -> tuple[int, list[str]]:
        """How many requests it has logged since, and which of them wrote: `POST …`."""
        reply = requests.get(f"{self.origin}/_local/requests", timeout=30)
        reply.raise_for_status()
        entries = reply.json()["value"]
        writes = [f"{one['method']} {one['path']}" for one in entries if one["method"] != "GET"]
        return len(entries), [write for write in writes if "/oauth2/" not in write]


@contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """The demo's folder, emptied of an earlier run, and ours alone for as long as this lasts.

    Raises:
        DemoError: another demo is using it, or it holds files that no demo has written.
    """
    mark = folder / _MARK
    if folder != OWN_FOLDER and folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise DemoError(f"{folder} holds files that are not the demo's; give another folder with --folder")
    folder.mkdir(parents=True, exist_ok=True)
    with mark.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo is still running in {folder}; end it with Ctrl-C first") from None
        for path in folder.iterdir():
            if path != mark:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield


def furnish(folder: Path, origin: str) -> None:
    """Put the definitions, the reach file and the names for signing in into the folder."""
    (folder / "syncs").mkdir()
    (folder / "syncs" / "reach.yaml").write_text(_REACH, "utf-8")
    schema = os.path.relpath(ROOT / "syncs" / "sync.schema.json", folder / "syncs")
    for name in SYNCS:
        text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
        text = text.replace(WRITTEN_FOR, origin).replace("../../syncs/sync.schema.json", Path(schema).as_posix())
        (folder / "syncs" / f"{name}.yaml").write_text(text, "utf-8")
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sign_in().items()]
    head = "# How one signs in to the local Dataverse: no secrets, the same everywhere.\n"
    (folder / "sign-in.sh").write_text(head + "".join(lines), "utf-8")
    command = folder / "dynsync"
    command.write_text(f'#!/bin/sh\nDYNSYNC_CALLED={COMMAND} exec {shlex.quote(str(ROOT / "dynsync"))} "$@"\n', "utf-8")
    command.chmod(0o755)


def sign_in() -> dict[str, str]:
    """The environment variables that hold the definitions' secrets."""
    return {
        f"DYNSYNC_SECRET_{sync.upper()}__{name}": value
        for sync in SYNCS
        for name, value in (("CLIENT_ID", CLIENT_ID), ("CLIENT_SECRET", CLIENT_SECRET))
    }


def environ() -> Mapping[str, str]:
    """The environment of everything that the demo starts."""
    return os.environ | sign_in() | {"PYTHONPATH": str(ROOT), "DYNSYNC_CALLED": COMMAND}


def dynsync(folder: Path, *words: str) -> int:
    """Run one command in the folder, before the reader's eyes; its exit code."""
    command = [sys.executable, "-P", "-m", "shared.cli", *words]
    with subprocess.Popen(command, cwd=folder, env=environ()) as child:  # noqa: S603 - our own
        try:
            return child.wait()
        except BaseException:
            _end(child)
            raise


def free_port(folder: Path) -> int:
    """The usual port, or another where that one is taken; any in a folder of somebody's choice: several may play."""
    for port in (PORT, 0) if folder.resolve() == OWN_FOLDER.resolve() else (0,):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise DemoError("this machine has no free port for the local Dataverse")


@contextmanager
def dataverse(folder: Path, port: int) -> Iterator[Dataverse]:
    """A local Dataverse in a process of its own, for as long as this lasts; what it says goes to a file.

    Raises:
        DemoError: it does not start.
    """
    ready, log = folder / "dataverse.address", folder / "dataverse.log"
    words = ["--port", str(port), "--file", "dataverse.db", "--ready-file", ready.name]
    with log.open("wb") as file:
        command = [sys.executable, "-P", "-m", "local.dataverse", *words]
        child = subprocess.Popen(command, cwd=folder, env=environ(), stdout=file, stderr=file)  # noqa: S603 - our own
        try:
            _wait_until_ready(child, ready, log)
            yield Dataverse(f"http://127.0.0.1:{port}")
        finally:
            _end(child)
            ready.unlink(missing_ok=True)


def _wait_until_ready(child: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and child.poll() is None:
        if ready.exists():
            return
        time.sleep(0.05)
    said = log.read_text("utf-8", errors="replace")[-2000:]
    raise DemoError(f"the local Dataverse did not start within {START_S:.0f} seconds. It said:\n{said}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process of ours: asked at first, forced where it does not listen."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
