"""Several applications on ports of this machine, plain or over TLS, in one thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable

from starlette.types import ASGIApp

from local.listening import Server, server_settings

_START_S = 10.0


class _Server(Server):
    """A server whose listener is already encrypted or not by its own context."""

    def __init__(self, application: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        super().__init__(server_settings(application, tls=tls))
        self.listener = listener


class Listening:
    """Runs until it is stopped."""

    def __init__(self) -> None:
        self._servers: list[_Server] = []
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] | None = None

    def add(self, application: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """One more application, before the start."""
        self._servers.append(_Server(application, listener, tls))

    def start(self) -> None:
        """Begin to answer. The listeners take connections already, so nobody has to wait."""
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        ready.wait(_START_S)

    def stop(self) -> None:
        """End every server."""
        if self._thread is not None and self._end is not None:
            self._end()
            self._thread.join(_START_S)
        for server in self._servers:
            server.listener.close()

    async def _serve(self, ready: threading.Event) -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(ended.set)
        running = [asyncio.create_task(server.serve(sockets=[server.listener])) for server in self._servers]
        ready.set()
        await ended.wait()
        for server in self._servers:
            server.end()
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # over TLS a farewell would wait for the other side's
        await asyncio.gather(*running)
