"""The messages of a queue that are locked, by the token of their lock."""

from __future__ import annotations

from uuid import UUID

from local.servicebus.queues.held import Consumer, Held
from local.servicebus.refusals import lock_lost, session_lost


class Locks:
    """Locks of messages. `by_session`: they last as long as their session; else the one that ends first comes first."""

    def __init__(self, *, by_session: bool) -> None:
        self._by_session = by_session
        self._held: dict[UUID, Held] = {}

    def add(self, held: Held, consumer: Consumer | None, token: UUID, until_ms: int) -> None:
        """Locks a message for a receiver."""
        held.lock(token, consumer, until_ms)
        self._held[token] = held

    def find(self, token: UUID) -> Held:
        """The message under a lock. Raises `BusRefusal` where there is none any more."""
        held = self._held.get(token)
        if held is None:
            raise session_lost() if self._by_session else lock_lost()
        return held

    def end(self, token: UUID) -> Held:
        """Unlocks a message. Raises `BusRefusal` as `find`."""
        held = self.find(token)
        del self._held[token]
        held.unlock()
        return held

    def renew(self, token: UUID, until_ms: int) -> int:
        """Lets the lock last longer, unless a session's lasts; until when. Raises `BusRefusal` as `find`."""
        held = self.find(token)
        if not self._by_session:
            held.locked_until_ms = until_ms
            self._held[token] = self._held.pop(token)
        return held.locked_until_ms

    def renew_session(self, name: str, until_ms: int) -> None:
        """Lets the locks of a session's messages last longer."""
        for held in self._held.values():
            if held.message.session_id == name:
                held.locked_until_ms = until_ms

    def of_session(self, name: str) -> list[UUID]:
        """The locks of a session's messages."""
        return [token for token, held in self._held.items() if held.message.session_id == name]

    def over(self, now_ms: int) -> UUID | None:
        """A lock whose time is over, but for those of sessions."""
        due = self.next_due()
        return None if due is None or due > now_ms else next(iter(self._held))

    def next_due(self) -> int | None:
        """When the next lock ends by itself; None: never."""
        return None if self._by_session or not self._held else next(iter(self._held.values())).locked_until_ms
