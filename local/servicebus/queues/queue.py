"""One queue: messages in, locks out, and everything that time does to them.

    scheduled → active → locked → gone | deferred | dead-lettered | active again

Source: "Message transfers, locks, and settlement", "Message expiration", "Message sessions", "Dead-letter queues"
(Microsoft Learn, 2025).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from uuid import UUID

from local.servicebus.message import Message
from local.servicebus.queues.duplicates import Duplicates
from local.servicebus.queues.held import Consumer, Held, State
from local.servicebus.queues.journal import Journal
from local.servicebus.queues.locks import Locks
from local.servicebus.queues.sessions import Ready, Session, Sessions, Waiter
from local.servicebus.refusals import no_session_in_time, not_allowed, session_taken, too_large
from local.servicebus.settings import QueueSettings

DEAD_LETTERS = "/$deadletterqueue"
_TOO_OFTEN = "MaxDeliveryCountExceeded"
_EXPIRED = ("TTLExpiredException", "The message expired and was dead lettered.")


class Queue:
    """A queue, or (`main` given) the dead-letter queue of one.

    `messages` are all it holds, by number, in their order. `ids` makes lock tokens.
    """

    def __init__(
        self,
        name: str,
        settings: QueueSettings,
        journal: Journal,
        ids: Callable[[], UUID],
        main: Queue | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.journal = journal
        self.main = main
        self.dead = Queue(name + DEAD_LETTERS, settings, journal, ids, self) if main is None else None
        self.with_sessions = settings.sessions and main is None
        self.messages: dict[int, Held] = {}
        self.sessions = Sessions(settings.lock_ms)
        self.duplicates = Duplicates(name, settings.duplicates_ms if main is None else None, journal)
        self.next_number = 1
        self._ids = ids
        self._ready = Ready()
        self._locks = Locks(by_session=self.with_sessions)
        self._consumers: deque[Consumer] = deque()
        self._scheduled: list[tuple[int, int]] = []
        self._expiring: list[tuple[int, int]] = []

    # in

    def put(self, messages: Sequence[Message], now_ms: int, *, size: int = 0) -> list[int]:
        """Takes messages, all or none; their numbers (0 for a duplicate). `size`: of the whole transfer, in bytes.

        Raises:
            BusRefusal: too large, or without the session id that the queue wants.
        """
        largest = max(size, *(len(message.raw) for message in messages))
        if largest > self.settings.max_size_bytes:
            raise too_large(largest, self.settings.max_size_bytes)
        if self.with_sessions and any(message.session_id is None for message in messages):
            raise not_allowed("The SessionId was not set on a message, and it cannot be sent to the entity.")
        numbers = [self._take(message, now_ms) for message in messages]
        self.pump(now_ms)
        return numbers

    def _take(self, message: Message, now_ms: int) -> int:
        if self.duplicates.note(message.message_id, now_ms):
            return 0
        due = message.annotations.get("x-opt-scheduled-enqueue-time")
        held = Held(self._number(), message, now_ms)
        if isinstance(due, int) and due > now_ms:
            held.state, held.due_ms = State.SCHEDULED, int(due)
        self.adopt(held, now_ms)
        self.journal.put(self.name, held)
        return held.number

    def adopt(self, held: Held, now_ms: int) -> None:
        """Holds a message that came just now, from the store, or from the main queue."""
        self.messages[held.number] = held
        self.next_number = max(self.next_number, held.number + 1)
        if held.state is State.SCHEDULED and held.due_ms is not None:
            heapq.heappush(self._scheduled, (held.due_ms, held.number))
        elif held.state is State.ACTIVE:
            self._limit_life(held)
            self._make_ready(held)

    def _number(self) -> int:
        number, self.next_number = self.next_number, self.next_number + 1
        return number

    def _limit_life(self, held: Held) -> None:
        lives = [ms for ms in (held.message.ttl_ms, self.settings.ttl_ms) if ms is not None]
        if lives and self.main is None:
            held.expires_ms = held.enqueued_ms + min(lives)
            heapq.heappush(self._expiring, (held.expires_ms, held.number))

    def _make_ready(self, held: Held) -> None:
        if self.with_sessions:
            self.sessions.named(str(held.message.session_id)).ready.add(held)
        else:
            self._ready.add(held)

    # out

    def attach(self, consumer: Consumer, now_ms: int) -> None:
        """A receiver without session comes.

        Raises:
            BusRefusal: the queue is for sessions only.
        """
        if self.with_sessions:
            raise not_allowed(
                "It is not possible for an entity that requires sessions to create a non-sessionful message receiver."
            )
        self._consumers.append(consumer)
        self.pump(now_ms)

    def accept(self, waiter: Waiter, name: str | None, now_ms: int) -> None:
        """A receiver comes for a session: this one, now; or None: any that has messages, as long as it waits."""
        if not self.with_sessions:
            refusal = "A sessionful message receiver cannot be created on an entity that does not require sessions."
            waiter.refused(not_allowed(refusal))
        elif name is None:
            self.sessions.wait(waiter)
        elif (session := self.sessions.named(name)).holder is not None:
            waiter.refused(session_taken(name))
        else:
            self._grant(session, waiter, now_ms)
        self.pump(now_ms)

    def _grant(self, session: Session, waiter: Waiter, now_ms: int) -> None:
        self.sessions.grant(session, waiter.consumer, now_ms)
        waiter.granted(session.name, session.locked_until_ms)
        self._consumers.append(waiter.consumer)

    def detach(self, consumer: Consumer, now_ms: int) -> None:
        """A receiver goes. Its session is free at once; the locks of single messages stay until they run out."""
        if consumer in self._consumers:
            self._consumers.remove(consumer)
        self.sessions.stop_waiting(consumer)
        if self.with_sessions and consumer.session is not None:
            self._end_session(consumer, now_ms, failed=False)
        self.pump(now_ms)

    def pump(self, now_ms: int) -> None:
        """Hands out what can be handed out: one message to each receiver in turn."""
        for session, waiter in self.sessions.matched():
            self._grant(session, waiter, now_ms)
        idle = 0
        while idle < len(self._consumers):
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            idle = 0 if self._hand(consumer, now_ms) else idle + 1

    def _hand(self, consumer: Consumer, now_ms: int) -> bool:
        """True where the receiver got a message."""
        if consumer.wanted <= 0:
            return False
        ready = self.sessions.named(str(consumer.session)).ready if self.with_sessions else self._ready
        held = ready.take()
        if held is None:
            return False
        token = self._ids()
        if consumer.deletes:
            consumer.deliver(self.wire(held), token)
            self.remove(held)
        else:
            self.lock(held, consumer, token, now_ms)
            consumer.deliver(self.wire(held), token)
        return True

    def lock(self, held: Held, consumer: Consumer | None, token: UUID, now_ms: int) -> None:
        """Locks a message for a receiver: with its session, or for the queue's own time."""
        until = now_ms + self.settings.lock_ms
        if self.with_sessions and held.message.session_id is not None:
            until = self.sessions.locked(held.message.session_id).locked_until_ms
        self._locks.add(held, consumer, token, until)

    def wire(self, held: Held) -> bytes:
        """The message as a receiver gets it."""
        return held.wire(dead_in=self.main.name if self.main else None)

    # what becomes of a locked message

    def locked(self, token: UUID) -> Held:
        """The message under a lock. Raises `BusRefusal` where there is none any more."""
        return self._locks.find(token)

    def complete(self, token: UUID, now_ms: int) -> None:
        """The message is done with. Raises `BusRefusal` without its lock; so do the next three."""
        self.remove(self._locks.end(token))
        self.pump(now_ms)

    def abandon(self, token: UUID, now_ms: int, *, failed: bool = True) -> None:
        """The message is free again, at its old place, and has failed once more."""
        self._release(self._locks.end(token), now_ms, failed=failed)
        self.pump(now_ms)

    def defer(self, token: UUID, now_ms: int) -> None:
        """The message is given only to who asks for its number."""
        held = self._locks.end(token)
        held.state = State.DEFERRED
        held.failures += 1
        self.journal.put(self.name, held)
        self.pump(now_ms)

    def dead_letter(self, token: UUID, now_ms: int, reason: str | None, text: str | None) -> None:
        """The message goes to the dead-letter queue, with the reason and its explanation."""
        if self.dead is None:
            raise not_allowed("A message of a dead-letter queue cannot be dead-lettered.")
        self._bury(self._locks.end(token), now_ms, reason, text)
        self.pump(now_ms)

    def renew(self, token: UUID, now_ms: int) -> int:
        """Begins the lock's time anew; until when."""
        return self._locks.renew(token, now_ms + self.settings.lock_ms)

    def renew_session(self, name: str, now_ms: int) -> int:
        """Begins the time of a session's lock anew, and of its messages' locks; until when."""
        session = self.sessions.renew(name, now_ms)
        self._locks.renew_session(name, session.locked_until_ms)
        return session.locked_until_ms

    def remove(self, held: Held) -> None:
        """The message is gone."""
        held.gone = True
        del self.messages[held.number]
        self.journal.drop(self.name, held.number)
        if self.with_sessions and held.message.session_id is not None:
            self.sessions.forget(held.message.session_id)

    def _release(self, held: Held, now_ms: int, *, failed: bool) -> None:
        if failed:
            held.failures += 1
            if self.main is None and held.failures >= self.settings.max_delivery_count:
                tries = f"Message could not be consumed after {held.failures} delivery attempts."
                self._bury(held, now_ms, _TOO_OFTEN, tries)
                return
            self.journal.put(self.name, held)
        if held.state is State.ACTIVE and not self._expire(held, now_ms):
            self._make_ready(held)

    def _bury(self, held: Held, now_ms: int, reason: str | None, text: str | None) -> None:
        self.remove(held)
        if self.dead is None:
            return
        given = {"DeadLetterReason": reason, "DeadLetterErrorDescription": text}
        held.message.add_properties({name: value for name, value in given.items() if value is not None})
        dead = Held(held.number, held.message, held.enqueued_ms)
        dead.failures = held.failures
        self.dead.adopt(dead, now_ms)
        self.journal.put(self.dead.name, dead)
        self.dead.pump(now_ms)

    # what time does

    def tick(self, now_ms: int) -> None:
        """Lets happen what is due: scheduled messages, times to live, locks, patience."""
        while self._scheduled and self._scheduled[0][0] <= now_ms:
            self._activate(heapq.heappop(self._scheduled)[1], now_ms)
        while self._expiring and self._expiring[0][0] <= now_ms:
            held = self.messages.get(heapq.heappop(self._expiring)[1])
            if held is not None and held.free:
                self._expire(held, now_ms)
        for session in self.sessions.expired(now_ms):
            if (holder := session.holder) is not None:
                self._lose_session(holder, now_ms)
        while (token := self._locks.over(now_ms)) is not None:
            self._release(self._locks.end(token), now_ms, failed=True)
        for waiter in self.sessions.out_of_patience(now_ms):
            waiter.refused(no_session_in_time())
        self.pump(now_ms)

    def _activate(self, number: int, now_ms: int) -> None:
        """A scheduled message becomes an active one, with a number of that moment."""
        held = self.messages.get(number)
        if held is None or held.state is not State.SCHEDULED:
            return
        self.remove(held)
        active = Held(self._number(), held.message, now_ms)
        self.adopt(active, now_ms)
        self.journal.put(self.name, active)

    def _expire(self, held: Held, now_ms: int) -> bool:
        """True where the message's life is over; a deferred or locked one lives on."""
        if held.expires_ms is None or held.expires_ms > now_ms:
            return False
        if self.settings.dead_letter_expired:
            self._bury(held, now_ms, *_EXPIRED)
        else:
            self.remove(held)
        return True

    def _lose_session(self, consumer: Consumer, now_ms: int) -> None:
        self._consumers.remove(consumer)
        self._end_session(consumer, now_ms, failed=True)
        consumer.lose_session()

    def _end_session(self, consumer: Consumer, now_ms: int, *, failed: bool) -> None:
        """Frees a session and its messages; only where its lock ran out has each failed once more."""
        session = self.sessions.named(str(consumer.session))
        consumer.session = None
        if session.holder is not consumer:
            self.sessions.forget(session.name)
            return
        for token in self._locks.of_session(session.name):
            self._release(self._locks.end(token), now_ms, failed=failed)
        self.sessions.free(session)

    def next_due(self) -> int | None:
        """When `tick` has something to do; None: never."""
        heads = [heap[0][0] for heap in (self._scheduled, self._expiring) if heap]
        ends = [due for due in (self._locks.next_due(), self.sessions.next_due()) if due is not None]
        return min([*heads, *ends], default=None)
