"""From messages to their outcomes: one sync's events are read, applied, parked or set aside, and remembered.

    message ── read ──▶ events ──▶ applied ──▶ ledger
                 │         │          └──▶ rejected
                 │         └──▶ parked: paused, outage, missing parent, behind another of its record
                 └──▶ rejected, skipped

A message is done when each of its events is in one bucket and what has to be kept is stored. Only when the store itself
fails does it come again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched

from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.accounts import (
    FOREVER,
    UNREAD,
    WHOLE,
    Account,
    Memory,
    deadline_of,
)
from shared.engine.realtime.batch import Batch
from shared.engine.realtime.braking import RateBrake
from shared.engine.realtime.hearing import Hearing
from shared.engine.realtime.line import Ground, Line, TooLateError
from shared.engine.realtime.meaning import Meaning
from shared.engine.realtime.pace import Pace
from shared.engine.realtime.receiving import Receiving
from shared.engine.realtime.verdicts import BEHIND, Verdict, waits
from shared.errors import DefinitionError, DynsyncError, FailError, RetryError, StateError
from shared.log import event
from shared.values.events import Bucket, Event, Hold, Operation, ParkedEvent, Pulse, Wish
from shared.values.messages import ReceivedMessage

_log = logging.getLogger(__name__)
MOST = 500
"""Events that are applied at once."""
PROBE = timedelta(seconds=10)
"""So often is a destination that failed tried again."""
FRESH = timedelta(minutes=10)
"""So long is a line kept before metadata is looked at again."""
_ROUNDS = 20
_OF_PARENTS = (Hold.PARENT, Hold.BEHIND)
_LATE = (Hold.OUTAGE, "its batch took longer than the lock of a message lasts, so that another receiver may have it")


class SyncListener:
    """One sync's listener in this process. Safe for several threads; they take turns. See `Meaning`."""

    def __init__(
        self,
        sync: str,
        definition: Callable[[str], SyncDefinition],
        variables: Callable[[SyncDefinition], Mapping[str, str]],
        memory: Memory,
        ground: Ground,
    ) -> None:
        self.sync = sync
        self.memory = memory
        self._meaning, self._ground = Meaning(sync, definition, variables), ground
        self._receiving = Receiving(sync, self._hearing, ground.clock)
        self._line: Line | None = None
        self._brake, self._was_braked = RateBrake(), False
        self._pace = Pace()
        self._lock = threading.RLock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Apply events meanwhile, one thread at a time, by the definition as it is when the turn begins."""
        with self._lock:
            if self._line is not None and not self._meaning.is_still(self._line.hearing.definition):
                self.close()
            yield

    def requests(self) -> int:
        """Requests that the present line has sent to Dataverse; 0 without one."""
        return self._line.destination.client.transport.requests.requests if self._line else 0

    def now(self) -> datetime:
        """The present time."""
        return self._ground.clock()

    def close(self) -> None:
        """Give connection and working memory back."""
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._line = None

    # ---- messages

    def take(self, messages: Sequence[ReceivedMessage]) -> Account:
        """Take messages to their end.

        Raises:
            StateError: the store failed; the messages have to come again.
        """
        account, wish = Account(), self._wish()
        free = self._held(wish) is None  # to wait nobody needs the line, which a try may hold for long
        with self.turn() if free else nullcontext():
            self._take(messages, wish, account)
        return account

    def _take(self, messages: Sequence[ReceivedMessage], wish: Wish, account: Account) -> None:
        self.decide(self._receiving.events(messages, wish, account), wish, account, deadline_of(messages))
        self.keep(account)
        self._beat(messages, account)

    def _wish(self) -> Wish:
        return self.memory.listeners.wish(self.sync)

    def is_to_be_tried(self) -> bool:
        """Whether a destination that failed may be tried again by now."""
        wish = self._wish()
        held = self.is_on(wish) and wish.hold in (Hold.OUTAGE, Hold.FAILED)
        return held and (wish.since is None or self._ground.clock() >= wish.since + PROBE)

    def read_again(self, one: Event, account: Account) -> list[Event]:
        """The events of one that was kept as it came; any other is itself."""
        return self._receiving.again(one, account)

    def decide(self, events: Sequence[Event], wish: Wish, account: Account, deadline: datetime) -> None:
        """A verdict for each event; what one waits for holds those behind it back."""
        held = self._held(wish)
        if held is not None:
            account.events += [(one, waits(*held)) for one in events]
            return
        waiting = self.waiting(events)
        account.events += [(one, BEHIND) for one in events if one.origin.place in waiting]
        free = [one for one in events if one.origin.place not in waiting]
        braked = self.braked(free, wish)
        if braked is not None:
            account.events += [(one, waits(*braked)) for one in free]
            return
        self.apply(free, account, deadline)

    def _held(self, wish: Wish) -> tuple[Hold, str] | None:
        """Why all events of the sync wait, if they do."""
        if not self.is_on(wish):
            return Hold.PAUSED, "the listener was off when it came"
        return None if wish.hold is None else (wish.hold, wish.why)

    def braked(self, events: Sequence[Event], wish: Wish) -> tuple[Hold, str] | None:
        """Why deletes hold all of the sync's events back, if they do: remembered until a person releases them."""
        deletes = sum(one.operation is Operation.DELETE for one in events)
        if not deletes:
            return None
        if self._was_braked and wish.hold is None:
            self._brake.reset()
        try:
            line = self._ready()
            if line.rules.deletes == "ignore":
                return None
            limits = line.hearing.definition.behaviour.brakes
            why = self._brake.why_held(limits, deletes, self._ground.clock(), line.owned_rows)
        except (FailError, RetryError):
            return None  # the batch meets the same, and says so
        self._was_braked = why is not None
        if why is None:
            return None
        self._hold(Hold.BRAKED, why)
        return Hold.BRAKED, why

    def is_on(self, wish: Wish) -> bool:
        """Whether the listener is on: as somebody switched it, else as its definition says."""
        return self._meaning.is_on() if wish.on is None else wish.on

    def waiting(self, events: Sequence[Event], *, unread: bool = True) -> set[tuple[int, int]]:
        """The places of events whose record has an event waiting: what could not be read yet may be of any record.

        `unread`: whether that counts.
        """
        keys = {one.origin.place: self.key(one) for one in events}
        asked = {*keys.values(), UNREAD} if keys and unread else set(keys.values())
        parked = self.memory.park.waiting(self.sync, asked)
        return {place for place, key in keys.items() if key in parked or UNREAD in parked}

    def key(self, one: Event) -> str:
        """The key under which an event waits; one without a key waits by itself."""
        if WHOLE in one.record:
            return UNREAD
        with suppress(DefinitionError):
            found = self._hearing().waiting_key(one)
            if found is not None:
                return found
        return f"message-{one.origin.number}-{one.origin.part}"

    # ---- applying

    def apply(self, events: Sequence[Event], account: Account, deadline: datetime = FOREVER) -> None:
        """Apply events, so many at once; none overtakes one of its record that waits."""
        for some in batched(events, MOST, strict=False):
            held = {self.key(one) for one, verdict in account.events if verdict.hold is not None}
            behind = {one.origin.place for one in some if held and self.key(one) in held}
            account.events += [(one, BEHIND) for one in some if one.origin.place in behind]
            self._apply([one for one in some if one.origin.place not in behind], account, deadline)

    def _apply(self, events: Sequence[Event], account: Account, deadline: datetime) -> None:
        """Apply events; those of missing parents are tried again as long as others bring rows."""
        todo = list(events)
        for _ in range(_ROUNDS):
            if not todo:
                return
            verdicts = self._applied(todo, account, deadline)
            told = list(enumerate(verdicts, 1))
            stay = {self.key(todo[n - 1]) for n, v in told if v.hold is Hold.JOB}  # and what is behind those
            parents = {n for n, v in told if v.hold in _OF_PARENTS and self.key(todo[n - 1]) not in stay}
            brought = any(verdict.bucket is Bucket.CREATED for verdict in verdicts)
            again = parents if brought and account.stopped is None else set()
            account.events += [(one, verdicts[n - 1]) for n, one in enumerate(todo, 1) if n not in again]
            todo = [one for n, one in enumerate(todo, 1) if n in again]
        account.events += [(one, waits(Hold.PARENT, "its parent is not there yet")) for one in todo]

    def _applied(self, events: Sequence[Event], account: Account, deadline: datetime) -> list[Verdict]:
        """One verdict for each event."""
        found: Mapping[int, Verdict] = {}
        if account.stopped is None:
            try:
                line = self._ready()
                line.until(deadline)
                done = Batch(line, events).apply()
                found, account.stopped = done.verdicts, done.stopped
            except StateError:
                raise
            except (FailError, RetryError) as error:
                account.stopped = error
            if account.stopped is not None:
                late = isinstance(account.stopped, TooLateError)
                account.hold = _LATE if late else self._stopped(account.stopped)
        hold = waits(*account.hold) if account.hold else BEHIND
        return [found.get(n) or hold for n in range(1, len(events) + 1)]

    def _ready(self) -> Line:
        now = self._ground.clock()
        if self._line is not None and now > self._line.opened_at + FRESH:
            self.close()
        if self._line is None:
            self._line = Line.open(self._ground, self._hearing())
        self._line.until(FOREVER)  # what bounded the batch before does not bound this one
        return self._line

    def _hearing(self) -> Hearing:
        return self._line.hearing if self._line is not None else self._meaning.hearing()

    def _stopped(self, error: DynsyncError) -> tuple[Hold, str]:
        """Note why the destination cannot be written to; the line begins anew after that."""
        hold, why = (Hold.OUTAGE if isinstance(error, RetryError) else Hold.FAILED), str(error)[:1000]
        self.close()
        self._hold(hold, why, type(error).__name__)
        return hold, why

    def _hold(self, hold: Hold, why: str, kind: str | None = None) -> None:
        now = self._ground.clock()
        self.memory.listeners.change(self.sync, lambda wish: replace(wish, hold=hold, why=why, since=now))
        event(_log, "listener.held", level=logging.WARNING, sync=self.sync, reason=hold.value, error=kind)

    def let_go(self) -> None:
        """Nothing holds all of the sync's events back any more."""
        self.memory.listeners.change(self.sync, lambda wish: replace(wish, hold=None, why="", since=None))
        event(_log, "listener.resumed", sync=self.sync)

    # ---- keeping

    def keep(self, account: Account) -> None:
        """Store what has to be kept: what waits, and what was set aside. What was deleted counts for the brake."""
        now = self._ground.clock()
        self._brake.count(sum(verdict.bucket is Bucket.DELETED for _, verdict in account.events), now)
        self.memory.park.put(
            [
                ParkedEvent(self.key(one), one, verdict.hold, verdict.why, account.since.get(one.origin.place, now))
                for one, verdict in account.events
                if verdict.hold is not None
            ]
        )
        refused = [
            self._receiving.set_aside(one.origin, verdict.reject, one)
            for one, verdict in account.events
            if verdict.reject is not None
        ]
        self.memory.rejected_events.note([*account.rejected, *refused])

    def _beat(self, messages: Sequence[ReceivedMessage], account: Account) -> None:
        now = self._ground.clock()
        newest = max(messages, key=lambda one: one.number, default=None)
        if newest is None:
            return
        lag_s = (now - newest.enqueued_at).total_seconds() if newest.enqueued_at else 0.0
        counts = {bucket.value: number for bucket, number in account.counts().items()}
        lag_s, rate = round(max(lag_s, 0.0), 3), self._pace.rate(now, sum(counts.values()))
        self.memory.listeners.beat(self.sync, Pulse(counts, newest.number, now, newest.enqueued_at, lag_s, rate))
