"""What real time remembers, and what became of the events of one call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from shared.engine.realtime.verdicts import Verdict
from shared.errors import DynsyncError
from shared.ports import LeaseStore, Ledger, Listeners, Park, RejectedEvents
from shared.values.events import Bucket, Event, Hold, Operation, Origin, RejectedEvent, Wish
from shared.values.messages import ReceivedMessage

FOREVER = datetime.max.replace(tzinfo=UTC)
WHOLE, PROPERTIES = "", " "
"""The members under which a message that cannot be read yet is kept as it came; no column has these names."""
UNREAD = "-unread"
"""The key under which such messages wait, before those of any record: nobody knows yet whose they are."""


class Memory(Protocol):
    """What real time remembers."""

    @property
    def ledger(self) -> Ledger:
        """The last event of every record."""

    @property
    def park(self) -> Park:
        """Events that wait."""

    @property
    def rejected_events(self) -> RejectedEvents:
        """Events that were set aside."""

    @property
    def listeners(self) -> Listeners:
        """What is wanted of listeners, and what they did."""

    @property
    def leases(self) -> LeaseStore:
        """Who releases."""


@dataclass(slots=True)
class Account:
    """What became of the events of one call: verdicts by origin, in the order of sending."""

    events: list[tuple[Event, Verdict]] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)
    passed: Counter[Bucket] = field(default_factory=Counter)
    stopped: DynsyncError | None = None
    hold: tuple[Hold, str] | None = None
    since: dict[tuple[int, int], datetime] = field(default_factory=dict)
    """Since when events wait that waited before, by place."""

    def counts(self) -> Counter[Bucket]:
        """Events by bucket."""
        found = self.passed + Counter(verdict.bucket for _, verdict in self.events)
        found[Bucket.REJECTED] += len(self.rejected)
        return +found


def origin_of(message: ReceivedMessage) -> Origin:
    """Where the events of a message come from."""
    return Origin(message.number, 0, message.session, message.message_id, message.enqueued_at)


def whole(sync: str, body: bytes, properties: Mapping[str, object], origin: Origin) -> Event:
    """A message that cannot be read yet, kept as it came."""
    plain = {name: value for name, value in properties.items() if isinstance(value, str | int | float | bool)}
    record = {WHOLE: body.decode("utf-8", "replace"), PROPERTIES: json.dumps(plain)}
    return Event(sync, Operation.UPSERT, record, origin)


def told_whole(event: Event) -> tuple[bytes, dict[str, object]] | None:
    """Body and properties of a message that was kept as it came; None of any other event."""
    body = event.record.get(WHOLE)
    if body is None:
        return None
    return body.encode(), json.loads(event.record.get(PROPERTIES) or "{}")


def is_skipped(wish: Wish, sent_at: datetime | None) -> bool:
    """Whether somebody wants what was sent then to be skipped."""
    return wish.start_from is not None and sent_at is not None and sent_at < wish.start_from


def deadline_of(messages: Sequence[ReceivedMessage]) -> datetime:
    """When the first of the messages' locks could run out."""
    return min((one.locked_until for one in messages if one.locked_until), default=FOREVER)
