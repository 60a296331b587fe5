"""What is wrong with a table-definition file, told with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class TableFileError(Exception):
    """The table-definition file cannot be used; the message names the table and the column."""


def only(body: object, words: Collection[str], where: str) -> None:
    """Lets members pass that are known.

    Raises:
        TableFileError: there are others, or none can be.
    """
    if not isinstance(body, dict):
        raise TableFileError(f"{where}: needs members, found {type(body).__name__}")
    unknown = sorted(map(str, set(body) - set(words)))
    if unknown:
        raise TableFileError(f"{where}: unknown {', '.join(unknown)}; allowed: {', '.join(sorted(words))}")


def one_of(allowed: Mapping[str, str], found: object, where: str) -> str:
    """The meaning of a word.

    Raises:
        TableFileError: it has none.
    """
    if str(found) not in allowed:
        raise TableFileError(f"{where}: {found!r} is none of {', '.join(allowed)}")
    return allowed[str(found)]
