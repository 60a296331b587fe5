"""The stand-in as a running server, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from local.listening import open_listener
from local.servicebus import settings as settings_file
from local.servicebus.faults import Fault
from local.servicebus.queues.browsing import Counters
from local.servicebus.queues.namespace import Clock, Namespace
from local.servicebus.refusals import BusRefusal
from local.servicebus.settings import NamespaceSettings, QueueSettings
from local.servicebus.store import Store
from local.servicebus.tokens import KEY, KEY_NAME, Doorkeeper
from local.servicebus.wire.broker import Broker
from local.servicebus.wire.connection import Connection

_WAIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How to come in: the port (0: a free one), the keys by name, and who looks at other tokens (see `Doorkeeper`)."""

    port: int = 0
    keys: dict[str, str] = field(default_factory=lambda: {KEY_NAME: KEY})
    check_token: Callable[[str], str | None] | None = None


class LocalServiceBus:
    """A Service Bus namespace on a port of this machine.

    Use it as a context manager. `settings` are the queues (default: those of Dynamics Sync); `file` keeps the messages
    beyond the process. `stop` and `start` again is an outage: without a file the queues live on as they were, with one
    they are read back from it, and locks are gone. The time is that of `clock`, and moves ahead with `advance`.

    Raises:
        DocumentError: the file cannot be used.
    """

    def __init__(
        self,
        settings: NamespaceSettings | None = None,
        file: Path | None = None,
        *,
        entry: Entry | None = None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings or settings_file.default()
        self._file = file
        self._entry = entry or Entry()
        self._clock = clock
        self._port = self._entry.port
        self._broker: Broker | None = None
        self._listener: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # where it is

    @property
    def host(self) -> str:
        """Host and port: what `ServiceBusClient(host, credential, use_tls=False)` wants."""
        return f"localhost:{self._port}"

    @property
    def connection_string(self) -> str:
        """For `ServiceBusClient.from_connection_string`."""
        name, key = next(iter(self._entry.keys.items()), (KEY_NAME, KEY))
        signed = f"SharedAccessKeyName={name};SharedAccessKey={key}"
        return f"Endpoint=sb://{self.host};{signed};UseDevelopmentEmulator=true;"

    # its life

    def start(self) -> None:
        """Starts to listen.

        Raises:
            CannotListenError: the port is taken or not allowed.
            DocumentError: the file cannot be used.
        """
        listener = open_listener(self._port, "local Service Bus")
        try:
            broker = self._make_broker()
        except BaseException:
            listener.close()
            raise
        self._port = int(listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="local-servicebus", daemon=True)
        self._thread.start()
        self._broker = broker
        asyncio.run_coroutine_threadsafe(self._listen(listener, broker), self._loop).result(_WAIT_S)

    def stop(self) -> None:
        """Ends every connection, makes everything durable and gives port and file free."""
        loop, thread, broker = self._loop, self._thread, self._broker
        if loop is None or thread is None or broker is None:
            return
        asyncio.run_coroutine_threadsafe(self._unlisten(broker), loop).result(_WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_WAIT_S)
        loop.close()
        self._loop = self._thread = None
        if broker.store is not None:
            broker.store.close()
            self._broker = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # what a test does with it

    def advance(self, by: timedelta) -> None:
        """Moves its time ahead: locks and messages run out, scheduled ones become active."""

        def advance(broker: Broker) -> None:
            broker.namespace.advance(by)
            broker.tick()

        self.call(advance)

    def add_queue(self, name: str, settings: QueueSettings) -> None:
        """Adds a queue to those of the settings; an empty one takes the place of one with the same name."""
        self.call(lambda broker: broker.namespace.add(name, settings))

    def inject(self, *faults: Fault) -> None:
        """Orders faults."""
        self.call(lambda broker: broker.faults.add(faults))

    def clear_faults(self) -> None:
        """Forgets the faults that did not come."""
        self.call(lambda broker: broker.faults.clear())

    def cut(self) -> None:
        """Cuts every connection."""

        def cut(broker: Broker) -> None:
            for connection in list(broker.connections):
                connection.cut()

        self.call(cut)

    def counters(self) -> dict[str, Counters]:
        """What each queue holds."""
        return self.call(lambda broker: broker.namespace.counters())

    def call[T](self, act: Callable[[Broker], T]) -> T:
        """Does something with the broker in its own thread."""
        broker, loop = self._broker, self._loop
        if broker is None or loop is None:
            raise RuntimeError("the local Service Bus does not run; start it first")

        async def run() -> T:
            found = act(broker)
            broker.end_turn()
            return found

        return asyncio.run_coroutine_threadsafe(run(), loop).result(_WAIT_S)

    # inside

    def _make_broker(self) -> Broker:
        if self._broker is not None:
            return self._broker
        store = Store(self._file) if self._file is not None else None
        namespace = Namespace(self._settings, self._clock, store)
        if store is not None:
            store.load(namespace)
        return Broker(namespace, Doorkeeper(self._entry.keys, self._entry.check_token), store)

    async def _listen(self, listener: socket.socket, broker: Broker) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(broker), sock=listener)
        broker.begin(loop)

    async def _unlisten(self, broker: Broker) -> None:
        if self._listener is not None:
            self._listener.close()
        ending = BusRefusal("amqp:connection:forced", "The local Service Bus is being stopped.")
        for connection in list(broker.connections):
            connection.close(ending)
        await asyncio.sleep(0)  # the transports close in the loop's next turn
        for connection in list(broker.connections):
            connection.cut()
        await asyncio.sleep(0)
        broker.end()
