"""The one error of the expression language."""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import FailError
from shared.nearest import nearest as nearest_of


class ExpressionError(FailError, ValueError):
    """An expression that is not in the language. A `ValueError` too, so that a definition's model may collect it."""


def refused(found: str, *, position: int | None, remedy: str) -> ExpressionError:
    """The error for what was `found` at `position` (characters from 1), with what is allowed."""
    where = f" at character {position}" if position else ""
    return ExpressionError(f"{found}{where}; {remedy}")


def nearest(name: str, allowed: Collection[str], *, kind: str) -> str:
    """What to write instead of `name`: the nearest allowed name, or all of them (at most twelve)."""
    if not allowed:
        return f"there are no {kind} here"
    by_folded = {candidate.casefold(): candidate for candidate in allowed}
    if close := nearest_of(name.casefold(), by_folded):
        return f"did you mean {by_folded[close]!r}?"
    shown = sorted(allowed)
    return f"{kind}: {', '.join(shown[:12])}{' …' if len(shown) > 12 else ''}"
