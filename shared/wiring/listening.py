"""Real time in this process: one listener for each sync that messages come for, and the gatherer before them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.dataverse.pauses import PausePolicy
from shared.definitions.catalogue import Catalogue
from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.accounts import Account, origin_of, whole
from shared.engine.realtime.gathering import Gatherer
from shared.engine.realtime.line import Ground
from shared.engine.realtime.listening import SyncListener
from shared.engine.realtime.releasing import LONGEST, release, replay
from shared.engine.workspace import Limits
from shared.errors import DynsyncError, NotFoundError
from shared.ports import LeaseStore, Ledger, Listeners, Park, RejectedEvents
from shared.values.events import Bucket, RejectedEvent
from shared.values.messages import ReceivedMessage
from shared.values.records import Reject, RejectType
from shared.wiring.checking import Sources
from shared.wiring.connections import Connector, utc_now
from shared.wiring.states import Stores

QUEUE = "sync-events"
NOBODY = ""
"""The name under which messages for no known sync are set aside."""
_PAUSES = PausePolicy(
    attempts=3, first_s=0.5, longest_s=5.0, throttled_total_s=20.0, throttled_attempts=10, unanswered_total_s=15.0
)
"""Messages are locked while they are applied: beyond this they are parked instead. What hangs is not tried twice."""
_TIMEOUT_S = 60.0
_MEMORY_MB = 128
_BY_TIMER = timedelta(seconds=20)
"""For one sync; the timer has more to do, and comes again in a minute."""


@dataclass(frozen=True, slots=True)
class EventMemory:
    """What real time remembers."""

    ledger: Ledger
    park: Park
    rejected_events: RejectedEvents
    listeners: Listeners
    leases: LeaseStore

    @classmethod
    def of(cls, stores: Stores) -> EventMemory:
        """The part of the stores that real time needs."""
        return cls(stores.ledger, stores.park, stores.rejected_events, stores.listeners, stores.state)


def quick_to_give_up(connector: Connector) -> Connector:
    """The connector as messages want it, which are locked meanwhile."""
    return replace(connector, pauses=_PAUSES, timeout_s=_TIMEOUT_S)


class Listening:
    """All listeners of this process."""

    def __init__(self, stores: Stores, catalogue: Catalogue, connector: Connector, sources: Sources) -> None:
        self.memory = EventMemory.of(stores)
        self._catalogue, self._sources = catalogue, sources
        limits = Limits(memory_mb=_MEMORY_MB, threads=1, disk_mb=1000)
        self._ground = Ground(
            quick_to_give_up(connector).connect, stores.ledger, utc_now, lambda: uuid.uuid4().hex, limits
        )
        self._listeners: dict[str, SyncListener] = {}
        self._trying: set[str] = set()
        self._lock = threading.Lock()
        self._gatherer = Gatherer(self.take)

    def put(self, message: ReceivedMessage) -> Future[None]:
        """Add a message to its sync's next batch; its future is done when the message is."""
        return self._gatherer.put(message.sync or NOBODY, message)

    def take(self, sync: str, messages: Sequence[ReceivedMessage]) -> Account | None:
        """Take messages of one sync to their end; those for no known sync are set aside.

        Raises:
            StateError: the store failed; the messages have to come again.
        """
        if not self._is_known(sync):
            self._set_aside(sync, messages)
            return None
        listener = self.listener(sync)
        account = listener.take(messages)
        if account.counts()[Bucket.PARKED] and listener.is_to_be_tried():
            self._try(sync)
        return account

    def _try(self, sync: str) -> None:
        """See beside the messages whether what held them back is over: they are parked meanwhile, and keep no lane."""
        with self._lock:
            if sync in self._trying:
                return
            self._trying.add(sync)

        def run() -> None:
            try:
                with suppress(DynsyncError):
                    self.release(sync, by="listener", within=_BY_TIMER)
            finally:
                with self._lock:
                    self._trying.discard(sync)

        threading.Thread(target=run, name=f"dynsync-try-{sync}", daemon=True).start()

    def listener(self, sync: str) -> SyncListener:
        """The listener of a sync."""
        with self._lock:
            if sync not in self._listeners:
                self._listeners[sync] = SyncListener(
                    sync, self._catalogue.recent, self.variables, self.memory, self._ground
                )
            return self._listeners[sync]

    def release(self, sync: str, *, by: str, asked: bool = False, within: timedelta = LONGEST) -> Account:
        """Let go what waits for a sync and has no more reason to. Raises `NotFoundError` for a sync that is none."""
        if not self._is_known(sync):
            raise NotFoundError(f"there is no sync {sync!r}; `dynsync check` lists them")
        return release(self.listener(sync), by=by, asked=asked, within=within)

    def replay(self, sync: str, numbers: Collection[int] | None = None) -> Account:
        """Apply rejected events of a sync once more; all, or those of some messages."""
        return replay(self.listener(sync), numbers=numbers, nobody=NOBODY)

    def release_all(self, *, by: str) -> None:
        """Let go whatever may go, sync by sync; one sync's trouble does not keep the others."""
        for sync, definition in self._catalogue.sound().items():
            if definition.listener is None or not self.memory.park.count(sync):
                continue
            try:
                self.release(sync, by=by, within=_BY_TIMER)
            except DynsyncError:
                continue

    def close(self) -> None:
        """End the gatherer and give all connections back."""
        self._gatherer.close()
        with self._lock:
            for listener in self._listeners.values():
                listener.close()
            self._listeners.clear()

    def _is_known(self, sync: str) -> bool:
        return sync in self._catalogue.recent_names()

    def variables(self, definition: SyncDefinition) -> Mapping[str, str]:
        """The variables that have a value without a start: no file is handed over with a message."""
        plain = {n: v for n, v in definition.variables.items() if not v.file and not v.formula and not v.required}
        return self._sources.variables(definition.model_copy(update={"variables": plain}), {}, {})

    def _set_aside(self, sync: str, messages: Sequence[ReceivedMessage]) -> None:
        reason = (
            f"the message is for the sync {sync[:60]!r}, and there is none of that name"
            if sync
            else "the message does not say which sync it is for; its subject has to be the sync's name"
        )
        now = utc_now()
        self.memory.rejected_events.note(
            [
                RejectedEvent(
                    NOBODY,
                    origin_of(one),
                    Reject(
                        None,
                        None,
                        RejectType.MALFORMED_ROW,
                        None,
                        None,
                        reason,
                        source=one.body[:1000].decode("utf-8", "replace"),
                    ),
                    now,
                    whole(sync, one.body, one.properties, origin_of(one)),
                )
                for one in messages
            ]
        )
