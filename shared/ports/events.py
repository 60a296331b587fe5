"""The memory of real time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from shared.values.events import LedgerEntry, ParkedEvent, Pulse, RejectedEvent, Rule, Wish


class Ledger(Protocol):
    """Per sync and record: the last event that was applied, and which batch job is writing the record."""

    def entries(self, sync: str, keys: Collection[str]) -> Mapping[str, LedgerEntry]:
        """What is known of these records, by key; a record without an event is left out."""

    def change(self, sync: str, entries: Iterable[LedgerEntry], rule: Rule) -> frozenset[str]:
        """Store what the rule makes of each entry, and nothing else in between; the keys that it left alone."""


class Park(Protocol):
    """Events that wait, per sync: by key, and within one key in the order of sending."""

    def put(self, events: Sequence[ParkedEvent]) -> None:
        """Keep events; one that waits already (same sync, key and origin) takes its own place again."""

    def waiting(self, sync: str, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that have an event waiting."""

    def first(self, sync: str, *, limit: int, after: tuple[str, int, int] | None = None) -> list[ParkedEvent]:
        """The first ones; behind a place when it is given."""

    def take(self, sync: str, places: Collection[tuple[str, int, int]]) -> None:
        """Take events away; one that is not there does no harm."""

    def count(self, sync: str) -> int:
        """How many wait."""


class RejectedEvents(Protocol):
    """Events that were set aside for good, per sync, in the order of sending."""

    def note(self, events: Sequence[RejectedEvent]) -> None:
        """Keep events; one that is there already is replaced."""

    def first(self, sync: str, *, limit: int, after: tuple[int, int] | None = None) -> list[RejectedEvent]:
        """The first ones; behind a place (number and part of its origin) when it is given."""

    def take(self, sync: str, places: Collection[tuple[int, int]]) -> None:
        """Take events away; one that is not there does no harm."""

    def count(self, sync: str) -> int:
        """How many were set aside."""


class Listeners(Protocol):
    """What is wanted of each sync's listener, and what it has done."""

    def wish(self, sync: str) -> Wish:
        """What is wanted; the default where nobody has said anything."""

    def change(self, sync: str, change: Callable[[Wish], Wish]) -> Wish:
        """Change what is wanted, of what stands there now; gives what stands there afterwards."""

    def pulse(self, sync: str) -> Pulse:
        """What was done so far."""

    def beat(self, sync: str, pulse: Pulse) -> None:
        """Add what was done since the last time: counts are added up, the later of times and numbers stays."""
