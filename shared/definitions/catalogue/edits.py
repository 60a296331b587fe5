"""The definitions that people edited in the running app."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC

from shared.definitions.catalogue.reading import Read, Reader
from shared.definitions.sync import SyncDefinition
from shared.errors import DefinitionError, NotFoundError
from shared.ports import DefinitionStore
from shared.values.problems import Problem, Severity
from shared.values.revisions import Revision

RECENT_S = 5.0
"""How long a look at the store serves what must not cost one each time."""
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Edit:
    """A sync that is edited: its newest revision, and the present file's text by its hash (empty when there is none).

    `file`: there is one.
    """

    revision: Revision
    file: bool
    file_text: str

    @property
    def file_changed(self) -> bool:
        """Whether the file is another one than the edit set out from, or came or went since."""
        return self.file_text != self.revision.base


@dataclass(slots=True)
class Edits:
    """Looks at the store. Safe for several threads; a text is read and understood once."""

    store: DefinitionStore
    reader: Reader
    monotonic: Callable[[], float]
    _looked: tuple[float, Mapping[str, Revision]] | None = None
    _changes: int = 0
    _kept: dict[str, tuple[Revision, Read]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def newest(self, *, fresh: bool) -> Mapping[str, Revision]:
        """The newest revision of every sync that has one; not `fresh`: as it was looked up at most 5 seconds ago.

        Raises:
            StateError: the store does not answer.
        """
        with self._lock:
            now, looked, changes = self.monotonic(), self._looked, self._changes
        if not fresh and looked is not None and now - looked[0] <= RECENT_S:
            return looked[1]
        found = dict(self.store.newest())
        with self._lock:
            if changes == self._changes and (self._looked is None or self._looked[0] <= now):
                self._looked = (now, found)
        return found

    def forget(self) -> None:
        """This process has changed something: what was looked up before counts no more."""
        with self._lock:
            self._changes += 1
            self._looked = None

    def read(self, revision: Revision) -> Read:
        """What a sync's newest revision gives; the same object as long as it is the newest.

        It is told by all that is known of it: a store that was restored from a copy gives its numbers once more.
        """
        kept = self._kept.get(revision.sync)
        if kept is not None and kept[0] == revision:
            return kept[1]
        read = self._read(revision)
        with self._lock:
            kept = self._kept.get(revision.sync)
            if kept is not None and kept[0] == revision:
                return kept[1]
            if read.text:
                self._kept[revision.sync] = (revision, read)
        return read

    def meaning(self, sync: str, meaning: str) -> SyncDefinition | None:
        """The definition of this hash among the kept revisions of a sync, where it is still sound."""
        for revision in self._all(sync):
            if revision.meaning == meaning and not revision.dropped:
                read = self._read(revision)
                if isinstance(read.found, SyncDefinition) and read.meaning == meaning:
                    return read.found
        return None

    def _all(self, sync: str) -> Iterator[Revision]:
        before: int | None = None
        while page := self.store.list(sync, before=before, limit=_PAGE):
            yield from page
            before = page[-1].number

    def _read(self, revision: Revision) -> Read:
        try:
            text = self.store.text(revision.sync, revision.number)
        except NotFoundError:
            lost = Problem(
                "", f"the text of revision {revision.number} is not in the store", "save the definition anew"
            )
            return Read(DefinitionError(revision.sync, [lost]))
        return self.reader.read(text, revision.sync)


def told(revision: Revision) -> str:
    """Who edited it and when, as a clause: `by Ann on 2026-03-04 09:30 UTC (revision 7)`."""
    at = revision.at.astimezone(UTC)
    return f"by {revision.by} on {at:%Y-%m-%d %H:%M} UTC (revision {revision.number})"


def noted(edit: Edit) -> list[Problem]:
    """What there is to know of an edited sync, whatever its definition says."""
    sync = edit.revision.sync
    notes = [Problem("", f"edited in the app {told(edit.revision)}", "", Severity.NOTE)]
    if not edit.file:
        remedy = f"keep its text beside the others: `dynsync definition show {sync}`"
        notes.append(Problem("", "it has no file in syncs/, only what was edited in the app", remedy, Severity.WARNING))
    elif edit.file_changed:
        found = f"its file {'has changed' if edit.revision.base else 'has come'} since it was edited in the app"
        remedy = f"what was edited counts: look at `dynsync definition diff {sync}`, then save what is to count"
        remedy += f", or `dynsync definition drop {sync}` to follow the file"
        notes.append(Problem("", found, remedy, Severity.WARNING))
    return notes


def broken(edit: Edit, error: DefinitionError) -> DefinitionError:
    """The error of a broken revision: that it is none of the file's, and how it is mended."""
    sync = edit.revision.sync
    way = "give the sync back to its file" if edit.file else "take the sync away, for it has no file"
    remedy = f"mend it with `dynsync definition save {sync} FILE`, or {way}: `dynsync definition drop {sync}`"
    return DefinitionError(
        sync, [*error.problems, Problem("", f"this was edited in the app {told(edit.revision)}", remedy)]
    )
