"""A small stand-in for the trigger: threads that take sessions, one message at a time, and settle each by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver
from azure.servicebus.exceptions import OperationTimeoutError, ServiceBusError

from shared.errors import DynsyncError
from shared.values.messages import FIRST_NUMBER, ReceivedMessage
from shared.wiring.listening import QUEUE, Listening

Take = Callable[[ReceivedMessage], None]
"""Applies one message; what it raises makes the message come again."""
Settle = Callable[[ReceivedMessage], bool]
"""Whether a message that was applied is completed; else it is abandoned, as if the process had died before."""


def heard(message: ServiceBusReceivedMessage) -> ReceivedMessage:
    """The message in our own words."""
    found = message.application_properties or {}
    properties = {k.decode() if isinstance(k, bytes) else k: v for k, v in found.items()}
    first = properties.get(FIRST_NUMBER)
    return ReceivedMessage(
        body=b"".join(bytes(part) for part in message.body),
        number=first if isinstance(first, int) else int(message.sequence_number or 0),
        sync=message.subject,
        session=message.session_id,
        message_id=message.message_id,
        enqueued_at=message.enqueued_time_utc,
        locked_until=message.locked_until_utc,
        properties=properties,
    )


class Receiving:
    """Receivers of one process; each leaves a session that has had no message for `idle_s`.

    `accept_s`: how long one asks for a session before it asks again; where that is short, the SDK pauses in between,
    unless it is not to repeat (`repeats`) what failed.
    """

    def __init__(
        self,
        take: Take,
        connection: str,
        *,
        slots: int,
        settle: Settle = lambda _: True,
        idle_s: float = 0.5,
        accept_s: float = 1,
        repeats: int = 3,
    ) -> None:
        self._take, self._settle, self._idle_s, self._accept_s = take, settle, idle_s, accept_s
        self._client = ServiceBusClient.from_connection_string(connection, retry_total=repeats)
        self._ending = threading.Event()
        self.failed = 0
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(slots)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with self._client.get_queue_receiver(
                    QUEUE, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=self._accept_s
                ) as receiver:
                    self._empty(receiver)
            except (OperationTimeoutError, ServiceBusError):
                continue  # no session has messages, or the connection was cut

    def _empty(self, receiver: ServiceBusReceiver) -> None:
        while not self._ending.is_set():
            found = receiver.receive_messages(1, max_wait_time=self._idle_s)
            if not found:
                return
            message = heard(found[0])
            try:
                self._take(message)
            except DynsyncError:
                self.failed += 1
                receiver.abandon_message(found[0])
                continue
            if self._settle(message):
                receiver.complete_message(found[0])
            else:
                receiver.abandon_message(found[0])

    def close(self) -> None:
        """End the receivers."""
        self._ending.set()
        for thread in self._threads:
            thread.join(30)
        self._client.close()


@contextmanager
def receiving(
    listening: Listening, connection: str, *, slots: int = 4, settle: Settle = lambda _: True
) -> Iterator[Receiving]:
    """Receivers of the product for as long as the context is open."""
    take = lambda one: listening.put(one).result(60)  # noqa: E731
    found = Receiving(take, connection, slots=slots, settle=settle, idle_s=0.1, accept_s=0.3, repeats=0)
    try:
        yield found
    finally:
        found.close()
