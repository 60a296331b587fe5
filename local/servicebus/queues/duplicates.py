"""Duplicate detection: message ids that came within a window."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from uuid import UUID

from local.servicebus.queues.journal import Journal


class Duplicates:
    """The ids of one queue. `window_ms` None: nothing is a duplicate."""

    def __init__(self, queue: str, window_ms: int | None, journal: Journal) -> None:
        self._queue = queue
        self._window_ms = window_ms
        self._journal = journal
        self._seen: dict[str, int] = {}  # oldest first

    def load(self, seen: Mapping[str, int]) -> None:
        """Takes over what a store remembers, oldest first."""
        self._seen = dict(seen)

    def note(self, message_id: object, now_ms: int) -> bool:
        """True where the id was there before; otherwise it is remembered from now on."""
        if self._window_ms is None or not isinstance(message_id, str | int | bytes | UUID):
            return False
        self._forget(now_ms - self._window_ms)
        told = message_id if isinstance(message_id, str) else f"{type(message_id).__name__}:{message_id!r}"
        if told in self._seen:
            return True
        self._seen[told] = now_ms
        self._journal.seen(self._queue, told, now_ms)
        return False

    def _forget(self, until_ms: int) -> None:
        oldest = next(iter(self._seen.values()), None)
        if oldest is None or oldest > until_ms:
            return
        for message_id in [each for each, _ in takewhile(lambda item: item[1] <= until_ms, self._seen.items())]:
            del self._seen[message_id]
        self._journal.forget_seen(self._queue, until_ms)
