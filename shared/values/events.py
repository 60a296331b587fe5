"""Events of real time, what the ledger knows of a record, and what waits or was set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from shared.values.records import Reject


class Operation(StrEnum):
    """What an event asks for."""

    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that brought an event.

    `number` is the sequence number that the broker gave it when it was first sent; `part` counts the events of one
    message from 0. `lane` is its session, `enqueued_at` when the broker had it.
    """

    number: int
    part: int = 0
    lane: str | None = None
    message_id: str | None = None
    enqueued_at: datetime | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among all events of its lane."""
        return self.number, self.part


@dataclass(frozen=True, slots=True)
class Event:
    """One change of one record, as told: source column → text; None is null, and what is not there is absent."""

    sync: str
    operation: Operation
    record: Mapping[str, str | None]
    origin: Origin


class Bucket(StrEnum):
    """What became of an event; every event ends in exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    IGNORED = "ignored"
    FILTERED = "filtered"
    OUTSIDE = "outside"
    STALE = "stale"
    FOLDED = "folded"
    SKIPPED = "skipped"
    ECHO = "echo"
    PARKED = "parked"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch job's claim to a record: `version` is what it is writing since `at`, "" when that is through."""

    job: str
    at: datetime
    version: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The last event that was applied to one record.

    `key` is a digest of the sync key. `version` is a text that sorts as the versions do ("" where the sync has none);
    `number` and `part` say which message brought it (0 for a batch job). `tombstone`: it was a delete. `claim` is that
    of the batch job that claimed the record last.
    """

    key: str
    version: str
    number: int
    part: int = 0
    row_id: str | None = None
    tombstone: bool = False
    at: datetime | None = None
    claim: Claim | None = None

    def gives_way_to(self, other: LedgerEntry) -> bool:
        """Whether the other one is as new or newer. Versions decide where both have one, then the order of sending."""
        if self.version and other.version and self.version != other.version:
            return other.version > self.version
        return (other.number, other.part) >= (self.number, self.part)

    def behind(self, known: LedgerEntry | None) -> LedgerEntry:
        """This entry behind another one of its record: an event that tells no version leaves the record its own."""
        if known is None:
            return self
        return replace(self, version=self.version or known.version, claim=known.claim)


Rule = Callable[[LedgerEntry | None, LedgerEntry], LedgerEntry | None]
"""Of what is stored of a record and an entry: what is to be stored; None leaves what is stored alone."""


class Hold(StrEnum):
    """Why an event waits."""

    PAUSED = "paused"
    OUTAGE = "outage"
    FAILED = "failed"
    BRAKED = "braked"
    PARENT = "missing parent"
    JOB = "batch job"
    BEHIND = "behind another"


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that waits. `key` is a digest of its record; events of one key keep their order."""

    key: str
    event: Event
    hold: Hold
    why: str
    since: datetime

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stands: by key, then in the order of sending."""
        return self.key, *self.event.origin.place


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that can never succeed as it is, with the reason. `event` is None when the message held none."""

    sync: str
    origin: Origin
    reject: Reject
    at: datetime
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What people and the engine want of a sync's listener.

    `on`: as somebody switched it; None: as the definition says. `hold` is why all of the sync's events wait at the
    moment, `since` when that began. Messages sent before `start_from` are skipped.
    """

    on: bool | None = None
    hold: Hold | None = None
    why: str = ""
    since: datetime | None = None
    start_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a listener has done so far: events by bucket, and the last message that it had."""

    counts: Mapping[str, int] = field(default_factory=dict)
    last_number: int = 0
    last_at: datetime | None = None
    last_enqueued_at: datetime | None = None
    lag_s: float = 0.0
    rate: float = 0.0

    @property
    def total(self) -> int:
        """All events so far."""
        return sum(self.counts.values())


class ListenerState(StrEnum):
    """How a listener fares."""

    OFF = "off"
    IDLE = "idle"
    RUNNING = "running"
    CATCHING_UP = "catching up"
    PARKED = "parked"
    STALLED = "stalled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ListenerView:
    """One sync's listener, as people see it. `why` tells more of parked, stalled and failed ones."""

    sync: str
    on: bool
    state: ListenerState
    why: str
    parked: int
    rejected: int
    pulse: Pulse
    start_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class RedriveResult:
    """What became of dead letters that were to be put back: how many went, how many are left."""

    sent: int
    left: int
