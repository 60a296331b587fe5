"""The sessions of a queue: who holds which, until when, and who waits for the next one."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from local.servicebus.queues.held import Consumer, Held
from local.servicebus.refusals import BusRefusal, session_lost

Granted = Callable[[str, int], None]
"""Told the session's name and until when it is locked."""
Refused = Callable[[BusRefusal], None]


class Ready:
    """Messages that wait for a receiver, the lowest number first."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[int, Held]] = []

    def add(self, held: Held) -> None:
        """Puts a message at the place of its number."""
        heapq.heappush(self._heap, (held.number, held))

    def first(self) -> Held | None:
        """The first that is free; others are forgotten."""
        while self._heap:
            number, held = self._heap[0]
            if held.free and held.number == number:
                return held
            heapq.heappop(self._heap)
        return None

    def take(self) -> Held | None:
        """The first that is free, and no longer here."""
        held = self.first()
        if held is not None:
            heapq.heappop(self._heap)
        return held


class Session:
    """One session. `state` is what its receivers keep there; `state_at_ms` when they last did."""

    __slots__ = ("holder", "locked_until_ms", "name", "ready", "state", "state_at_ms")

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = Ready()
        self.state: bytes | None = None
        self.state_at_ms = 0
        self.holder: Consumer | None = None
        self.locked_until_ms = 0

    @property
    def empty(self) -> bool:
        """Nothing would be lost without it."""
        return self.holder is None and self.state is None and self.ready.first() is None


@dataclass(frozen=True, slots=True)
class Waiter:
    """A receiver that wants whichever session comes free, until a moment."""

    consumer: Consumer
    until_ms: int
    granted: Granted
    refused: Refused


class Sessions:
    """All sessions of one queue that are held, have a state, or have messages to give."""

    def __init__(self, lock_ms: int) -> None:
        self._lock_ms = lock_ms
        self._all: dict[str, Session] = {}
        self._held: dict[str, Session] = {}  # the one whose lock ends first comes first
        self._waiting: deque[Waiter] = deque()

    def __iter__(self) -> Iterator[Session]:
        return iter(self._all.values())

    def named(self, name: str) -> Session:
        """The session, made when there is none."""
        return self._all.setdefault(name, Session(name))

    def locked(self, name: str) -> Session:
        """A session that somebody holds. Raises `BusRefusal` where nobody does."""
        session = self._held.get(name)
        if session is None:
            raise session_lost()
        return session

    def grant(self, session: Session, consumer: Consumer, now_ms: int) -> None:
        """Gives the session to a receiver."""
        session.holder, session.locked_until_ms = consumer, now_ms + self._lock_ms
        consumer.session = session.name
        self._held[session.name] = session

    def renew(self, name: str, now_ms: int) -> Session:
        """Begins the lock's time anew. Raises `BusRefusal` where nobody holds it."""
        session = self.locked(name)
        session.locked_until_ms = now_ms + self._lock_ms
        self._held[name] = self._held.pop(name)
        return session

    def free(self, session: Session) -> None:
        """Takes the session from its holder."""
        self._held.pop(session.name, None)
        session.holder = None
        self.forget(session.name)

    def forget(self, name: str) -> None:
        """Drops a session that nothing keeps."""
        session = self._all.get(name)
        if session is not None and session.empty:
            del self._all[name]

    def expired(self, now_ms: int) -> list[Session]:
        """The held sessions whose time is over."""
        found = []
        for session in self._held.values():
            if session.locked_until_ms > now_ms:
                break
            found.append(session)
        return found

    # those who wait

    @property
    def waiting(self) -> int:
        """How many wait for a session."""
        return len(self._waiting)

    def wait(self, waiter: Waiter) -> None:
        """Queues one who takes any session."""
        self._waiting.append(waiter)

    def stop_waiting(self, consumer: Consumer) -> None:
        """Forgets one who waits."""
        self._waiting = deque(waiter for waiter in self._waiting if waiter.consumer is not consumer)

    def out_of_patience(self, now_ms: int) -> list[Waiter]:
        """Those whose time to wait is over; they no longer wait."""
        over = [waiter for waiter in self._waiting if waiter.until_ms <= now_ms]
        self._waiting = deque(waiter for waiter in self._waiting if waiter.until_ms > now_ms)
        return over

    def matched(self) -> Iterator[tuple[Session, Waiter]]:
        """Free sessions with messages, the one with the oldest first, each with the one who waited longest."""
        if not self._waiting:
            return
        heads = [(held.number, each) for each in self._all.values() if not each.holder and (held := each.ready.first())]
        for _, session in sorted(heads, key=lambda head: head[0]):
            if not self._waiting:
                return
            yield session, self._waiting.popleft()

    def next_due(self) -> int | None:
        """When something here runs out."""
        first = next(iter(self._held.values()), None)
        times = [waiter.until_ms for waiter in self._waiting] + ([first.locked_until_ms] if first else [])
        return min(times, default=None)
