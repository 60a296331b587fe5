"""What is wrong with a table-definition file: every mistake with its place, what was found, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

Path = tuple[str | int, ...]
"""Where something stands in the file: the members that lead there."""
_LONGEST = 60


class TableFileError(Exception):
    """The table-definition file cannot be used; each of `problems` names the file and the place in it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


class UnreadableError(TableFileError):
    """The file cannot be looked at at all."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake."""

    path: Path
    found: str
    allowed: str

    def __str__(self) -> str:
        place = ".".join(map(str, self.path))
        return f"{place}: found {self.found}; allowed: {self.allowed}"


def shown(value: object) -> str:
    """A value of the file, short, as a message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "members" if value else "no members"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value.normalize():,f}" if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
