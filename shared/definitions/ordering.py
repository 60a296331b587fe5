"""The order in which things that depend on each other are made, or the circle that forbids it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter


def circle(needs: Mapping[str, Collection[str]]) -> list[str]:
    """The names of one circle, beginning and ending with the one given first; empty when there is none."""
    try:
        in_order(needs)
    except CycleError as error:
        ring = [str(name) for name in reversed(error.args[1])][:-1]
        first = min(range(len(ring)), key=lambda place: list(needs).index(ring[place]))
        return [*ring[first:], *ring[: first + 1]]
    return []


def in_order(needs: Mapping[str, Collection[str]]) -> list[str]:
    """The names, each after those it needs; names that are needed but not given are left out.

    Raises:
        CycleError: there is a circle.
    """
    known = {name: [need for need in wanted if need in needs] for name, wanted in needs.items()}
    return list(TopologicalSorter(known).static_order())
