"""Where the local cloud stands: its folder and its ports."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
OWN_FOLDER = ROOT / ".dynsync" / "serve"
FIRST_PORT = 7071
HOST = "127.0.0.1"
_TRIES = 100


class ServeError(Exception):
    """The local cloud cannot start or go on; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """One port for each part."""

    app: int
    dataverse: int
    bus: int
    entra: int
    vault: int
    identity: int
    blobs: int
    queues: int
    tables: int

    @classmethod
    def following(cls, first: int) -> Self:
        """Ports in a row; free ones somewhere for 0.

        Raises:
            ServeError: one is taken, or there is no such port; names all that are.
        """
        if first == 0:
            return cls._anywhere()
        wanted = cls(*range(first, first + len(fields(cls))))
        taken = [f"{field.name} ({port})" for field in fields(cls) if not _is_free(port := getattr(wanted, field.name))]
        if taken:
            raise ServeError(
                f"these ports are taken: {', '.join(taken)}. Another local cloud may be running; end it, or start "
                f"elsewhere with `make serve PORT={first + 100}` (it takes {len(fields(cls))} ports from there on)"
            )
        return wanted

    @classmethod
    def _anywhere(cls) -> Self:
        for _ in range(_TRIES):
            first = 20_000 + secrets.randbelow(10_000)
            wanted = range(first, first + len(fields(cls)))
            if all(map(_is_free, wanted)):
                return cls(*wanted)
        raise ServeError("this machine has no nine free ports in a row between 20000 and 30000; give --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True
