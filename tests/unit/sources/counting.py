"""A way to a server on this machine that counts the bytes that come back."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Counted:
    """The way's port, and how many bytes came back so far."""

    port: int
    received: int = 0


@contextlib.contextmanager
def counted(port: int) -> Iterator[Counted]:
    """Passes on whatever is sent to a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        way = Counted(listening.getsockname()[1])

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    threading.Thread(target=_passed, args=(near, far, None), daemon=True).start()
                    threading.Thread(target=_passed, args=(far, near, way), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield way
        listening.shutdown(socket.SHUT_RDWR)


def _passed(source: socket.socket, target: socket.socket, way: Counted | None) -> None:
    with contextlib.suppress(OSError), source, target:
        while block := source.recv(1 << 16):
            if way is not None:
                way.received += len(block)
            target.sendall(block)
