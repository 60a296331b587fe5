"""All queues of a namespace under one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from local.servicebus.queues.browsing import Counters, counters
from local.servicebus.queues.journal import Forgetful, Journal
from local.servicebus.queues.queue import DEAD_LETTERS, Queue
from local.servicebus.refusals import no_entity
from local.servicebus.settings import NamespaceSettings, QueueSettings

Clock = Callable[[], datetime]
"""Gives the present time, always with a zone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Namespace:
    """Queues by name; case does not count. `advance` moves its time ahead of the clock's."""

    def __init__(
        self,
        settings: NamespaceSettings,
        clock: Clock,
        journal: Journal | None = None,
        ids: Callable[[], UUID] = uuid4,
    ) -> None:
        self._clock = clock
        self._ahead = timedelta()
        self._journal = journal or Forgetful()
        self._ids = ids
        self.queues: dict[str, Queue] = {}
        for name, each in settings.queues.items():
            self.add(name, each)

    def add(self, name: str, settings: QueueSettings) -> Queue:
        """A new queue; one of the same name is gone with all it holds in memory."""
        queue = self.queues[name.lower()] = Queue(name, settings, self._journal, self._ids)
        return queue

    @property
    def now_ms(self) -> int:
        """The present, in milliseconds since 1970."""
        return (self._clock() + self._ahead - _EPOCH) // timedelta(milliseconds=1)

    @property
    def clock_ms(self) -> int:
        """The clock's own time, in milliseconds since 1970."""
        return (self._clock() - _EPOCH) // timedelta(milliseconds=1)

    def advance(self, by: timedelta) -> None:
        """Moves the present, and lets happen what is due then."""
        self._ahead += by
        self.tick()

    def __iter__(self) -> Iterator[Queue]:
        for queue in self.queues.values():
            yield queue
            if queue.dead is not None:
                yield queue.dead

    def find(self, path: str) -> Queue:
        """The queue or dead-letter queue at an address.

        Raises:
            BusRefusal: there is none.
        """
        wanted = path.strip("/").lower()
        queue = self.queues.get(wanted.removesuffix(DEAD_LETTERS))
        if queue is None:
            raise no_entity(path)
        return queue.dead if wanted.endswith(DEAD_LETTERS) and queue.dead is not None else queue

    def tick(self) -> None:
        """Lets happen what is due."""
        now = self.now_ms
        for queue in self:
            queue.tick(now)

    def next_due(self) -> int | None:
        """When `tick` has something to do; None: never."""
        return min((due for queue in self if (due := queue.next_due()) is not None), default=None)

    def counters(self) -> dict[str, Counters]:
        """What each queue holds, by name."""
        return {queue.name: counters(queue) for queue in self.queues.values()}
