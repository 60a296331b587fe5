"""A PostgreSQL server of the tests' own, from the system's package: in a temporary folder, on loopback, never root."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OWNER = "postgres"
"""Whom a server started by root belongs to; the package makes this user."""
SUPERUSER = "keeper"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and the password of its superuser."""

    port: int
    password: str

    def conninfo(self, database: str = "postgres", *, user: str = SUPERUSER, password: str | None = None) -> str:
        secret = self.password if password is None else password
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user} password={secret}"


def programs() -> Path | None:
    """The folder of the newest installed server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    beside = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(beside).parent if beside else None


def _user() -> str | None:
    return OWNER if os.geteuid() == 0 else None


def can_run() -> bool:
    """Whether a server is installed, and an unprivileged user that it can run as."""
    if programs() is None:
        return False
    if _user() is None:
        return True
    import pwd

    with contextlib.suppress(KeyError):
        return pwd.getpwnam(OWNER).pw_uid != 0
    return False


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], user=_user(), cwd="/", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}{done.stdout}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server for as long as the context is open."""
    folder = programs()
    assert folder is not None
    made = Server(free_port(), secrets.token_hex(8))
    with tempfile.TemporaryDirectory(prefix="dynsync-pg-", dir="/tmp") as home:
        if user := _user():
            shutil.chown(home, user)
        password, cluster = Path(home, "password"), Path(home, "cluster")
        password.write_text(made.password)
        password.chmod(0o644)
        identity = ["-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password}", "--no-instructions"]
        _run(folder / "initdb", "-D", cluster, *identity, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-p {made.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        _run(folder / "pg_ctl", "-D", cluster, "-o", options, "-l", Path(home, "log"), "-w", "start")
        try:
            yield made
        finally:
            _run(folder / "pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
