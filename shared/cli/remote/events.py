"""The words about real time, spoken to a deployed app."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import NoReturn

from shared.cli.remote.line import Line
from shared.errors import NotAllowedError
from shared.values.events import Bucket, ListenerView, ParkedEvent, RedriveResult
from shared.values.messages import DeadLetter
from shared.web.routes.events import MOST, Sent

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
        """Nothing: skipping messages is for those who hold the app's state."""
        return _local("messages are skipped where the app's state is")

    def parked(self, sync: str, *, limit: int = 100) -> list[ParkedEvent]:
        """Events that wait."""
        return self._line.ask(list[ParkedEvent], "GET", "syncs", sync, "parked")[:limit]

    def release(self, sync: str, *, by: str) -> dict[Bucket, int]:
        """Let go what may go; what became of it."""
        return self._line.ask(dict[Bucket, int], "POST", "syncs", sync, "release")

    def publish(self, sync: str, documents: Sequence[bytes]) -> int:
        """Send events; those of one call are sent all or none."""
        calls = (b"[" + b",".join(some) + b"]" for some in _parts(documents))
        return sum(self._line.ask(Sent, "POST", "events", sync, raw=call).sent for call in calls)

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """Nothing: dead letters are of the bus, not of a sync."""
        return _local("dead letters are looked at where the queues are: set DYNSYNC_BUS__fullyQualifiedNamespace here")

    def redrive(self, numbers: Collection[int] | None = None) -> RedriveResult:
        """See `dead_letters`."""
        return _local("dead letters are put back where the queues are: set DYNSYNC_BUS__fullyQualifiedNamespace here")

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


def _local(why: str) -> NoReturn:
    raise NotAllowedError(f"this cannot be done through a deployed app: {why}, without --app")
