"""One message in a queue."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol
from uuid import UUID

from local.servicebus.codec import Stamp, Symbol
from local.servicebus.message import Message

_ENQUEUED = Symbol("x-opt-enqueued-time")
_NUMBER = Symbol("x-opt-sequence-number")
_STATE = Symbol("x-opt-message-state")
_LOCKED_UNTIL = Symbol("x-opt-locked-until")
_DEAD_LETTER_SOURCE = Symbol("x-opt-deadletter-source")


class State(IntEnum):
    """What a message waits for; the numbers are those of the wire."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


class Consumer(Protocol):
    """A receiver's link, as the queue sees it."""

    session: str | None
    """The session that it holds; set by the queue."""

    @property
    def wanted(self) -> int:
        """How many more messages it takes now."""

    @property
    def deletes(self) -> bool:
        """Messages are gone once they are handed over."""

    def deliver(self, raw: bytes, token: UUID) -> None:
        """Takes one message."""

    def lose_session(self) -> None:
        """Learns that its session's lock has run out."""


class Held:
    """A message with its number, its count of failed deliveries, and its lock.

    Times are milliseconds since 1970. `enqueued_ms` is when it became active; `due_ms` when a scheduled one will.
    """

    __slots__ = (
        "due_ms",
        "enqueued_ms",
        "expires_ms",
        "failures",
        "gone",
        "holder",
        "locked_until_ms",
        "message",
        "number",
        "state",
        "token",
    )

    def __init__(self, number: int, message: Message, enqueued_ms: int) -> None:
        self.number = number
        self.message = message
        self.enqueued_ms = enqueued_ms
        self.state = State.ACTIVE
        self.failures = 0
        self.due_ms: int | None = None
        self.expires_ms: int | None = None
        self.gone = False
        self.token: UUID | None = None
        self.holder: Consumer | None = None
        self.locked_until_ms = 0

    @property
    def free(self) -> bool:
        """It can be handed to a receiver."""
        return not self.gone and self.token is None and self.state is State.ACTIVE

    def lock(self, token: UUID, holder: Consumer | None, until_ms: int) -> None:
        """Belongs to one receiver until then."""
        self.token, self.holder, self.locked_until_ms = token, holder, until_ms

    def unlock(self) -> None:
        """Belongs to nobody."""
        self.token = self.holder = None

    def wire(self, *, dead_in: str | None = None) -> bytes:
        """The message as a receiver gets it; `dead_in`: the queue where it died, for one that did."""
        annotations = dict(self.message.annotations)
        annotations[_ENQUEUED] = Stamp(self.enqueued_ms)
        annotations[_NUMBER] = self.number
        annotations[_STATE] = int(self.state)
        if self.token is not None:
            annotations[_LOCKED_UNTIL] = Stamp(self.locked_until_ms)
        if dead_in is not None:
            annotations[_DEAD_LETTER_SOURCE] = dead_in
        return self.message.written(self.failures, annotations)
