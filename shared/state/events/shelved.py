"""Events that wait or were set aside: each a text at its place on a shelf, whatever store the shelf stands in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from shared.state.events.texts import parked_from_text, parked_to_text, rejected_from_text, rejected_to_text
from shared.values.events import ParkedEvent, RejectedEvent

Place = tuple[str, int, int]
"""The event's key, its number of sending, and its part of a message."""
PARKED, REJECTED = "parked", "rejected"
"""The names of the shelves."""


class Shelf(Protocol):
    """Texts of syncs, each at a place."""

    def put(self, rows: Sequence[tuple[str, Place, str]], /) -> None:
        """Keep texts, each of a sync and at a place."""

    def first(self, sync: str, limit: int, after: Place | None, /) -> list[str]:
        """The first texts of a sync, by place; behind one when it is given."""

    def take(self, sync: str, places: Collection[Place], /) -> None:
        """Take texts away."""

    def keys(self, sync: str, keys: Collection[str], /) -> frozenset[str]:
        """Those of the keys that have a text."""

    def count(self, sync: str, /) -> int:
        """How many there are of a sync."""


class ShelvedPark:
    """Events that wait.

    Raises:
        StateError, AuthenticationError: from every method, as the shelf's store does.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def put(self, events: Sequence[ParkedEvent]) -> None:
        """Keep events; one that waits already takes its own place again."""
        self._shelf.put([(parked.event.sync, parked.place, parked_to_text(parked)) for parked in events])

    def waiting(self, sync: str, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that have an event waiting."""
        return self._shelf.keys(sync, keys)

    def first(self, sync: str, *, limit: int, after: Place | None = None) -> list[ParkedEvent]:
        """The first ones by key and order of sending; behind a place when it is given."""
        return [parked_from_text(text) for text in self._shelf.first(sync, limit, after)]

    def take(self, sync: str, places: Collection[Place]) -> None:
        """Take events away."""
        self._shelf.take(sync, places)

    def count(self, sync: str) -> int:
        """How many wait."""
        return self._shelf.count(sync)


class ShelvedRejects:
    """Events that were set aside.

    Raises:
        StateError, AuthenticationError: from every method, as the shelf's store does.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def note(self, events: Sequence[RejectedEvent]) -> None:
        """Keep events; one that is there already is replaced."""
        self._shelf.put([(one.sync, ("", *one.origin.place), rejected_to_text(one)) for one in events])

    def first(self, sync: str, *, limit: int, after: tuple[int, int] | None = None) -> list[RejectedEvent]:
        """The first ones in the order of sending; behind a place when it is given."""
        place = None if after is None else ("", *after)
        return [rejected_from_text(text) for text in self._shelf.first(sync, limit, place)]

    def take(self, sync: str, places: Collection[tuple[int, int]]) -> None:
        """Take events away."""
        self._shelf.take(sync, [("", *place) for place in places])

    def count(self, sync: str) -> int:
        """How many were set aside."""
        return self._shelf.count(sync)
