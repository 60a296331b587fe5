"""How every server of the stand-ins listens: on the loopback, without extras, its connections open to faults."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

TRANSPORT = "local.transport"
"""The member of a scope that holds its connection."""
_TICK_S = 1.0
_LOOK_S = 0.001
_LOOKS = 1000


class CannotListenError(Exception):
    """The port cannot be listened at; the message says which and why."""


class Protocol(HttpToolsProtocol):
    """Leaves the connection in the scope, so that a fault can cut it."""

    def on_message_begin(self) -> None:
        """A request begins: see the class."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]


class Server(uvicorn.Server):
    """Ends as soon as it is told to; uvicorn's own looks ten times a second, and then waits for a tenth of one."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """End at once, from any thread; what is under way has about a second."""
        self.force_exit = self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Run until the end is told."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let go of listeners and connections."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(_LOOKS):
            if not self.server_state.connections and not self.server_state.tasks:
                break
            await asyncio.sleep(_LOOK_S)


def server_settings(
    application: Any, *, protocol: type[Protocol] = Protocol, tls: ssl.SSLContext | None = None, keep_alive_s: int = 5
) -> uvicorn.Config:
    """Settings of a server of an ASGI application; `tls` None: plain HTTP."""
    config = uvicorn.Config(
        application,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = tls
    return config


def open_listener(port: int, program: str) -> socket.socket:
    """A listening socket on the loopback. It names its protocol: asyncio switches Nagle's delay off only for TCP.

    Raises:
        CannotListenError: the port is taken, not allowed or none; `program` is who may have it.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen(2048)
    except (OSError, OverflowError) as error:
        made.close()
        reason = str(error.strerror if isinstance(error, OSError) else error).rstrip(".")
        raise CannotListenError(
            f"port {port} cannot be listened at ({reason}); it may belong to another program, perhaps a {program} "
            "that runs already; choose another with --port"
        ) from None
    return made
