"""Plain values with one thing changed: what a changed text has to mean."""

from __future__ import annotations

from collections.abc import Sequence

from shared.definitions.document import Path

GONE = object()
"""In a value's place: it is taken out."""


def at(value: object, path: Path) -> object:
    """What stands at a path; `GONE` when nothing does."""
    for step in path:
        if not _leads(value, step):
            return GONE
        value = value[step]  # type: ignore[index]
    return value


def _leads(value: object, step: str | int) -> bool:
    """Whether the step leads from a mapping or list to something in it."""
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)


def nested(path: Path, value: object) -> object:
    """The value in mappings, one for each step."""
    for step in reversed(path):
        value = {step: value}
    return value


def changed(value: object, path: Path, new: object) -> object:
    """A copy with what stands at the path replaced, added or (`GONE`) taken out."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return [changed(one, rest, new) if number == step else one for number, one in enumerate(value)]
    if new is GONE and not rest:
        return {key: one for key, one in value.items() if key != step} if isinstance(value, dict) else value
    if value is None or isinstance(value, dict):
        there = value or {}
        return {**there, step: changed(there[step], rest, new) if step in there else nested(rest, new)}
    return value


def arranged(items: Sequence[object], order: Sequence[object]) -> list[object]:
    """The items in a new order: whole numbers say which one of them, anything else is a new item."""
    return [items[one] if isinstance(one, int) else one for one in order]


def same(one: object, other: object) -> bool:
    """Whether two plain values are one, types included (`1` is neither `1.0` nor `true`)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
