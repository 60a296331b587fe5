"""What may be told of a secret: never its value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SecretState(StrEnum):
    """Whether a secret can be read."""

    SET = "set"
    MISSING = "missing"
    DISABLED = "disabled"
    EXPIRED = "expired"
    NOT_YET = "not valid yet"


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """One secret: its name, its state, and the syncs whose definitions name it."""

    name: str
    state: SecretState
    syncs: tuple[str, ...] = ()
