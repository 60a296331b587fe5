"""Whatever a peer sends, the broker stays up, its memory bounded, and other peers unharmed. No sockets here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.servicebus.codec import Described, Symbol, UByte, UInt, ULong, UShort, encode
from local.servicebus.message import section
from local.servicebus.queues.namespace import Namespace
from local.servicebus.settings import NamespaceSettings, QueueSettings
from local.servicebus.tokens import Doorkeeper
from local.servicebus.wire.broker import Broker
from local.servicebus.wire.connection import Connection
from local.servicebus.wire.frames import HEADER, LARGEST, Code, frame, performative

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Peer(asyncio.Transport):
    """The other end of a connection: it keeps what was written, and knows whether it was cut off."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self.written = bytearray()
        self.gone = False
        self.connection = Connection(broker)
        self.connection.connection_made(self)

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.gone

    def close(self) -> None:
        self.gone = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.gone:
                self.connection.data_received(piece)

    def open(self) -> None:
        self.send(HEADER, said(Code.OPEN, ["me"]), said(Code.BEGIN, [None, UInt(0), UInt(5000), UInt(5000)]))

    def attach(self, handle: int, path: str, *, receives: bool) -> None:
        place = Described(ULong(0x28), [path]), Described(ULong(0x29), [path])
        self.send(said(Code.ATTACH, [f"l{handle}", UInt(handle), receives, UByte(2), UByte(0), *place]))


def said(code: Code, fields: list[Any], payload: bytes = b"") -> bytes:
    return frame(0, performative(code, fields) + payload)


def made() -> Broker:
    settings = NamespaceSettings({"q": QueueSettings(), "s": QueueSettings(sessions=True)})
    return Broker(Namespace(settings, lambda: NOON), Doorkeeper({}))


def text(body: str) -> bytes:
    return section(0x75, body.encode())


def works(broker: Broker) -> bool:
    """A well-behaved peer can send a message."""
    before = len(broker.namespace.find("q").messages)
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=False)
    peer.send(said(Code.TRANSFER, [UInt(0), UInt(0), b"t", UInt(0)], text("x")))
    return len(broker.namespace.find("q").messages) == before + 1


fields = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(0, 2**32 - 1).map(UInt),
        st.integers(0, 3).map(UInt),
        st.integers(0, 65535).map(UShort),
        st.sampled_from(["q", "s", "$cbs", "q/$management", "q/$deadletterqueue", ""]),
        st.sampled_from(["com.microsoft:session-filter"]).map(Symbol),
        st.binary(max_size=16),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=9),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.tuples(st.sampled_from([0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x30, 0x1D]).map(ULong), inner).map(
            lambda pair: Described(*pair)
        ),
    ),
    max_leaves=9,
)
performatives = st.tuples(
    st.sampled_from(list(Code)), st.lists(fields, max_size=14), st.binary(max_size=30), st.integers(0, 1)
)


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_arbitrary_bytes_end_at_most_their_own_connection(pieces: list[bytes], opened: bool) -> None:
    """Any bytes, before or after opening, in any pieces."""
    broker = made()
    peer = Peer(broker)
    if opened:
        peer.open()
    peer.send(*pieces)
    assert works(broker)


@given(st.lists(performatives, max_size=12))
def test_arbitrary_performatives_end_at_most_their_own_connection(sent: list[Any]) -> None:
    """Well-formed frames with any fields, in any order."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=False)
    peer.attach(1, "q", receives=True)
    for code, values, payload, channel in sent:
        body = b"\x00\x53" + bytes((code,)) + encode(values)
        peer.send(frame(channel, body + payload))
    assert works(broker)


@given(st.binary(max_size=60), st.sampled_from([0, 0x80013700]))
def test_arbitrary_messages_are_taken_or_rejected(raw: bytes, form: int) -> None:
    """Any payload as a message, a batch, a token or a request."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    for handle, path in enumerate(("q", "$cbs", "q/$management")):
        peer.attach(handle, path, receives=False)
        for head in (b"", section(0x73, [None] * 3), b"\x00\x53\x77"):
            peer.send(said(Code.TRANSFER, [UInt(handle), UInt(0), b"t", UInt(form)], head + raw))
    assert works(broker)


@given(st.dictionaries(st.sampled_from(["lock-tokens", "message-count", "session-id", "sequence-numbers", "messages",
                                        "from-sequence-number", "skip", "top", "last-updated-time"]), fields),
       st.sampled_from(["renew-lock", "renew-session-lock", "get-session-state", "set-session-state", "peek-message",
                        "get-message-sessions", "schedule-message", "cancel-scheduled-message",
                        "receive-by-sequence-number", "update-disposition", "nonsense"]))  # fmt: skip
