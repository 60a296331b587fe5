"""What all connections share: the queues, the doorkeeper, the faults, and the turn of the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local.servicebus.faults import Fault, Faults, Moment
from local.servicebus.queues.namespace import Namespace
from local.servicebus.store import Store
from local.servicebus.tokens import Doorkeeper

if TYPE_CHECKING:
    from local.servicebus.wire.connection import Connection


class Broker:
    """Serves one namespace. Everything here runs in the loop's thread."""

    def __init__(self, namespace: Namespace, doorkeeper: Doorkeeper, store: Store | None = None) -> None:
        self.namespace = namespace
        self.doorkeeper = doorkeeper
        self.store = store
        self.faults = Faults()
        self.connections: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._late: list[tuple[int, Connection]] = []

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watches the clock from now on."""
        self._loop = loop
        self.end_turn()

    def end(self) -> None:
        """Watches the clock no longer, and makes durable what is not yet."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop = None
        if self.store is not None:
            self.store.commit()

    def end_turn(self) -> None:
        """Makes durable what happened, then lets the answers go, then sets the alarm for what comes next."""
        if self.store is not None:
            self.store.commit()
        for connection in list(self.connections):
            connection.flush()
        self._set_alarm()

    def tick(self) -> None:
        """Lets happen what is due."""
        self.namespace.tick()
        now = self.namespace.now_ms
        due = [connection for at, connection in self._late if at <= now]
        self._late = [(at, connection) for at, connection in self._late if at > now]
        for connection in due:
            connection.hold(held=False)
        self.end_turn()

    def fault(self, at: Moment, queue: str, connection: Connection) -> Fault | None:
        """The fault of this moment; a delay has begun when it returns."""
        fault = self.faults.take(at, queue)
        if fault is not None and fault.action == "delay":
            connection.hold(held=True)
            self._late.append((self.namespace.now_ms + int(fault.delay_s * 1000), connection))
            return None
        return fault

    def _set_alarm(self) -> None:
        if self._loop is None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        times = [at for at, _ in self._late]
        due = self.namespace.next_due()
        if due is not None:
            times.append(due)
        if times:
            delay_s = max(0.0, (min(times) - self.namespace.now_ms) / 1000) + 0.001
            self._alarm = self._loop.call_later(delay_s, self.tick)
