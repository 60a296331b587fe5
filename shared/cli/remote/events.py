"""The words about real time, spoken to a deployed app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from shared.cli.remote.line import Line
from shared.values.events import Bucket, ListenerView, Origin, ParkedEvent, RedriveResult, RejectedEvent
from shared.values.messages import DeadLetter
from shared.values.records import Reject, RejectType
from shared.web.routes.events import MOST, DeadLetterView, Sent, StrayView

MOST_BYTES = 900_000
"""Of one call that publishes; the app takes a little more."""


class RemoteEvents:
    """Real time in a deployed app."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def listeners(self) -> list[ListenerView]:
        """All syncs with a listener that the caller may see."""
        return self._line.ask(list[ListenerView], "GET", "listeners")

    def listener(self, sync: str) -> ListenerView:
        """How one listener fares."""
        return self._line.ask(ListenerView, "GET", "syncs", sync, "listener")

    def switch(self, sync: str, *, on: bool) -> ListenerView:
        """Switch a listener on or off."""
        return self._line.ask(ListenerView, "PUT", "syncs", sync, "listener", body={"on": on})

    def start_from(self, sync: str, moment: datetime | None) -> ListenerView:
        """Skip what was sent before a moment; None: skip nothing any more."""
        body = {"start_from": moment.isoformat() if moment else None}
        return self._line.ask(ListenerView, "PUT", "syncs", sync, "listener", "start", body=body)

    def parked(self, sync: str, *, limit: int = 100) -> list[ParkedEvent]:
        """Events that wait."""
        return self._line.ask(list[ParkedEvent], "GET", "syncs", sync, "parked")[:limit]

    def release(self, sync: str, *, by: str) -> dict[Bucket, int]:
        """Let go what may go; what became of it."""
        return self._line.ask(dict[Bucket, int], "POST", "syncs", sync, "release")

    def rejected_events(self, sync: str, *, limit: int = 100) -> list[RejectedEvent]:
        """Events that were set aside, in the order of sending; of the empty name those for no known sync."""
        if not sync:
            return [_stray(one) for one in self._line.ask(list[StrayView], "GET", "stray-events")[:limit]]
        return self._line.ask(list[RejectedEvent], "GET", "syncs", sync, "events", "rejects")[:limit]

    def replay_events(self, sync: str, numbers: Collection[int] | None = None) -> dict[Bucket, int]:
        """Apply rejected events once more, all or those of some messages; what became of them."""
        asked: list[dict[str, str]] = [{}] if numbers is None else [{"number": str(one)} for one in numbers]
        found: Counter[Bucket] = Counter()
        for query in asked:
            found += Counter(self._line.ask(dict[Bucket, int], "POST", "syncs", sync, "events", "replay", query=query))
        return dict(found)

    def publish(self, sync: str, documents: Sequence[bytes]) -> int:
        """Send events; those of one call are sent all or none."""
        calls = (b"[" + b",".join(some) + b"]" for some in _parts(documents))
        return sum(self._line.ask(Sent, "POST", "events", sync, raw=call).sent for call in calls)

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """Messages that failed again and again; what they hold stays where it is."""
        found = self._line.ask(list[DeadLetterView], "GET", "dead-letters")
        return [_letter(one) for one in found[:limit]]

    def redrive(self, numbers: Collection[int] | None = None) -> RedriveResult:
        """Put dead letters back on the queue, all or some."""
        body = {"numbers": None if numbers is None else list(numbers)}
        return self._line.ask(RedriveResult, "POST", "dead-letters", "redrive", body=body)

    def close(self) -> None:
        """Nothing is held."""


def _parts(documents: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The documents in calls of a size that is taken."""
    part: list[bytes] = []
    size = 0
    for document in documents:
        if part and (len(part) == MOST or size + len(document) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document) + 1
    if part:
        yield part


def _stray(told: StrayView) -> RejectedEvent:
    reject = Reject(None, None, RejectType.MALFORMED_ROW, None, None, told.reason)
    return RejectedEvent("", Origin(told.number, enqueued_at=told.sent), reject, told.at)


def _letter(told: DeadLetterView) -> DeadLetter:
    return DeadLetter(
        number=told.number,
        first_number=told.first_number,
        message_id=told.message_id,
        session=told.session,
        subject=told.sync,
        reason=told.reason,
        explanation=told.explanation,
        deliveries=told.deliveries,
        enqueued_at=told.sent,
        body=b"",
        properties={},
    )
