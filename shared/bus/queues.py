"""Sending, dead letters and redriving, through Microsoft's SDK.

Opening a sender costs about half a second, so each is kept for the life of the process; the SDK's senders are not made
for several threads at once, so each has its lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from azure.servicebus import ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.exceptions import (
    MessageSizeExceededError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from shared.errors import AuthenticationError, FailError, NotFoundError, RejectError, ThrottledError, UnavailableError
from shared.values.messages import FIRST_NUMBER, DeadLetter, OutgoingMessage, first_number

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusSender

_WAIT_S = 5.0
_PAGE = 100
_BUSY_S = 10.0
_OF_DEAD_LETTERS = frozenset({"DeadLetterReason", "DeadLetterErrorDescription"})


class ServiceBus:
    """The queues of one namespace. May be used from several threads; close it at the end."""

    def __init__(self, client: ServiceBusClient) -> None:
        self._client = client
        self._senders: dict[str, tuple[ServiceBusSender, threading.Lock]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all connections."""
        with self._lock:
            for sender, _ in self._senders.values():
                sender.close()
            self._senders.clear()
            self._client.close()

    def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> None:
        """Sends messages in their order, in as few batches as their sizes allow; returns once the broker has them.

        When it fails in the middle, earlier batches are sent; the same messages may be sent again, for their ids stay.

        Raises:
            RejectError: one message is larger than the queue takes; it and those after its batch are not sent.
            NotFoundError, AuthenticationError, FailError: it will not work without somebody's doing.
            ThrottledError, UnavailableError: try again (`maybe_done`: it may have arrived).
        """
        sender, lock = self._sender(queue)
        with lock, _told(queue):
            batch = None
            for message in map(_written, messages):
                if batch is not None:
                    try:
                        batch.add_message(message)
                        continue
                    except MessageSizeExceededError:
                        sender.send_messages(batch)
                batch = sender.create_message_batch()
                batch.add_message(message)
            if batch is not None:
                sender.send_messages(batch)

    def dead_letters(self, queue: str, *, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Looks at dead letters in order, those with a number above `after`; takes nothing.

        Raises:
            NotFoundError, AuthenticationError, ThrottledError, UnavailableError: see `send`.
        """
        with _told(queue), self._dead(queue) as receiver:
            return [_read(message) for message in islice(_peeked(receiver, after), limit)]

    def redrive(
        self,
        queue: str,
        new_id: Callable[[], str],
        *,
        numbers: Collection[int] | None = None,
        limit: int = 1000,
    ) -> int:
        """Sends dead letters to their queue again, each with a fresh id and its first number; how many.

        `numbers` picks some; the others stay. A message is sent before its dead letter is taken away: a crash in
        between sends it twice, which the ledger makes harmless.

        Raises:
            NotFoundError, AuthenticationError, ThrottledError, UnavailableError: see `send`; what went back stays so.
        """
        with _told(queue), self._dead(queue) as receiver:
            there = (int(message.sequence_number or 0) for message in _peeked(receiver, 0))
            wanted = set(islice((each for each in there if numbers is None or each in numbers), limit))
            chosen, kept = len(wanted), []
            while wanted and (page := receiver.receive_messages(_PAGE, max_wait_time=_WAIT_S)):
                for message in page:
                    if message.sequence_number not in wanted:
                        kept.append(message)
                        continue
                    self.send(queue, [_again(message, new_id())])
                    receiver.complete_message(message)
                    wanted.remove(message.sequence_number)
            for message in kept:
                receiver.abandon_message(message)
        return chosen - len(wanted)

    def _sender(self, queue: str) -> tuple[ServiceBusSender, threading.Lock]:
        with self._lock:
            if queue not in self._senders:
                self._senders[queue] = self._client.get_queue_sender(queue), threading.Lock()
            return self._senders[queue]

    @contextmanager
    def _dead(self, queue: str) -> Iterator[ServiceBusReceiver]:
        with self._client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
            yield receiver


def _peeked(receiver: ServiceBusReceiver, after: int) -> Iterator[ServiceBusReceivedMessage]:
    """All messages with a number above `after`, in order, as they stand."""
    while page := receiver.peek_messages(_PAGE, sequence_number=after + 1):
        yield from page
        after = int(page[-1].sequence_number or 0)


def _written(message: OutgoingMessage) -> ServiceBusMessage:
    properties: dict[str | bytes, int | float | bytes | bool | str | UUID] = dict(message.properties.items())
    return ServiceBusMessage(
        message.body,
        message_id=message.message_id,
        session_id=message.session,
        content_type=message.content_type,
        subject=message.subject,
        scheduled_enqueue_time_utc=message.due,
        application_properties=properties,
    )


def _read(message: ServiceBusReceivedMessage) -> DeadLetter:
    properties = _properties(message)
    number = int(message.sequence_number or 0)
    return DeadLetter(
        number=number,
        first_number=first_number(properties.get(FIRST_NUMBER), int(message.enqueued_sequence_number or number)),
        message_id=message.message_id,
        session=message.session_id,
        subject=message.subject,
        reason=message.dead_letter_reason,
        explanation=message.dead_letter_error_description,
        deliveries=int(message.delivery_count or 0),
        enqueued_at=message.enqueued_time_utc,
        body=_body(message),
        properties={name: value for name, value in properties.items() if name not in _OF_DEAD_LETTERS},
    )


def _again(message: ServiceBusReceivedMessage, message_id: str) -> OutgoingMessage:
    letter = _read(message)
    kept: dict[str, Any] = {**letter.properties, FIRST_NUMBER: letter.first_number}
    return OutgoingMessage(
        body=letter.body,
        message_id=message_id,
        session=letter.session,
        content_type=message.content_type or "application/octet-stream",
        subject=letter.subject,
        properties=kept,
    )


def _body(message: ServiceBusReceivedMessage) -> bytes:
    return b"".join(bytes(part) for part in message.body)


def _properties(message: ServiceBusReceivedMessage) -> dict[str, object]:
    """Names and texts come as bytes."""
    found = message.application_properties or {}
    return {_text(name): _text(value) if isinstance(value, bytes) else value for name, value in found.items()}


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


@contextmanager
def _told(queue: str) -> Iterator[None]:
    """Turns the SDK's errors into the house's; their own words may quote an address, so only the kind is told."""
    try:
        yield
    except MessageSizeExceededError:
        raise RejectError(
            f"queue {queue!r}: a message is larger than the queue takes (256 KB on the Standard tier); it was not sent"
        ) from None
    except (ServiceBusAuthenticationError, ServiceBusAuthorizationError):
        raise AuthenticationError(
            f"queue {queue!r}: the identity or key was refused; it needs the roles Azure Service Bus Data Sender and "
            "Data Receiver on the namespace"
        ) from None
    except MessagingEntityNotFoundError:
        raise NotFoundError(f"queue {queue!r} is not in the namespace; create it, or correct its name") from None
    except (MessagingEntityDisabledError, ServiceBusQuotaExceededError) as error:
        raise FailError(f"queue {queue!r} takes nothing now ({type(error).__name__}): enable or empty it") from None
    except ServiceBusServerBusyError:
        raise ThrottledError(f"queue {queue!r}: Service Bus is busy; try again", retry_after_s=_BUSY_S) from None
    except ServiceBusError as error:
        raise UnavailableError(
            f"queue {queue!r}: Service Bus gave no good answer ({type(error).__name__}); try again", maybe_done=True
        ) from None
