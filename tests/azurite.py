"""Azurite, a stand-in for Azure Storage, on loopback and in memory."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.postgres import free_port

PROGRAM = Path(__file__).parents[1] / "tools/node/node_modules/azurite/dist/src/azurite.js"
NAME = "devstore"


@dataclass(frozen=True, slots=True)
class Account:
    """A running account: its blob address, its key and its tables' address."""

    url: str
    key: str
    tables: str

    @property
    def connection(self) -> str:
        """Its connection string."""
        return f"AccountName={NAME};AccountKey={self.key};BlobEndpoint={self.url};TableEndpoint={self.tables};"

    def sas(self, container: str, permissions: str = "rl", *, hours: float = 1) -> str:
        """A token for one container."""
        from azure.storage.blob import generate_container_sas

        until = datetime.now(UTC) + timedelta(hours=hours)
        begin = until - timedelta(days=1)
        return generate_container_sas(
            NAME, container, account_key=self.key, permission=permissions, expiry=until, start=begin
        )


def can_run() -> bool:
    """Whether Azurite and node are there."""
    return PROGRAM.exists() and shutil.which("node") is not None


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise RuntimeError("Azurite did not start")


@contextlib.contextmanager
def running() -> Iterator[Account]:
    """An account for as long as the context is open."""
    ports = {kind: free_port() for kind in ("blob", "queue", "table")}
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    where = [
        part for kind, port in ports.items() for part in (f"--{kind}Host", "127.0.0.1", f"--{kind}Port", str(port))
    ]
    how = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            ["node", str(PROGRAM), *how, *where],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{NAME}:{key}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            blobs, tables = (f"http://127.0.0.1:{ports[kind]}/{NAME}" for kind in ("blob", "table"))
            for kind in ("blob", "table"):
                _wait(ports[kind], process)
            yield Account(blobs, key, tables)
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def restartable(folder: Path) -> Iterator[tuple[Account, Callable[[], None]]]:
    """An account whose rows and files are on disk, and what stops it and starts it again."""
    folder.mkdir()
    ports = {kind: free_port() for kind in ("blob", "queue", "table")}
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    running = [_started(ports, key, folder)]

    def restart() -> None:
        running[0].terminate()
        running[0].wait()
        running[0] = _started(ports, key, folder)

    try:
        blobs, tables = (f"http://127.0.0.1:{ports[kind]}/{NAME}" for kind in ("blob", "table"))
        yield Account(blobs, key, tables), restart
    finally:
        running[0].terminate()
        running[0].wait()


def _started(ports: Mapping[str, int], key: str, folder: Path) -> subprocess.Popen[bytes]:
    where = [
        part for kind, port in ports.items() for part in (f"--{kind}Host", "127.0.0.1", f"--{kind}Port", str(port))
    ]
    process = subprocess.Popen(
        ["node", str(PROGRAM), "--silent", "--skipApiVersionCheck", "--disableTelemetry", *where],
        cwd=folder,
        env={**os.environ, "AZURITE_ACCOUNTS": f"{NAME}:{key}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for kind in ("blob", "table"):
        _wait(ports[kind], process)
    return process
