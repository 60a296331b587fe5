"""What a queue tells a durable store, and the store that keeps nothing."""

from __future__ import annotations

from typing import Protocol

from local.servicebus.queues.held import Held


class Journal(Protocol):
    """Told of every change; durable from the next commit on, which comes before any answer leaves."""

    def put(self, queue: str, held: Held) -> None:
        """A message came, or is no longer what it was (state, number of failures, time)."""

    def drop(self, queue: str, number: int) -> None:
        """A message is gone."""

    def session(self, queue: str, name: str, state: bytes | None, at_ms: int) -> None:
        """A session's state was set; None: taken away."""

    def seen(self, queue: str, message_id: str, at_ms: int) -> None:
        """A message id came."""

    def forget_seen(self, queue: str, until_ms: int) -> None:
        """Message ids older than this no longer count."""


class Forgetful:
    """Keeps nothing: the queues live as long as the process."""

    def put(self, queue: str, held: Held) -> None:
        """Does nothing."""

    def drop(self, queue: str, number: int) -> None:
        """Does nothing."""

    def session(self, queue: str, name: str, state: bytes | None, at_ms: int) -> None:
        """Does nothing."""

    def seen(self, queue: str, message_id: str, at_ms: int) -> None:
        """Does nothing."""

    def forget_seen(self, queue: str, until_ms: int) -> None:
        """Does nothing."""
