"""A last word before changes are sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from shared.engine.plan import PlanRow
from shared.values.changes import Outcome

Guard = Callable[[list[PlanRow]], dict[int, Outcome]]
"""Gives, of changes that are about to be sent, the outcomes of those that must not be."""


class Claims(Protocol):
    """The right to write records that others write, too."""

    def take(self, rows: Sequence[PlanRow]) -> dict[int, Outcome]:
        """Claim the records of changes that are about to be sent; the outcomes of those that must not be."""

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Say what became of claimed changes."""


class NoClaims:
    """Nobody else writes the records."""

    def take(self, _: Sequence[PlanRow]) -> dict[int, Outcome]:
        """Every change may be sent."""
        return {}

    def settle(self, _: Mapping[int, Outcome]) -> None:
        """Nothing is claimed."""


def no_guard(_: list[PlanRow]) -> dict[int, Outcome]:
    """Every change may be sent."""
    return {}
