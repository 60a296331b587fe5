"""A last word before changes are sent."""

from __future__ import annotations

from collections.abc import Callable

from shared.engine.plan import PlanRow
from shared.values.changes import Outcome

Guard = Callable[[list[PlanRow]], dict[int, Outcome]]
"""Gives, of changes that are about to be sent, the outcomes of those that must not be."""


def no_guard(_: list[PlanRow]) -> dict[int, Outcome]:
    """Every change may be sent."""
    return {}
