"""Column names that are asked for, held against those that are there."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from shared.errors import SourceError

MOST_SHOWN = 20


def quoted(names: Sequence[str]) -> str:
    """The names for a message, at most twenty."""
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(repr(name[:100]) for name in names[:MOST_SHOWN]) + more


def nearest(name: str, present: Sequence[str]) -> str:
    """The present name that is most like `name`, as a clause, or nothing."""
    folded = {other.strip().casefold(): other for other in present}
    close = difflib.get_close_matches(name.strip().casefold(), list(folded), n=1, cutoff=0.6)
    return f"{name!r} (did you mean {folded[close[0]]!r}?)" if close else repr(name)


def lacking(missing: Sequence[str], present: Sequence[str]) -> str:
    """`has no column 'a'`, `lacks 2 columns of the schema: 'a', 'b'`; each with the present name most like it."""
    named = ", ".join(nearest(name, present) for name in missing[:MOST_SHOWN])
    if len(missing) == 1:
        return f"has no column {named}"
    more = f" and {len(missing) - MOST_SHOWN} more" if len(missing) > MOST_SHOWN else ""
    return f"lacks {len(missing)} columns of the schema: {named}{more}"


def require(wanted: Sequence[str], present: Sequence[str], *, where: str) -> None:
    """Check that every wanted column is present, letter by letter.

    Raises:
        SourceError: some are missing; names them, the nearest ones and what is there.
    """
    missing = [name for name in wanted if name not in present]
    if missing:
        found = f"{where} {lacking(missing, present)}"
        raise SourceError(f"{found}; it has {quoted(present) or 'none'}; correct the names in the schema")


def require_distinct(wanted: Sequence[str], *, where: str) -> None:
    """Check that no two wanted names differ by case alone, which one table cannot hold.

    Raises:
        SourceError: two do.
    """
    seen: dict[str, str] = {}
    for name in wanted:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise SourceError(f"{where}: the schema's columns {other!r} and {name!r} differ by case only; keep one")
