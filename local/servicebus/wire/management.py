"""Requests and answers: tokens at `$cbs`, and what the SDK asks of `<queue>/$management`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from local.servicebus.codec import Array, Int, Stamp, Symbol
from local.servicebus.message import Message, reply
from local.servicebus.queues import browsing
from local.servicebus.queues.queue import Queue
from local.servicebus.refusals import BusRefusal, invalid
from local.servicebus.wire.link import Receiver

if TYPE_CHECKING:
    from local.servicebus.wire.session import WireSession

_OK, _ACCEPTED, _NO_CONTENT = 200, 202, 204
_PREFIX = "com.microsoft:"
_NEVER_MS = 253_402_300_800_000
"""What the SDK sends for "whenever": the end of the year 9999."""
_MOST = 10_000
_STATE_BYTES = 256 * 1024


class Request:
    """A request's body, its members by name, and the receiver that it speaks for.

    Raises:
        BusRefusal: it has no body, or a member is missing or of a wrong type.
    """

    def __init__(self, session: WireSession, queue: Queue, message: Message) -> None:
        body = message.value()
        self.queue = queue
        self.now_ms = session.now_ms
        self._body: dict[Any, Any] = body if isinstance(body, dict) else {}
        self.receiver = _receiver(session, message.application().get("associated-link-name"))

    def _of(self, name: str, kind: type) -> Any:
        value = self._body.get(name)
        if not isinstance(value, kind):
            raise invalid(f"The request's {name} is missing or of a wrong type.")
        return value

    def number(self, name: str) -> int:
        """A number."""
        return int(self._of(name, int))

    def text(self, name: str) -> str:
        """A text."""
        return str(self._of(name, str))

    def text_or_none(self, name: str) -> str | None:
        """A text, if there is one."""
        return None if self._body.get(name) is None else self.text(name)

    def binary_or_none(self, name: str) -> bytes | None:
        """Bytes, if there are any."""
        return None if self._body.get(name) is None else bytes(self._of(name, bytes))

    def all_of[T](self, name: str, kind: type[T]) -> list[T]:
        """A list or array of one type."""
        values = self._of(name, list)
        if not all(isinstance(value, kind) for value in values) or len(values) > _MOST:
            raise invalid(f"The request's {name} holds more than {_MOST} values, or values of a wrong type.")
        return list(values)


def _receiver(session: WireSession, name: object) -> Receiver | None:
    links = (link for each in session.connection.sessions.values() for link in each.links.values())
    return next((link for link in links if isinstance(link, Receiver) and link.name == name), None)


def put_token(session: WireSession, message: Message) -> bytes:
    """Looks at a token; the connection is open to queues once one was good."""
    asked = message.application()
    refusal: BusRefusal | None = invalid("The operation of a request to $cbs is put-token.")
    if asked.get("operation") == "put-token":
        now = session.broker.namespace.clock_ms
        refusal = session.broker.doorkeeper.refused(message.value(), now)
    if refusal is None:
        session.connection.authorized = True
    status, text = (refusal.status, refusal.text) if refusal else (_ACCEPTED, "Accepted")
    return reply(None, {"status-code": Int(status), "status-description": text}, message.message_id)


def answer(session: WireSession, queue: Queue, message: Message) -> bytes:
    """The answer to a request to a queue."""
    name = str(message.application().get("operation", ""))
    act = _OPERATIONS.get(name.removeprefix(_PREFIX))
    if act is None:
        return _refused(message, BusRefusal("amqp:not-implemented", f"{name!r} is not part of the stand-in.", 501))
    try:
        found = act(Request(session, queue, message))
    except BusRefusal as refusal:
        return _refused(message, refusal)
    status = _NO_CONTENT if found is None else _OK
    return reply(found, {"statusCode": Int(status), "statusDescription": "OK"}, message.message_id)


def _refused(message: Message, refusal: BusRefusal) -> bytes:
    told = {"statusCode": Int(refusal.status), "statusDescription": refusal.text}
    return reply(None, told | {"errorCondition": Symbol(refusal.condition)}, message.message_id)


_Found = dict[str, Any] | None
"""A body; None: nothing was found."""


def _renew(asked: Request) -> _Found:
    tokens = asked.all_of("lock-tokens", UUID)
    return {"expirations": Array(0x83, [Stamp(asked.queue.renew(token, asked.now_ms)) for token in tokens])}


def _renew_session(asked: Request) -> _Found:
    return {"expiration": Stamp(asked.queue.renew_session(asked.text("session-id"), asked.now_ms))}


def _session_state(asked: Request) -> _Found:
    return {"session-state": asked.queue.sessions.locked(asked.text("session-id")).state}


def _set_session_state(asked: Request) -> _Found:
    session = asked.queue.sessions.locked(asked.text("session-id"))
    state = asked.binary_or_none("session-state")
    if state is not None and len(state) > _STATE_BYTES:
        raise invalid(f"A session's state is {len(state)} bytes; at most {_STATE_BYTES} are kept.")
    session.state, session.state_at_ms = state, asked.now_ms
    asked.queue.journal.session(asked.queue.name, session.name, state, asked.now_ms)
    return {}


def _sessions(asked: Request) -> _Found:
    changed_after = asked.number("last-updated-time")
    names = browsing.sessions(
        asked.queue,
        changed_after_ms=None if changed_after >= _NEVER_MS else changed_after,
        skip=asked.number("skip"),
        top=min(asked.number("top"), _MOST),
    )
    return {"skip": Int(asked.number("skip") + len(names)), "sessions-ids": Array(0xB1, names)} if names else None


def _peek(asked: Request) -> _Found:
    count = min(asked.number("message-count"), _MOST)
    found = browsing.peek(asked.queue, asked.number("from-sequence-number"), count, asked.text_or_none("session-id"))
    told: list[dict[str, bytes]] = []
    budget = asked.queue.settings.max_size_bytes * 4
    for held in found:
        raw = asked.queue.wire(held)
        budget -= len(raw)
        if told and budget < 0:
            break
        told.append({"message": raw})
    return {"messages": told} if told else None


def _schedule(asked: Request) -> _Found:
    raws = [each.get("message") for each in asked.all_of("messages", dict)]
    if not raws or not all(isinstance(raw, bytes) for raw in raws):
        raise invalid("The request's messages hold no messages.")
    messages = [Message(bytes(raw)) for raw in raws if isinstance(raw, bytes)]
    return {"sequence-numbers": Array(0x81, asked.queue.put(messages, asked.now_ms))}


def _cancel(asked: Request) -> _Found:
    browsing.cancel(asked.queue, asked.all_of("sequence-numbers", int))
    return {}


def _deferred(asked: Request) -> _Found:
    delete = asked.number("receiver-settle-mode") == 0
    numbers = asked.all_of("sequence-numbers", int)
    taken = browsing.take_deferred(asked.queue, numbers, asked.now_ms, asked.receiver, delete=delete)
    return {"messages": [{"message": raw} if delete else {"message": raw, "lock-token": token} for raw, token in taken]}


def _settle(asked: Request) -> _Found:
    status, queue, now = asked.text("disposition-status"), asked.queue, asked.now_ms
    why = asked.text_or_none("deadletter-reason"), asked.text_or_none("deadletter-description")
    acts: dict[str, Callable[[UUID], None]] = {
        "completed": lambda token: queue.complete(token, now),
        "abandoned": lambda token: queue.abandon(token, now),
        "defered": lambda token: queue.defer(token, now),
        "suspended": lambda token: queue.dead_letter(token, now, *why),
    }
    if status not in acts:
        raise invalid(f"{status!r} is no disposition: {', '.join(acts)}.")
    for token in asked.all_of("lock-tokens", UUID):
        acts[status](token)
    return {}


_OPERATIONS: dict[str, Callable[[Request], _Found]] = {
    "renew-lock": _renew,
    "renew-session-lock": _renew_session,
    "get-session-state": _session_state,
    "set-session-state": _set_session_state,
    "get-message-sessions": _sessions,
    "peek-message": _peek,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
    "receive-by-sequence-number": _deferred,
    "update-disposition": _settle,
}
