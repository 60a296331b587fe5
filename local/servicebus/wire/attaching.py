"""A link comes: what it wants, whether it may, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.servicebus.codec import CodecError, Described, Symbol, UByte, UInt, ULong
from local.servicebus.queues.queue import Queue
from local.servicebus.queues.sessions import Waiter
from local.servicebus.refusals import BusRefusal, unauthorized
from local.servicebus.wire.frames import Code, Fields, error
from local.servicebus.wire.link import Answers, AnyLink, Receiver, Sender, path_of

if TYPE_CHECKING:
    from local.servicebus.wire.session import WireSession

CBS = "$cbs"
MANAGEMENT = "/$management"
REQUEST_BYTES = 1024 * 1024
_FILTER = "com.microsoft:session-filter"
_TICKS_AT_EPOCH = 621_355_968_000_000_000
_SOURCE, _TARGET = 0x28, 0x29
_PATIENCE_MS = 60_000


class _Wish:
    """An attach: what the peer asks for."""

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text(0)
        self.handle = fields.number(1)
        self.receives = fields.truth(2)
        self.send_mode = fields.number(3, 2)
        self.receive_mode = fields.number(4)
        self.raw_source, self.raw_target = fields.any(5), fields.any(6)
        source_kind, self.source = fields.described(5)
        target_kind, target = fields.described(6)
        self.path = path_of((self.source if self.receives else target).any(0))
        self.coordinator = target_kind not in {None, _TARGET} or source_kind not in {None, _SOURCE}
        self.properties = fields.mapping(13)

    @property
    def session(self) -> tuple[bool, str | None]:
        """Whether a session is wanted, and which (None: any)."""
        filters = self.source.mapping(7)
        if _FILTER not in filters:
            return False, None
        wanted = filters[_FILTER]
        name = wanted.value if isinstance(wanted, Described) else wanted
        if name is not None and not isinstance(name, str):
            raise CodecError("the session filter is no text")
        return True, name

    @property
    def patience_ms(self) -> int:
        """How long the peer waits for a session."""
        found = self.properties.get("com.microsoft:timeout")
        return min(int(found), 24 * 3_600_000) if isinstance(found, int) and found > 0 else _PATIENCE_MS


def attach(session: WireSession, fields: Fields) -> None:
    """Adds the link, or answers with an attach without source and target and a detach with the reason.

    Raises:
        CodecError: the attach breaks the protocol.
    """
    wish = _Wish(fields)
    try:
        fault = session.broker.fault("attach", wish.path, session.connection)
        if fault is not None:
            session.connection.suffer(fault)
        link = _link(session, wish)
    except BusRefusal as refusal:
        _answer(session, wish, None, None, refusal=refusal)
        return
    session.add(link)
    if isinstance(link, Receiver):
        _let_receive(session, wish, link)
    else:
        _answer(session, wish, wish.raw_source, wish.raw_target)
        if isinstance(link, Sender):
            session.tell_flow(link)


def _link(session: WireSession, wish: _Wish) -> AnyLink:
    if wish.coordinator:
        raise BusRefusal("amqp:not-implemented", "Transactions are not part of the local Service Bus.", 501)
    if wish.path.lower() == CBS:
        return _pair(session, wish, None)
    if not session.connection.authorized:
        raise unauthorized("Unauthorized access: no valid token was put to $cbs on this connection.")
    if wish.path.lower().endswith(MANAGEMENT):
        return _pair(session, wish, session.broker.namespace.find(wish.path[: -len(MANAGEMENT)]))
    queue = session.broker.namespace.find(wish.path)
    if wish.receives:
        return Receiver(session, wish.name, wish.handle, wish.path, queue, deletes=wish.send_mode == 1)
    if queue.main is not None:
        raise BusRefusal("amqp:not-allowed", "Messages cannot be sent to a dead-letter queue.")
    most = queue.settings.max_size_bytes
    return Sender(session, wish.name, wish.handle, wish.path, queue, most_bytes=most)


def _pair(session: WireSession, wish: _Wish, queue: Queue | None) -> AnyLink:
    if wish.receives:
        return Answers(session, wish.name, wish.handle, wish.path, queue)
    return Sender(session, wish.name, wish.handle, wish.path, queue, most_bytes=REQUEST_BYTES)


def _let_receive(session: WireSession, wish: _Wish, link: Receiver) -> None:
    now = session.now_ms

    def begin(source: Any, properties: dict[Any, Any] | None = None) -> None:
        link.attached = True
        _answer(session, wish, source, wish.raw_target, properties=properties)

    def granted(name: str, until_ms: int) -> None:
        ticks = _TICKS_AT_EPOCH + until_ms * 10_000
        begin(_with_session(wish.source, name), {Symbol("com.microsoft:locked-until-utc"): ticks})

    def refused(refusal: BusRefusal) -> None:
        session.forget(link)
        _answer(session, wish, None, None, refusal=refusal)

    by_session, name = wish.session
    if by_session:
        link.source.accept(Waiter(link, now + wish.patience_ms, granted, refused), name, now)
        return
    try:
        link.source.attach(link, now)
    except BusRefusal as refusal:
        refused(refusal)
        return
    begin(wish.raw_source)


def _with_session(source: Fields, name: str) -> Described:
    """The source with the session that was given."""
    values = [source.any(place) for place in range(max(len(source), 8))]
    values[7] = {Symbol(_FILTER): name}
    return Described(ULong(_SOURCE), values)


def _answer(
    session: WireSession,
    wish: _Wish,
    source: Any,
    target: Any,
    *,
    refusal: BusRefusal | None = None,
    properties: dict[Any, Any] | None = None,
) -> None:
    queue = None if refusal else getattr(session.links.get(wish.handle), "queue", None)
    largest = ULong(queue.settings.max_size_bytes if queue is not None else REQUEST_BYTES)
    modes = [UByte(wish.send_mode), UByte(wish.receive_mode)]
    count = UInt(0) if wish.receives else None
    head = [wish.name, UInt(wish.handle), not wish.receives, *modes, source, target, None, None, count]
    session.send(Code.ATTACH, [*head, largest, None, None, properties])
    if refusal is not None:
        session.send(Code.DETACH, [UInt(wish.handle), True, error(refusal)])
