"""Messages of the queues, as the product speaks of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FIRST_NUMBER = "dynsync-first-number"
"""The property in which a redriven message carries the sequence number that it had when it was first sent."""


def first_number(told: object, number: int) -> int:
    """The number under which a message with this `number` was first sent: what its property tells, where that can be.

    A message is redriven under a higher number than it had. Whoever may send could tell anything else: a number ahead
    of all others would make every later event of its record stale.
    """
    return told if type(told) is int and 0 < told < number else number


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A message to send. `message_id` is the sender's own, the same when it tries again; `session` is the lane.

    `due` lets it appear later (with its zone). `properties` hold no field value: logs and tools show them.
    """

    body: bytes
    message_id: str
    session: str | None = None
    content_type: str = "application/json"
    subject: str | None = None
    due: datetime | None = None
    properties: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that was set aside by the broker or by a receiver.

    `number` is its sequence number, `first_number` that of the message as it was first sent (redriving keeps it).
    """

    number: int
    first_number: int
    message_id: str | None
    session: str | None
    subject: str | None
    reason: str | None
    explanation: str | None
    deliveries: int
    enqueued_at: datetime | None
    body: bytes
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message that came in. `number` is the sequence number that it had when it was first sent.

    `sync` is whom it is for (its subject); `locked_until` when another receiver may get it.
    """

    body: bytes
    number: int
    sync: str | None
    session: str | None = None
    message_id: str | None = None
    enqueued_at: datetime | None = None
    locked_until: datetime | None = None
    properties: Mapping[str, object] = field(default_factory=dict)
