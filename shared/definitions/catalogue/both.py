"""All syncs: those of the folder's files, and before them those that were edited in the app."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from shared.definitions.catalogue.edits import RECENT_S, Edit, Edits, broken, noted, told
from shared.definitions.catalogue.files import Files
from shared.definitions.catalogue.reading import Read, Reader
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.errors import DefinitionError, NotFoundError
from shared.ports import DefinitionStore
from shared.values.problems import Problem
from shared.values.revisions import Revision

__all__ = ["RECENT_S", "Catalogue"]


class Catalogue:
    """The syncs in `folder`, read again when a file changes, and those that `edited` remembers.

    Whatever is broken takes out only itself. A sync's newest revision stands before its file until it is dropped.
    Relative paths in definitions begin at the folder's parent. `local`: loopback addresses are within reach. What is
    said to be fresh looks at the store each time; the rest at most 5 seconds ago, and always after a change made by
    this process.

    Raises:
        StateError: from every method, when the store does not answer.
    """

    def __init__(
        self,
        folder: Path,
        reach: Reach,
        *,
        local: bool = False,
        edited: DefinitionStore | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reader = Reader(reach, local, folder.resolve().parent)
        self.files = Files(folder, self.reader)
        self.edits = Edits(edited, self.reader, monotonic) if edited is not None else None

    # ---- fresh

    def names(self) -> list[str]:
        """The names of the sound syncs, in order. Fresh."""
        return list(self.sound())

    def sound(self) -> dict[str, SyncDefinition]:
        """All sound syncs by name, in order. Fresh, by one look at the store."""
        found = {name: read.found for name, read in self._all(self._newest(fresh=True)).items()}
        return {name: one for name, one in found.items() if isinstance(one, SyncDefinition)}

    def all_names(self) -> list[str]:
        """The names of all syncs, broken ones too, in order. Fresh."""
        return self._names(self._newest(fresh=True))

    def broken(self) -> dict[str, DefinitionError]:
        """The broken syncs and why, by name, in order. Fresh."""
        newest = self._newest(fresh=True)
        found = {name: self._of(name, read, newest) for name, read in self._all(newest).items()}
        return {name: error for name, error in found.items() if isinstance(error, DefinitionError)}

    def get(self, name: str) -> SyncDefinition:
        """One sync, fresh.

        Raises:
            NotFoundError: there is none of that name; says the nearest ones.
            DefinitionError: there is one and it is broken.
        """
        return self._sound(name, self._newest(fresh=True))[0]

    def advice(self, name: str) -> list[Problem]:
        """What to know of a sound sync beside: that it is edited, warnings, and the parts that do not run yet. Fresh.

        Raises:
            NotFoundError, DefinitionError: as `get`.
        """
        newest = self._newest(fresh=True)
        _, read = self._sound(name, newest)
        edit = self._edit(name, newest)
        return [*(noted(edit) if edit else ()), *read.advice]

    def edited(self) -> dict[str, Edit]:
        """The syncs that are edited, by name, in order. Fresh."""
        newest = self._newest(fresh=True)
        found = {name: self._edit(name, newest) for name in sorted(newest)}
        return {name: edit for name, edit in found.items() if edit is not None}

    def look(self, name: str) -> tuple[Read | None, Revision | None]:
        """What there is of a sync (None: it is none), sound or broken, and its newest revision, be it a drop. Fresh."""
        newest = self._newest(fresh=True)
        return self._read(name, newest), newest.get(name)

    def begun(self, name: str, meaning: str) -> SyncDefinition:
        """The definition with this hash, with which a job began: as it is now, as the file has it, or as it was once
        saved; where there is none any more (or none that is still sound), as it is now. Fresh.

        Raises:
            NotFoundError, DefinitionError: as `get`, when there is none of that hash either.
        """
        newest = self._newest(fresh=True)
        for read in (self._read(name, newest), self.files.get(name)):
            if read is not None and read.meaning == meaning and isinstance(read.found, SyncDefinition):
                return read.found
        kept = self.edits.meaning(name, meaning) if self.edits is not None and name in newest and meaning else None
        return kept or self._sound(name, newest)[0]

    # ---- as it was at most 5 seconds ago

    def recent(self, name: str) -> SyncDefinition:
        """One sync as it was looked up at most 5 seconds ago. Raises as `get`."""
        return self._sound(name, self._newest(fresh=False))[0]

    def recent_names(self) -> list[str]:
        """The names of all syncs, broken ones too, as they were looked up at most 5 seconds ago."""
        return self._names(self._newest(fresh=False))

    def changed(self) -> None:
        """This process has changed a definition: nobody gets what was looked up before."""
        if self.edits is not None:
            self.edits.forget()

    # ---- both together

    def _newest(self, *, fresh: bool) -> Mapping[str, Revision]:
        return self.edits.newest(fresh=fresh) if self.edits is not None else {}

    def _names(self, newest: Mapping[str, Revision]) -> list[str]:
        return sorted({*self.files.names(), *(name for name, one in newest.items() if not one.dropped)})

    def _all(self, newest: Mapping[str, Revision]) -> dict[str, Read]:
        found = self.files.all()
        for name, revision in newest.items():
            if self.edits is not None and not revision.dropped:
                found[name] = self.edits.read(revision)
        return dict(sorted(found.items()))

    def _read(self, name: str, newest: Mapping[str, Revision]) -> Read | None:
        revision = newest.get(name)
        if self.edits is not None and revision is not None and not revision.dropped:
            return self.edits.read(revision)
        return self.files.get(name)

    def _sound(self, name: str, newest: Mapping[str, Revision]) -> tuple[SyncDefinition, Read]:
        read = self._read(name, newest)
        if read is None:
            raise self.unknown(name, newest.get(name))
        found = self._of(name, read, newest)
        if isinstance(found, DefinitionError):
            raise DefinitionError(found.sync, found.problems)
        return found, read

    def _of(self, name: str, read: Read, newest: Mapping[str, Revision]) -> SyncDefinition | DefinitionError:
        """What was read, with what to say of a broken one that is edited."""
        edit = self._edit(name, newest) if isinstance(read.found, DefinitionError) else None
        return broken(edit, read.found) if edit and isinstance(read.found, DefinitionError) else read.found

    def _edit(self, name: str, newest: Mapping[str, Revision]) -> Edit | None:
        revision = newest.get(name)
        if revision is None or revision.dropped:
            return None
        file = self.files.get(name)
        return Edit(revision, file is not None, file.text if file is not None else "")

    def unknown(self, name: str, newest: Revision | None) -> NotFoundError:
        """The error that says that there is no such sync: who took it away, or which ones have a like name."""
        if newest is not None and newest.dropped:
            return NotFoundError(f"there is no sync {name!r} any more; it was taken away {told(newest)}")
        names = self.recent_names()
        near = get_close_matches(name, names, n=3)
        remedy = f"did you mean {' or '.join(near)}?" if near else _present(names)
        return NotFoundError(f"there is no sync {name[:80]!r}; {remedy}")


def _present(names: Sequence[str]) -> str:
    return f"there are: {', '.join(names)}" if names else "none is there yet; `dynsync init` writes one"
