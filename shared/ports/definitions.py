"""The memory of definitions that were edited in the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.values.revisions import Revision


class DefinitionStore(Protocol):
    """Per sync, the revisions of its definition: only ever added to, one after the other."""

    def newest(self) -> Mapping[str, Revision]:
        """The newest revision of every sync that has one, also a dropped one, by name; cheap, for it is asked often."""

    def add(self, revision: Revision, text: str) -> None:
        """Keep a revision with its text (empty when dropped): all of it or nothing.

        Only the newest `KEPT_REVISIONS` of a sync stay.

        Raises:
            StaleDefinitionError: it is not the next one of its sync, for somebody else was quicker; says who, and when.
            RefuseError: its note is longer than `LONGEST_NOTE`.
        """

    def text(self, sync: str, number: int) -> str:
        """The text kept with a revision, to the character; empty when it is dropped. Raises `NotFoundError`."""

    def list(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """The newest first; below a number when it is given."""


KEPT_REVISIONS = 200
"""Of one sync. An older one is forgotten with the change that makes it the next."""
