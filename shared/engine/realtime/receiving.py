"""From messages to events: what each message holds; what cannot be read is set aside, or waits until it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.engine.realtime.accounts import Account, is_skipped, origin_of, told_whole, whole
from shared.engine.realtime.hearing import Hearing
from shared.engine.realtime.verdicts import waits
from shared.errors import FailError, StateError
from shared.formats import Passed, Told, read_message
from shared.ports import Clock
from shared.values.events import Bucket, Event, Hold, Origin, RejectedEvent, Wish
from shared.values.messages import ReceivedMessage
from shared.values.records import Reject

KEPT_BYTES = 1_000_000
"""A message is kept with each of its records that cannot be read, up to so much: what is read otherwise some day can be
replayed."""


@dataclass(frozen=True, slots=True)
class Receiving:
    """Reads the messages of one sync. `hearing` gives how they are read by now; it may raise `FailError`."""

    sync: str
    hearing: Callable[[], Hearing]
    clock: Clock

    def events(self, messages: Sequence[ReceivedMessage], wish: Wish, account: Account) -> list[Event]:
        """The events of messages, in the order of sending; what is none is accounted for."""
        events: list[Event] = []
        for message in messages:
            if is_skipped(wish, message.enqueued_at):
                account.passed[Bucket.SKIPPED] += 1
                continue
            try:
                events += self._parts(message.body, origin_of(message), message.properties, account)
            except StateError:
                raise
            except FailError as error:  # a broken definition: the message waits until it is mended
                one = whole(self.sync, message.body, message.properties, origin_of(message))
                account.events.append((one, waits(Hold.FAILED, str(error)[:1000])))
        return sorted(events, key=lambda one: one.origin.place)

    def again(self, one: Event, account: Account) -> list[Event]:
        """The events of one that was kept as it came; any other is itself."""
        told = told_whole(one)
        return [one] if told is None else list(self._parts(told[0], one.origin, told[1], account))

    def _parts(
        self, body: bytes, origin: Origin, properties: Mapping[str, object], account: Account
    ) -> Iterator[Event]:
        parts = read_message(body, self.hearing().shape, properties)
        kept = len(body) * sum(isinstance(part, Reject) for part in parts) <= KEPT_BYTES
        for number, part in enumerate(parts):
            own = replace(origin, part=origin.part + number)
            if isinstance(part, Told):
                yield Event(self.sync, part.operation, part.record, own)
            elif isinstance(part, Passed):
                account.passed[part.bucket] += 1
            else:
                one = whole(self.sync, body, properties, own) if kept else None
                account.rejected.append(self.set_aside(own, part, one))

    def set_aside(self, origin: Origin, reject: Reject, one: Event | None) -> RejectedEvent:
        """An event that can never succeed as it is; `one` is None where the message held none."""
        return RejectedEvent(self.sync, origin, reject, self.clock(), one)
