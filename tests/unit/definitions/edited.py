"""A store of edited definitions that lives in a test, and counts how often it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.definitions.catalogue import definition_hash, text_hash
from shared.definitions.loading import parse_sync
from shared.errors import DefinitionError, NotFoundError, StaleDefinitionError, StateError
from shared.values.revisions import Revision

AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


class Shelf:
    """See `DefinitionStore`. `up`: it answers."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], tuple[Revision, str]] = {}
        self.looks = self.texts = 0
        self.up = True

    def newest(self) -> Mapping[str, Revision]:
        self.looks += 1
        self._answer()
        return {sync: revision for (sync, _), (revision, _) in sorted(self.kept.items())}

    def add(self, revision: Revision, text: str) -> None:
        self._answer()
        newest = max((number for sync, number in self.kept if sync == revision.sync), default=0)
        if revision.number != newest + 1:
            raise StaleDefinitionError("somebody was quicker")
        self.kept[revision.sync, revision.number] = (revision, text)

    def text(self, sync: str, number: int) -> str:
        self._answer()
        self.texts += 1
        if (sync, number) not in self.kept:
            raise NotFoundError("no such revision")
        return self.kept[sync, number][1]

    def list(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        self._answer()
        found = [one for (name, number), (one, _) in sorted(self.kept.items()) if name == sync]
        return [one for one in reversed(found) if before is None or one.number < before][:limit]

    def _answer(self) -> None:
        if not self.up:
            raise StateError("the store does not answer")

    def save(self, sync: str, text: str | None, *, by: str = "Ann", base: str = "") -> Revision:
        """The next revision; None drops. `base` is the text of the file that it set out from."""
        number = max((number for name, number in self.kept if name == sync), default=0) + 1
        try:
            meaning = definition_hash(parse_sync(text, name=sync)) if text is not None else ""
        except DefinitionError:
            meaning = "of a version that took it"
        file = text_hash(base) if base else ""
        revision = Revision(sync, number, by, AT, dropped=text is None, meaning=meaning, base=file)
        self.add(revision, text or "")
        return revision
