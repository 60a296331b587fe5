"""Looking into a queue without taking from it, deferred messages by number, and what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from local.servicebus.queues.held import Consumer, Held, State
from local.servicebus.queues.queue import Queue
from local.servicebus.refusals import no_message, session_lost


@dataclass(frozen=True, slots=True)
class Counters:
    """What a queue holds. `locked` ones are among the `active`."""

    active: int
    locked: int
    scheduled: int
    deferred: int
    dead_lettered: int

    @property
    def total(self) -> int:
        """All, the dead letters too."""
        return self.active + self.scheduled + self.deferred + self.dead_lettered


def counters(queue: Queue) -> Counters:
    """What the queue holds now."""
    states = [held.state for held in queue.messages.values()]
    return Counters(
        active=states.count(State.ACTIVE),
        locked=sum(held.token is not None and held.state is State.ACTIVE for held in queue.messages.values()),
        scheduled=states.count(State.SCHEDULED),
        deferred=states.count(State.DEFERRED),
        dead_lettered=len(queue.dead.messages) if queue.dead else 0,
    )


def peek(queue: Queue, start: int, count: int, session: str | None) -> list[Held]:
    """At most `count` messages in order from the number `start` on, whatever their state."""
    found: list[Held] = []
    for number, held in sorted(queue.messages.items()) if queue.main else queue.messages.items():
        if number >= start and session in {None, held.message.session_id}:
            found.append(held)
            if len(found) >= count:
                break
    return found


def take_deferred(
    queue: Queue, numbers: Sequence[int], now_ms: int, consumer: Consumer | None, *, delete: bool
) -> list[tuple[bytes, UUID]]:
    """Deferred messages as a receiver gets them, each locked (or gone, with `delete`).

    Raises:
        BusRefusal: a number is no deferred message's, or the receiver does not hold its session; nothing was taken.
    """
    found = [_deferred(queue, number, consumer) for number in dict.fromkeys(numbers)]
    taken = []
    for held in found:
        token = uuid4()
        if not delete:
            queue.lock(held, consumer, token, now_ms)
        taken.append((queue.wire(held), token))
        if delete:
            queue.remove(held)
    return taken


def _deferred(queue: Queue, number: int, consumer: Consumer | None) -> Held:
    held = queue.messages.get(number)
    if held is None or held.state is not State.DEFERRED or held.token is not None:
        raise no_message(number, "deferred")
    if queue.with_sessions and (consumer is None or consumer.session != held.message.session_id):
        raise session_lost()
    return held


def cancel(queue: Queue, numbers: Sequence[int]) -> None:
    """Takes scheduled messages back.

    Raises:
        BusRefusal: a number is no scheduled message's; none was taken back.
    """
    found = [queue.messages.get(number) for number in dict.fromkeys(numbers)]
    for number, held in zip(dict.fromkeys(numbers), found, strict=True):
        if held is None or held.state is not State.SCHEDULED:
            raise no_message(number, "scheduled")
    for held in found:
        if held is not None:
            queue.remove(held)


def sessions(queue: Queue, *, changed_after_ms: int | None, skip: int, top: int) -> list[str]:
    """Names of sessions: those with active messages or a state, or those whose state was set after a moment."""
    if changed_after_ms is not None:
        names = {each.name for each in queue.sessions if each.state is not None and each.state_at_ms > changed_after_ms}
    else:
        active = (held for held in queue.messages.values() if held.state is State.ACTIVE)
        names = {each.name for each in queue.sessions if each.state is not None}
        names |= {held.message.session_id for held in active if held.message.session_id is not None}
    return sorted(names)[skip : skip + top]
