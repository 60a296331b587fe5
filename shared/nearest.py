"""The nearest of some names to one that is none of them, at a bounded price: names come from whoever writes a text."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import nlargest
from itertools import takewhile

LONGEST = 100
"""Characters of a name for which a near one is looked for."""
_COMPARED = 50
"""Names that are compared in earnest; of more, those that are most alike at their beginnings and ends."""
_TRIED = 50
"""Names of one text for which a near one is looked for: nobody reads more."""


@dataclass(slots=True)
class _Budget:
    left: int = _TRIED


_budget: ContextVar[_Budget | None] = ContextVar("nearest_budget", default=None)


@contextmanager
def one_text() -> Iterator[None]:
    """What is looked for within belongs to one text, which has a bounded number of tries."""
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The one of the known names that is most like `name`; None when none is, or looking would take too long."""
    budget = _budget.get()
    if len(name) > LONGEST or (budget is not None and budget.left < 1):
        return None
    if budget is not None:
        budget.left -= 1
    likely = [one for one in known if len(one) <= LONGEST]
    if len(likely) > _COMPARED:
        likely = nlargest(_COMPARED, likely, key=lambda one: _likeness(name, one))
    return next(iter(get_close_matches(name, likely, n=1)), None)


def _likeness(one: str, other: str) -> int:
    """How many characters are the same at the beginning and at the end, less what one is longer."""
    same = sum(1 for _ in takewhile(_equal, zip(one, other, strict=False)))
    same += sum(1 for _ in takewhile(_equal, zip(reversed(one), reversed(other), strict=False)))
    return same - abs(len(one) - len(other))


def _equal(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]
