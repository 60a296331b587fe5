"""Links: a sender's, a receiver's, and the pair of a request and its answers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from local.servicebus.codec import UInt
from local.servicebus.queues.queue import Queue
from local.servicebus.refusals import BusRefusal, Cut, session_lost, too_large
from local.servicebus.wire.frames import Code, Fields, error

if TYPE_CHECKING:
    from local.servicebus.wire.session import WireSession

CREDIT = 1000
"""Messages that a sender may have on the way."""
_MOST_ANSWERS = 1000
"""Answers that may wait for a peer that gives no credit; then it is cut off."""


def path_of(address: object) -> str:
    """The path in an address: `sb://host/queue`, `/queue` or `queue`."""
    text = address if isinstance(address, str) else ""
    return unquote(urlsplit(text).path if "://" in text else text).strip("/")


class Link:
    """What every link has. `queue` is None at `$cbs`."""

    def __init__(self, session: WireSession, name: str, handle: int, path: str, queue: Queue | None) -> None:
        self.wire = session
        self.name = name
        self.handle = handle
        self.path = path
        self.queue = queue
        self.delivery_count = 0
        self.credit = 0

    def detach(self, refusal: BusRefusal) -> None:
        """Ends the link with a reason."""
        self.wire.send(Code.DETACH, [UInt(self.handle), True, error(refusal)])
        self.wire.forget(self)

    def gone(self) -> None:
        """The link has ended."""

    def flow(self, fields: Fields) -> None:
        """The peer says how much it takes."""


class Receiver(Link):
    """The peer receives messages of a queue; what the queue sees of it is `Consumer`."""

    def __init__(self, session: WireSession, name: str, handle: int, path: str, queue: Queue, *, deletes: bool) -> None:
        super().__init__(session, name, handle, path, queue)
        self.source = queue
        self.session: str | None = None
        self.attached = False
        self.deletes = deletes

    @property
    def wanted(self) -> int:
        """Its credit, or nothing while it does not read what was written."""
        return self.credit if self.attached and self.wire.can_send else 0

    def deliver(self, raw: bytes, token: UUID) -> None:
        """Sends one message; the lock's token is the delivery's tag."""
        self.credit -= 1
        self.delivery_count += 1
        self.wire.transfer(self, raw, token.bytes_le, None if self.deletes else token)

    def lose_session(self) -> None:
        """Ends the link: the session's lock has run out."""
        self.detach(session_lost())

    def gone(self) -> None:
        """Frees what it held."""
        self.attached = False
        self.source.detach(self, self.wire.now_ms)

    def flow(self, fields: Fields) -> None:
        """Takes new credit, hands out, and with drain gives back what is left."""
        self.credit = max(0, fields.number(5) + fields.number(6) - self.delivery_count)
        self.source.pump(self.wire.now_ms)
        if fields.truth(8):
            self.delivery_count += self.credit
            self.credit = 0
        if fields.truth(8) or fields.truth(9):
            self.wire.tell_flow(self)


class Answers(Link):
    """The peer receives answers to its requests."""

    def __init__(self, session: WireSession, name: str, handle: int, path: str, queue: Queue | None) -> None:
        super().__init__(session, name, handle, path, queue)
        self._waiting: deque[bytes] = deque()

    def answer(self, raw: bytes) -> None:
        """Sends an answer, or keeps it until there is credit.

        Raises:
            Cut: the peer asks and asks, and never takes an answer; the connection is cut.
        """
        self._waiting.append(raw)
        if len(self._waiting) > _MOST_ANSWERS:
            self.wire.connection.cut()
            raise Cut
        self._send()

    def flow(self, fields: Fields) -> None:
        """Takes new credit."""
        self.credit = max(0, fields.number(5) + fields.number(6) - self.delivery_count)
        self._send()
        if fields.truth(8):
            self.delivery_count += self.credit
            self.credit = 0
        if fields.truth(8) or fields.truth(9):
            self.wire.tell_flow(self)

    def _send(self) -> None:
        while self._waiting and self.credit > 0 and self.wire.can_send:
            self.credit -= 1
            self.delivery_count += 1
            self.wire.transfer(self, self._waiting.popleft(), self.delivery_count.to_bytes(4), None)


class Sender(Link):
    """The peer sends: messages to a queue, or requests. A delivery may come in several transfers."""

    def __init__(
        self, session: WireSession, name: str, handle: int, path: str, queue: Queue | None, *, most_bytes: int
    ) -> None:
        super().__init__(session, name, handle, path, queue)
        self.credit = CREDIT
        self.most_bytes = most_bytes
        self._head: tuple[int | None, int, bool] | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def take(self, fields: Fields, payload: bytes) -> Delivery | None:
        """A whole delivery, once its last transfer has come. What is over the size is counted, not kept."""
        if self._head is None:
            self._head = fields.number_or_none(1), fields.number(3), False
        self._size += len(payload)
        if self._size <= self.most_bytes:
            self._parts.append(payload)
        else:
            self._parts.clear()
        if fields.truth(5) and not fields.truth(9):
            return None
        number, form, _ = self._head
        delivery = Delivery(number, form, fields.truth(4), b"".join(self._parts), self._size, aborted=fields.truth(9))
        self._head, self._parts, self._size = None, [], 0
        self.delivery_count += 1
        self.credit -= 1
        if self.credit < CREDIT // 2:
            self.credit = CREDIT
            self.wire.tell_flow(self)
        return delivery


class Delivery:
    """A message or request that came whole: its number, its format, and its bytes."""

    __slots__ = ("aborted", "form", "number", "raw", "settled", "size")

    def __init__(self, number: int | None, form: int, settled: bool, raw: bytes, size: int, *, aborted: bool) -> None:
        self.number = number
        self.form = form
        self.settled = settled
        self.raw = raw
        self.size = size
        self.aborted = aborted

    def check_size(self, most: int) -> None:
        """Raises `BusRefusal` where it is over the size."""
        if self.size > most:
            raise too_large(self.size, most)


AnyLink = Receiver | Answers | Sender
"""The three kinds of links."""


def flow_fields(link: Link | None) -> list[Any]:
    """The fields of a flow that speak of one link."""
    return [] if link is None else [UInt(link.handle), UInt(link.delivery_count & 0xFFFFFFFF), UInt(link.credit)]