def test_arbitrary_requests_are_answered(body: dict[str, Any], operation: str) -> None:
    """Every request gets an answer, whatever its members are."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q/$management", receives=False)
    peer.attach(1, "q/$management", receives=True)
    peer.send(said(Code.FLOW, [UInt(0), UInt(5000), UInt(0), UInt(5000), UInt(1), UInt(0), UInt(10)]))
    before = len(peer.written)
    asked = section(0x74, {"operation": f"com.microsoft:{operation}"}) + b"\x00\x53\x77" + encode(body)
    peer.send(said(Code.TRANSFER, [UInt(0), UInt(0), b"t", UInt(0)], asked))
    assert not peer.gone
    assert len(peer.written) > before
    assert works(broker)


def test_a_frame_that_is_too_large_ends_the_connection() -> None:
    """The announcement is enough; nothing of it is kept."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.send((LARGEST + 1).to_bytes(4) + b"\x02\x00\x00\x00")
    assert peer.gone
    assert b"framing-error" in peer.written


def test_a_message_without_end_is_not_kept() -> None:
    """What is over the queue's size is counted and rejected, however many transfers it comes in."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=False)
    part = b"x" * 60_000
    for _ in range(20):
        peer.send(said(Code.TRANSFER, [UInt(0), UInt(0), b"t", UInt(0), False, True], part))
    kept = sum(map(len, next(iter(peer.connection.sessions.values())).links[0]._parts))  # type: ignore[union-attr]
    assert kept <= 256 * 1024
    peer.send(said(Code.TRANSFER, [UInt(0), None, None, None, False, False], part))
    assert b"message-size-exceeded" in peer.written
    assert works(broker)


def test_sessions_and_links_are_counted() -> None:
    """One peer cannot have them without end."""
    peer = Peer(made())
    peer.open()
    for handle in range(300):
        peer.attach(handle, "q", receives=False)
    assert peer.gone


def test_answers_that_nobody_takes_end_the_connection() -> None:
    """A peer that asks without giving credit is cut off."""
    peer = Peer(made())
    peer.open()
    peer.attach(0, "q/$management", receives=False)
    peer.attach(1, "q/$management", receives=True)
    for number in range(1100):
        peer.send(said(Code.TRANSFER, [UInt(0), UInt(number), b"t", UInt(0), True], b"\x00\x53\x77\x40"))
    assert peer.gone


def test_who_does_not_read_gets_no_more() -> None:
    """While a peer's buffer is full, messages stay in the queue, free for others."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=True)
    peer.connection.pause_writing()
    peer.send(said(Code.FLOW, [UInt(0), UInt(5000), UInt(0), UInt(5000), UInt(0), UInt(0), UInt(10)]))
    assert works(broker)
    (held,) = broker.namespace.find("q").messages.values()
    assert held.free
    peer.connection.resume_writing()
    assert not held.free


def test_a_shut_window_holds_messages_back() -> None:
    """A peer whose window is shut gets a message only once it opens it."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=True)
    peer.send(said(Code.FLOW, [UInt(0), UInt(0), UInt(0), UInt(0), UInt(0), UInt(0), UInt(10)]))
    assert works(broker)
    (held,) = broker.namespace.find("q").messages.values()
    assert held.free
    peer.send(said(Code.FLOW, [UInt(0), UInt(10), UInt(0), UInt(10)]))
    assert not held.free


@pytest.mark.parametrize("last", [2**32 - 1, 10])
def test_a_disposition_of_a_huge_range_is_cheap(last: int) -> None:
    """Only deliveries that are there are looked at."""
    broker = made()
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=True)
    peer.send(said(Code.FLOW, [UInt(0), UInt(50), UInt(0), UInt(50), UInt(0), UInt(0), UInt(10)]))
    assert works(broker)
    peer.send(said(Code.DISPOSITION, [True, UInt(0), UInt(last), True, Described(ULong(0x24), [])]))
    assert not broker.namespace.find("q").messages


def test_without_a_token_no_queue_is_reached() -> None:
    """Where there are keys, an attach before a good token is refused."""
    broker = made()
    broker.doorkeeper = Doorkeeper({"name": "key"})
    peer = Peer(broker)
    peer.open()
    peer.attach(0, "q", receives=False)
    assert b"unauthorized-access" in peer.written
    peer.send(said(Code.TRANSFER, [UInt(0), UInt(0), b"t", UInt(0)], text("x")))
    assert not broker.namespace.find("q").messages
