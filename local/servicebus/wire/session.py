"""A session on a connection: its links, its window, and the deliveries that are not settled."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from uuid import UUID

from local.servicebus.codec import CodecError, UInt
from local.servicebus.wire import attaching, sending, settling
from local.servicebus.wire.frames import Code, Fields, frame, performative
from local.servicebus.wire.link import Answers, AnyLink, Link, Receiver, Sender, flow_fields

if TYPE_CHECKING:
    from local.servicebus.wire.broker import Broker
    from local.servicebus.wire.connection import Connection

WINDOW = 2**31 - 1
MOST_LINKS = 255
_U32 = 0xFFFFFFFF


class WireSession:
    """An AMQP session (nothing to do with the sessions of a queue)."""

    def __init__(self, connection: Connection, channel: int, begin: Fields) -> None:
        self.connection = connection
        self.links: dict[int, AnyLink] = {}
        self.unsettled: dict[int, tuple[Receiver, UUID]] = {}
        self._channel = channel
        self._next_in = begin.number(1)
        self._next_out = 0
        self._window = begin.number(2)
        self._outbox: deque[tuple[Link, bytes, bytes, UUID | None]] = deque()
        self._accepted: list[tuple[int, Any]] = []

    @property
    def broker(self) -> Broker:
        """What all connections share."""
        return self.connection.broker

    @property
    def now_ms(self) -> int:
        """The present."""
        return self.broker.namespace.now_ms

    @property
    def can_send(self) -> bool:
        """The peer's window is open and it reads what is written."""
        return not self._outbox and self._window > 0 and not self.connection.blocked

    def send(self, code: Code, fields: list[Any]) -> None:
        """Writes one performative."""
        self.connection.write(frame(self._channel, performative(code, fields)))

    # what comes

    def take(self, code: int | None, fields: Fields, payload: bytes) -> None:
        """One frame of this session. Raises `CodecError` where the peer breaks the protocol."""
        match code:
            case Code.TRANSFER:
                self._take_transfer(fields, payload)
            case Code.DISPOSITION:
                if fields.truth(0):
                    settling.settle(self, fields)
            case Code.FLOW:
                self._take_flow(fields)
            case Code.ATTACH:
                attaching.attach(self, fields)
            case Code.DETACH:
                self._take_detach(fields)
            case _:
                raise CodecError(f"performative {code} has no place in a session")

    def _take_transfer(self, fields: Fields, payload: bytes) -> None:
        self._next_in = (self._next_in + 1) & _U32
        link = self.links.get(fields.number(0))
        if not isinstance(link, Sender):
            return  # what was on the way when the link ended
        delivery = link.take(fields, payload)
        if delivery is None or delivery.aborted:
            return
        state = sending.take(self, link, delivery)
        if not delivery.settled and delivery.number is not None:
            self._accepted.append((delivery.number, state))

    def _take_flow(self, fields: Fields) -> None:
        self._window = fields.number(0, 0) + fields.number(1) - self._next_out
        while self._outbox and self._window > 0:
            self._write_transfer(*self._outbox.popleft())
        handle = fields.number_or_none(4)
        if handle is None:
            self.wake()
        elif (link := self.links.get(handle)) is not None:
            link.flow(fields)

    def _take_detach(self, fields: Fields) -> None:
        handle = fields.number(0)
        link = self.links.get(handle)
        if link is not None:
            self.forget(link)
            self.send(Code.DETACH, [UInt(handle), fields.truth(1)])

    # what goes

    def transfer(self, link: Link, raw: bytes, tag: bytes, token: UUID | None) -> None:
        """Sends a message; without token it is settled already. It waits where the peer's window is shut."""
        if self._window <= 0 or self._outbox:
            self._outbox.append((link, raw, tag, token))
        else:
            self._write_transfer(link, raw, tag, token)

    def _write_transfer(self, link: Link, raw: bytes, tag: bytes, token: UUID | None) -> None:
        number = self._next_out
        if token is not None and isinstance(link, Receiver):
            self.unsettled[number] = link, token
        room = self.connection.peer_frame - 128
        head = [UInt(link.handle), UInt(number), tag, UInt(0), token is None]
        for start in range(0, max(len(raw), 1), room):
            more = start + room < len(raw)
            body = performative(Code.TRANSFER, [*head, more]) + raw[start : start + room]
            self.connection.write(frame(self._channel, body))
            head = [UInt(link.handle), None, None, None, token is None]
            self._window -= 1
        self._next_out = (self._next_out + 1) & _U32

    def tell_flow(self, link: Link | None = None) -> None:
        """Says what this side takes."""
        window = [UInt(self._next_in), UInt(WINDOW), UInt(self._next_out), UInt(WINDOW)]
        self.send(Code.FLOW, window + flow_fields(link))

    def settle_incoming(self) -> None:
        """One disposition for each run of neighbouring deliveries with the same outcome."""
        taken, self._accepted = self._accepted, []
        place = 0
        while place < len(taken):
            first, state = last, _ = taken[place]
            place += 1
            while place < len(taken) and taken[place][0] == last + 1 and taken[place][1] is state:
                last = taken[place][0]
                place += 1
            self.send(Code.DISPOSITION, [True, UInt(first), UInt(last), True, state])

    def wake(self) -> None:
        """Hands out what waited for the window or for the peer to read."""
        for link in list(self.links.values()):
            if isinstance(link, Receiver):
                link.source.pump(self.now_ms)

    # links come and go

    def add(self, link: AnyLink) -> None:
        """A link comes.

        Raises:
            CodecError: its handle is taken, or there are too many.
        """
        if link.handle in self.links or len(self.links) >= MOST_LINKS or link.handle > MOST_LINKS:
            raise CodecError(f"handle {link.handle} is taken or above {MOST_LINKS}")
        self.links[link.handle] = link

    def forget(self, link: Link) -> None:
        """A link is gone; its unsettled deliveries can no longer be settled over it."""
        if self.links.get(link.handle) is not link:
            return
        del self.links[link.handle]
        self.unsettled = {number: each for number, each in self.unsettled.items() if each[0] is not link}
        self._outbox = deque(each for each in self._outbox if each[0] is not link)
        link.gone()

    def answers(self, request: Link) -> Answers | None:
        """Where the answers to a request go: the other link of the pair."""
        found = (each for each in self.links.values() if isinstance(each, Answers) and each.path == request.path)
        return next(found, None)

    def end(self) -> None:
        """The session is over; so are its links."""
        for link in list(self.links.values()):
            self.forget(link)
