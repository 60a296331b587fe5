"""Messages in flight become one batch: while one is applied, the next gathers; each message gets its own answer.

At rest a message goes at once. Under load a batch waits for a moment for the messages that the broker hands out when
the last batch was settled, so that few calls carry many rows: no longer than the last batch took itself, and a few
dozen milliseconds at the most.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from shared.errors import DynsyncError
from shared.values.messages import ReceivedMessage

MOST = 500
"""Messages of one batch."""
LEAST_S, MOST_S = 0.03, 0.096
"""The longest wait for more messages: as long as the last batch took, between these. Settling 64 messages and getting
the next ones takes an instance about 60 ms."""
QUIET_S = 0.025
"""A batch under load is complete when nothing more has come for so long."""
IDLE_S = 30.0
"""A sync without messages gives its thread back after so long."""
_LOAD = 4
"""So many messages in flight are load."""

Take = Callable[[str, Sequence[ReceivedMessage]], object]


@dataclass(slots=True)
class _Queue:
    """What waits for one sync, and whether a thread works on it."""

    waiting: deque[tuple[ReceivedMessage, Future[None]]] = field(default_factory=deque)
    working: bool = False


class Gatherer:
    """Gathers messages by sync and hands each batch to `take`, in a thread of the sync's own."""

    def __init__(
        self, take: Take, *, most: int = MOST, clock_s: Callable[[], float] = time.monotonic, idle_s: float = IDLE_S
    ) -> None:
        self._take, self._most, self._clock_s, self._idle_s = take, most, clock_s, idle_s
        self._queues: dict[str, _Queue] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, sync: str, message: ReceivedMessage) -> Future[None]:
        """Add a message; its future is done when the message is, and raises what kept it from that."""
        answer: Future[None] = Future()
        with self._changed:
            queue = self._queues.setdefault(sync, _Queue())
            queue.waiting.append((message, answer))
            if not queue.working:
                queue.working = True
                threading.Thread(target=self._work, args=(sync, queue), name=f"dynsync-{sync}", daemon=True).start()
            self._changed.notify_all()
        return answer

    def close(self) -> None:
        """Begin no more batches; those under way come to their end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self, sync: str, queue: _Queue) -> None:
        flying, took_s = 0, 0.0
        while batch := self._next(queue, flying, took_s):
            began = self._clock_s()
            self._answer(sync, batch)
            flying, took_s = len(batch) + len(queue.waiting), self._clock_s() - began

    def _answer(self, sync: str, batch: Sequence[tuple[ReceivedMessage, Future[None]]]) -> None:
        """Take a batch. When one of its messages breaks something that nobody foresaw, each goes by itself."""
        try:
            self._take(sync, [message for message, _ in batch])
        except BaseException as error:  # noqa: BLE001 - every message gets it as its own answer
            if len(batch) > 1 and not isinstance(error, DynsyncError):
                for one in batch:
                    self._answer(sync, [one])
                return
            for _, answer in batch:
                answer.set_exception(error)
        else:
            for _, answer in batch:
                answer.set_result(None)

    def _next(self, queue: _Queue, flying: int, took_s: float) -> list[tuple[ReceivedMessage, Future[None]]]:
        """The next batch; empty when nothing came for a while."""
        with self._changed:
            self._changed.wait_for(lambda: queue.waiting or self._closed, self._idle_s)
            if flying >= _LOAD and not self._closed:
                self._gather(queue, flying, took_s)
            batch: list[tuple[ReceivedMessage, Future[None]]] = []
            while queue.waiting and len(batch) < self._most:
                message, answer = queue.waiting.popleft()
                if answer.set_running_or_notify_cancel():  # nobody waits for the answer of a call that was given up
                    batch.append((message, answer))
            queue.working = bool(batch)
            return batch

    def _gather(self, queue: _Queue, flying: int, took_s: float) -> None:
        """Wait for as many messages as were in flight when the last batch was done, but only a moment.

        Each settled message brings the next one of its lane; who does not wait for those sends half batches.
        """
        ends, came = self._clock_s() + min(max(took_s, LEAST_S), MOST_S), False
        while len(queue.waiting) < min(flying, self._most) and not self._closed:
            before, left = len(queue.waiting), ends - self._clock_s()
            if left <= 0:
                return
            patience = QUIET_S if came else left
            came = self._changed.wait_for(lambda: len(queue.waiting) > before or self._closed, min(left, patience))  # noqa: B023
            if not came:
                return
