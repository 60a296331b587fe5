"""The words about real time: how listeners fare, what waits or was set aside, publishing, and dead letters."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.definitions.catalogue import Catalogue
from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.hearing import Hearing
from shared.engine.realtime.publishing import Publisher
from shared.engine.workspace import Limits
from shared.errors import NotFoundError, RefuseError, RequestError
from shared.values.events import (
    Bucket,
    Hold,
    ListenerState,
    ListenerView,
    ParkedEvent,
    Pulse,
    RedriveResult,
    RejectedEvent,
    Wish,
)
from shared.values.messages import DeadLetter
from shared.values.problems import Problem
from shared.wiring.connections import utc_now
from shared.wiring.listening import QUEUE, Listening

if TYPE_CHECKING:
    from shared.bus import ServiceBus

BEHIND = timedelta(minutes=1)
"""A listener whose last message was older than this when it was taken is catching up."""
STALLED = timedelta(minutes=15)
"""Events that have been held back for so long mean that somebody has to look."""
RUNNING = timedelta(minutes=5)
_SIDE_BY_SIDE = 8
"""Listeners that the store is asked of at once: each is some questions of its own."""
_SHOWN = 50
"""Problems that a message tells; an answer of the API holds all of them."""


class EventDesk:
    """Real time, for people and for publishers. `connect` opens the queues; None where no setting names them."""

    def __init__(
        self, listening: Listening, catalogue: Catalogue, connect: Callable[[], ServiceBus] | None, *, lanes: int
    ) -> None:
        self._listening, self._memory = listening, listening.memory
        self._catalogue, self._connect, self._lanes = catalogue, connect, lanes
        self._bus: ServiceBus | None = None
        self._lock = threading.Lock()

    # ---- listeners

    def listeners(self, of: Callable[[str], bool] = lambda _: True) -> list[ListenerView]:
        """All syncs that have a listener; those that are asked for."""
        names = [name for name, one in self._catalogue.sound().items() if one.listener is not None and of(name)]
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="dynsync-listeners") as pool:
            return list(pool.map(self._view, names))

    def listener(self, sync: str) -> ListenerView:
        """How one listener fares. Raises `NotFoundError` where there is none."""
        self._require(sync)
        return self._view(sync)

    def _view(self, sync: str) -> ListenerView:
        wish, pulse = self._memory.listeners.wish(sync), self._memory.listeners.pulse(sync)
        on, parked = self._listening.listener(sync).is_on(wish), self._memory.park.count(sync)
        state, why = self._state(sync, wish, pulse, on=on, parked=parked)
        return ListenerView(
            sync, on, state, why, parked, self._memory.rejected_events.count(sync), pulse, wish.start_from
        )

    def _state(self, sync: str, wish: Wish, pulse: Pulse, *, on: bool, parked: int) -> tuple[ListenerState, str]:
        if not on:
            return ListenerState.OFF, ""
        if wish.hold is Hold.FAILED:
            return ListenerState.FAILED, wish.why
        waiting = [one for one in self._memory.park.first(sync, limit=100) if one.hold not in _OF_RECORDS]
        if waiting and min(one.since for one in waiting) < utc_now() - STALLED:
            return ListenerState.STALLED, f"events have waited for over 15 minutes: {wish.why or waiting[0].why}"
        if wish.hold is not None:
            return ListenerState.PARKED, wish.why
        if pulse.last_at is None or pulse.last_at < utc_now() - RUNNING:
            return ListenerState.IDLE, _of_records(parked)
        behind = pulse.lag_s > BEHIND.total_seconds()
        return (ListenerState.CATCHING_UP if behind else ListenerState.RUNNING), _of_records(parked)

    def switch(self, sync: str, *, on: bool) -> ListenerView:
        """Switch a listener on or off; it holds without a restart, and for good."""
        self._require(sync)
        self._memory.listeners.change(sync, lambda wish: replace(wish, on=on))
        return self.listener(sync)

    def start_from(self, sync: str, moment: datetime | None) -> ListenerView:
        """Skip what was sent before a moment; None: skip nothing any more."""
        self._require(sync)
        self._memory.listeners.change(sync, lambda wish: replace(wish, start_from=moment))
        return self.listener(sync)

    # ---- what waits, what was set aside

    def parked(self, sync: str, *, limit: int = 100) -> list[ParkedEvent]:
        """Events that wait, record by record."""
        self._require(sync)
        return self._memory.park.first(sync, limit=limit)

    def release(self, sync: str, *, by: str) -> dict[Bucket, int]:
        """Let go what may go; what became of it, by bucket."""
        self._require(sync)
        return dict(self._listening.release(sync, by=by, asked=True).counts())

    def rejected_events(self, sync: str, *, limit: int = 100) -> list[RejectedEvent]:
        """Events that were set aside, in the order of sending; of the empty name those for no known sync."""
        found = self._memory.rejected_events.first(sync, limit=limit)
        if sync and not found and sync not in self._catalogue.broken():
            self._catalogue.get(sync)
        return found

    def replay_events(self, sync: str, numbers: Collection[int] | None = None) -> dict[Bucket, int]:
        """Apply rejected events once more, all or those of some messages; what became of them, by bucket."""
        self._require(sync)
        return dict(self._listening.replay(sync, numbers).counts())

    # ---- the queue

    def publish(self, sync: str, documents: Sequence[bytes]) -> int:
        """Send one message for each document, once all are found good; how many the broker has.

        Raises:
            RequestError: documents break the schema; all problems are told, and nothing is sent.
            RefuseError: no setting names a queue.
        """
        definition = self._require(sync)
        hearing = Hearing(definition, self._listening.variables(definition))
        publisher = Publisher(hearing, Limits(memory_mb=128, threads=1, disk_mb=500), _new_id, self._lanes)
        prepared = publisher.prepare(documents)
        if prepared.problems:
            raise _not_sent(sync, prepared.problems)
        self._queues().send(QUEUE, prepared.messages)
        return len(prepared.messages)

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """Messages that failed again and again, in order; nothing is taken."""
        return self._queues().dead_letters(QUEUE, limit=limit)

    def redrive(self, numbers: Collection[int] | None = None) -> RedriveResult:
        """Put dead letters back on the queue, all or some, each with a fresh id and its first number.

        What is older than what a record holds by now is stale, so nothing old overtakes anything new.
        """
        sent = self._queues().redrive(QUEUE, _new_id, numbers=numbers)
        return RedriveResult(sent, len(self.dead_letters(limit=1000)))

    def _queues(self) -> ServiceBus:
        with self._lock:
            if self._bus is None:
                if self._connect is None:
                    raise RefuseError(
                        "no setting says where the queues are; set DYNSYNC_BUS (a connection string, on this machine) "
                        "or DYNSYNC_BUS__fullyQualifiedNamespace (a host, entered by identity)"
                    )
                self._bus = self._connect()
            return self._bus

    def close(self) -> None:
        """Give the connections to the queues and to the listeners' environments back."""
        self._listening.close()
        with self._lock:
            if self._bus is not None:
                self._bus.close()
            self._bus = None

    def _require(self, sync: str) -> SyncDefinition:
        definition = self._catalogue.get(sync)
        if definition.listener is None:
            raise NotFoundError(f"sync {sync!r} has no listener; add the part `listener` to its definition")
        return definition


_OF_RECORDS = (Hold.PARENT, Hold.BEHIND, Hold.JOB)


def _of_records(parked: int) -> str:
    return f"events that wait, record by record: {parked:,}" if parked else ""


def _not_sent(sync: str, problems: Sequence[Problem]) -> RequestError:
    lines = "\n".join(f"  {problem}" for problem in problems[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    found = f"nothing was sent to sync {sync!r}: by number from 0, these events have problems:\n{lines}{more}"
    return RequestError(found, status=422, problems=problems)


def _new_id() -> str:
    return str(uuid.uuid4())
