"""A receiver says what became of what it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from local.servicebus.codec import Described, UInt
from local.servicebus.queues.queue import Queue
from local.servicebus.refusals import BusRefusal
from local.servicebus.wire.frames import Code, Fields, Outcome, outcome, rejected

if TYPE_CHECKING:
    from local.servicebus.wire.session import WireSession


def settle(session: WireSession, fields: Fields) -> None:
    """Settles a range of deliveries; each is answered by itself with the outcome that came."""
    first = fields.number(1)
    last = fields.number(2, first)
    known = session.unsettled
    few = range(first, last + 1) if last - first < len(known) else sorted(known)
    kind, state = fields.described(4)
    for number in few:
        if first <= number <= last and (found := known.pop(number, None)) is not None:
            link, token = found
            told = _settled(session, link.source, token, kind, state)
            if not fields.truth(3):
                session.send(Code.DISPOSITION, [False, UInt(number), UInt(number), True, told])


def _settled(session: WireSession, queue: Queue, token: UUID, kind: int | None, state: Fields) -> Described:
    try:
        session.connection.meet("settle", queue.name)
        _apply(queue, token, session.now_ms, kind, state)
        session.connection.meet("settled", queue.name)
    except BusRefusal as refusal:
        return rejected(refusal)
    if kind == Outcome.MODIFIED:
        return outcome(Outcome.MODIFIED, [state.any(0), state.any(1)])
    return outcome(Outcome(kind) if kind in set(Outcome) else Outcome.ACCEPTED)


def _apply(queue: Queue, token: UUID, now_ms: int, kind: int | None, state: Fields) -> None:
    match kind:
        case Outcome.REJECTED:
            queue.dead_letter(token, now_ms, *_reason(state))
        case Outcome.RELEASED:
            queue.abandon(token, now_ms, failed=False)
        case Outcome.MODIFIED if state.truth(1):
            queue.defer(token, now_ms)
        case Outcome.MODIFIED:
            queue.abandon(token, now_ms)
        case _:
            queue.complete(token, now_ms)


def _reason(state: Fields) -> tuple[str | None, str | None]:
    """Why a message is dead-lettered, in a word and in a sentence."""
    _, error = state.described(0)
    info = error.mapping(2)
    return _text(info.get("DeadLetterReason")), _text(info.get("DeadLetterErrorDescription", error.any(1)))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
