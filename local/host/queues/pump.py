"""Takes messages from a queue and calls a function with each, as the Service Bus trigger does.

Peek-lock, one message per call; complete when the function returns, abandon at once when it raises, so that the broker
counts the delivery and, after the last one, moves the message to the dead letters. Locks are renewed while the function
runs, up to `maxAutoLockRenewalDuration`. Calls at once: `maxConcurrentCalls` on a plain queue; on a queue with sessions
one per session and `maxConcurrentSessions` sessions, each held until it was empty for `sessionIdleTimeout`.

Every slot is a thread with a receiver of its own, for Microsoft's receivers are not made to be shared. A slot is added
when all others are busy.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent import futures
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from azure.core.exceptions import AzureError
from azure.servicebus import NEXT_AVAILABLE_SESSION
from azure.servicebus.exceptions import MessageLockLostError, OperationTimeoutError

from local.host.functions import QueueTrigger
from local.host.hostfile import ServiceBusOptions
from local.host.messages import TypedData
from local.host.queues import values
from local.host.queues.renewal import Renewal

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver

_log = logging.getLogger("host")
LOOK_S = 1.0
"""A slot without a message looks so often whether it is to end."""
ACCEPT_S = 5.0
AGAIN_S = 3.0


class Submit(Protocol):
    """Calls a function from a slot's thread."""

    def __call__(self, name: str, value: TypedData, metadata: Mapping[str, TypedData]) -> futures.Future[Any]:
        """The call under way."""


class Pump:
    """All slots of one function."""

    def __init__(
        self, trigger: QueueTrigger, client: ServiceBusClient, submit: Submit, options: ServiceBusOptions
    ) -> None:
        self._trigger, self._client, self._submit, self._options = trigger, client, submit, options
        self._most = options.max_concurrent_sessions if trigger.sessions else options.max_concurrent_calls
        self._ending, self._changed = threading.Event(), threading.Condition()
        self._slots = self._busy = 0

    def start(self) -> None:
        """Begin to receive."""
        self._grow()

    def stop(self) -> None:
        """Take no more messages; calls under way go on."""
        self._ending.set()

    def drain(self, grace_s: float) -> bool:
        """Wait until every call under way is settled, at most so long; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout=grace_s)

    def _grow(self) -> None:
        """One more slot, when all are busy and there may be more."""
        with self._changed:
            if self._busy < self._slots or self._slots >= self._most or self._ending.is_set():
                return
            self._slots += 1
            name = f"{self._trigger.name}-{self._slots}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _occupied(self, change: int) -> None:
        with self._changed:
            self._busy += change
            self._changed.notify_all()
        self._grow()

    # ---- one slot

    def _run(self) -> None:
        """Receive until the end; what breaks a connection is told, and tried again."""
        while not self._ending.is_set():
            try:
                self._serve_session() if self._trigger.sessions else self._serve_queue()
            except OperationTimeoutError:
                continue  # no session has messages
            except (AzureError, OSError) as error:
                _log.warning("queue.interrupted queue=%s error=%s", self._trigger.queue, type(error).__name__)
                self._ending.wait(AGAIN_S)

    def _serve_queue(self) -> None:
        prefetch = self._options.prefetch_count
        with self._client.get_queue_receiver(self._trigger.queue, prefetch_count=prefetch) as receiver:
            while not self._ending.is_set():
                for message in receiver.receive_messages(1, max_wait_time=LOOK_S):
                    self._occupied(+1)
                    try:
                        self._deliver(receiver, message, self._message_lock(receiver, message))
                    finally:
                        self._occupied(-1)

    def _serve_session(self) -> None:
        with self._client.get_queue_receiver(
            self._trigger.queue,
            session_id=NEXT_AVAILABLE_SESSION,
            max_wait_time=ACCEPT_S,
            prefetch_count=self._options.prefetch_count,
        ) as receiver:
            self._occupied(+1)
            try:
                self._empty_session(receiver)
            finally:
                self._occupied(-1)

    def _empty_session(self, receiver: ServiceBusReceiver) -> None:
        """Deliver the session's messages, one after the other, until none came for the idle time."""
        lock, idle_s = self._session_lock(receiver), self._options.session_idle_timeout.total_seconds()
        leave_at = time.monotonic() + idle_s
        while not self._ending.is_set() and time.monotonic() < leave_at:
            self._keep(lock)
            for message in receiver.receive_messages(1, max_wait_time=min(LOOK_S, max(0.05, idle_s))):
                self._deliver(receiver, message, lock)
                leave_at = time.monotonic() + idle_s

    def _deliver(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage, lock: Renewal) -> None:
        """One message: call, renew meanwhile, settle."""
        call = self._submit(self._trigger.name, values.body(message), values.metadata(message))
        try:
            while not futures.wait([call], timeout=lock.due_in_s(_now())).done:
                self._keep(lock)
        except AzureError as error:  # lost, or nobody can be asked; the function goes on in either case
            _log.warning("lock.lost queue=%s error=%s", self._trigger.queue, type(error).__name__)
            futures.wait([call])
        try:
            if call.cancelled() or call.exception() is not None:
                receiver.abandon_message(message)
            else:
                receiver.complete_message(message)
        except MessageLockLostError:
            _log.warning("message.unsettled queue=%s; its lock had ended, so it comes again", self._trigger.queue)

    # ---- locks

    def _keep(self, lock: Renewal) -> None:
        if lock.keep(_now()):
            _log.debug("lock.renewed queue=%s", self._trigger.queue)

    def _message_lock(self, receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage) -> Renewal:
        def renew() -> datetime:
            receiver.renew_message_lock(message)
            return message.locked_until_utc or _now()

        until = message.locked_until_utc or _now()
        return Renewal(renew, until, _now(), self._options.max_auto_lock_renewal_duration)

    def _session_lock(self, receiver: ServiceBusReceiver) -> Renewal:
        session = receiver.session
        until = session.locked_until_utc or _now()
        return Renewal(session.renew_lock, until, _now(), self._options.max_auto_lock_renewal_duration)


def _now() -> datetime:
    return datetime.now(UTC)
