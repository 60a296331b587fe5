"""Secrets by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from shared.values.secrets import SecretState


class Secrets(Protocol):
    """Secrets by name."""

    def get(self, name: str) -> str:
        """The value. Raises `AuthenticationError` naming the secret (never a value) when there is none."""

    def renew(self, name: str) -> str:
        """The value as its home has it now, not as it is remembered; for one that was refused. Raises as `get`."""


class SecretHome(Secrets, Protocol):
    """Where secrets are kept, for those who look after them."""

    @property
    def place(self) -> str:
        """The home's name, for people."""

    @property
    def writable(self) -> bool:
        """Whether `put` can be of use."""

    def put(self, name: str, value: str) -> None:
        """Keep a value. Raises `NotAllowedError` where that cannot be done."""

    def states(self, names: Iterable[str]) -> Mapping[str, SecretState]:
        """Whether each can be read; and what else the home holds, where it can tell. Names come in lower case."""
