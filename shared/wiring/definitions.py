"""Definitions as people see and change them in the running app."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from shared.definitions.catalogue import REACH_FILE, Catalogue, Read, definition_hash, text_hash
from shared.definitions.guarded import guarded_changes
from shared.definitions.part import SYNC_NAME
from shared.definitions.post_sync import PostSyncStep
from shared.definitions.sync import SyncDefinition
from shared.errors import DefinitionError, NotFoundError, RefuseError
from shared.log import event
from shared.ports import KEPT_REVISIONS, Clock, DefinitionStore
from shared.state.definitions import refuse_stale
from shared.values.definitions import DefinitionView, Draft
from shared.values.jobs import Job
from shared.values.problems import Problem, Severity
from shared.values.revisions import Revision

_log = logging.getLogger(__name__)
_NAME = re.compile(SYNC_NAME)
LONGEST_NAME = 60
"""Of a sync, in characters; as `SyncDefinition` takes it."""
_RESERVED = REACH_FILE.removesuffix(".yaml")


@dataclass(frozen=True, slots=True)
class DefinitionDesk:
    """Shows, compares and changes definitions. `check` holds a sound one against other systems.

    Raises:
        StateError: from every method, when the store does not answer.
    """

    store: DefinitionStore
    catalogue: Catalogue
    check: Callable[[SyncDefinition], list[Problem]]
    clock: Clock

    # ---- seen

    def show(self, sync: str) -> DefinitionView:
        """A sync's definition as it is now, also a broken one. Raises `NotFoundError`."""
        now, newest = self.catalogue.look(sync)
        if now is None:
            raise self.catalogue.unknown(sync, newest)
        file = self.catalogue.files.get(sync)
        if newest is None or newest.dropped:
            return DefinitionView(sync, self._text_of_file(sync), newest, True, True, False, now.problems)
        text, changed = self.store.text(sync, newest.number), _hash(file) != newest.base
        return DefinitionView(sync, text, newest, False, file is not None, changed, now.problems)

    def revisions(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """The newest first; also of a sync that was taken away. Raises `NotFoundError`."""
        found = self.store.list(sync, before=before, limit=limit) if _fits(sync) else []
        if not found and self.catalogue.look(sync) == (None, None):
            raise self.catalogue.unknown(sync, None)
        return found

    def text(self, sync: str, number: int) -> str:
        """The text of one revision; of number 0, that of the file.

        Raises:
            NotFoundError: there is no such revision, it dropped the sync, or there is no file.
            DefinitionError: the file cannot be read.
        """
        if number == 0:
            return self.catalogue.files.text(sync)
        if number < 0 or not _fits(sync):
            raise NotFoundError(f"sync {sync[:80]!r} has no revision {number}")
        text = self.store.text(sync, number)
        if not text and (found := self.store.list(sync, before=number + 1, limit=1)) and found[0].dropped:
            raise NotFoundError(f"revision {number} of {sync!r} has no text: with it, the edit was dropped")
        return text

    def ran(self, job: Job) -> Revision | None:
        """The revision that a job ran, or began with; None: a file's, or one that is kept no more."""
        found = self.store.list(job.sync, limit=KEPT_REVISIONS) if job.definition_hash else []
        return next((one for one in found if one.ran_in(job)), None)

    # ---- changed

    def draft(self, sync: str, text: str | None) -> Draft:
        """What the text (None: a drop) would be as the sync's next definition. No other system is asked.

        Raises:
            NotFoundError: there is no sync to drop.
        """
        now, newest = self.catalogue.look(sync)
        old = now.found if now is not None and isinstance(now.found, SyncDefinition) else None
        if text is not None:
            new, problems = self.catalogue.reader.look(text, sync)
            guarded = guarded_changes(old, new) if new is not None else []
            starts = _started_anew(old, new)
            draft = Draft(sync, (*_unfit(sync), *problems), tuple(guarded), starts, creates=now is None)
            same = draft.sound and old is not None and new is not None and definition_hash(new) == _meaning(now)
            return replace(draft, same=same)
        if now is None:
            raise self.catalogue.unknown(sync, newest)
        file = self.catalogue.files.get(sync)
        if file is None:
            return Draft(sync, takes_away=True)
        guarded = guarded_changes(old, file.found) if isinstance(file.found, SyncDefinition) else []
        return Draft(sync, file.problems, tuple(guarded), same=old is not None and file.meaning == _meaning(now))

    def look(self, sync: str, text: str) -> list[Problem]:
        """The text held against other syncs, source and Dataverse's metadata, too, where it is sound by itself.

        Only for who may save it: what it names is called with the app's credentials.
        """
        definition, problems = self.catalogue.reader.look(text, sync)
        if definition is None or _errors(problems):
            return problems
        return [*problems, *self.check(definition)]

    def save(self, sync: str, text: str | None, *, expected: int, by: str, note: str = "") -> Revision:
        """Make the text (None: a drop) the sync's next revision. `expected` is the number of the newest one that its
        author has seen; 0: none.

        Raises:
            StaleDefinitionError: somebody else changed it since; says who and when.
            DefinitionError: the text, or the file that a drop gives the sync back to, has errors; all problems.
            NotFoundError: there is no sync to drop.
            RefuseError: nothing is edited that could be dropped; the text is that of now; the note is too long.
        """
        now, newest = self.catalogue.look(sync)
        meant = Revision(sync, expected + 1, by, self.clock(), note)
        refuse_stale(meant, newest)
        if text is None and now is not None and (newest is None or newest.dropped):
            raise RefuseError(f"sync {sync!r} is not edited: its file counts, and there is nothing to drop")
        draft = self.draft(sync, text)
        if not draft.sound:
            raise DefinitionError(sync, draft.problems)
        base = _hash(self.catalogue.files.get(sync))
        self._refuse_same(text, now, newest, base)
        meaning = self.catalogue.reader.read(text, sync).meaning if text is not None else ""
        revision = replace(meant, dropped=text is None, meaning=meaning, base=base)
        self._add(revision, text or "")
        return revision

    def _refuse_same(self, text: str | None, now: Read | None, newest: Revision | None, base: str) -> None:
        """A text that is there already is only saved to say that it still counts although the file has changed."""
        if text is None or now is None or now.text != text_hash(text):
            return
        if newest is None or newest.dropped or newest.base == base:
            raise RefuseError("the text is what the definition says now", remedy="nothing is to be saved")

    def _add(self, revision: Revision, text: str) -> None:
        try:
            self.store.add(revision, text)
        finally:
            self.catalogue.changed()
        name = "definition.dropped" if revision.dropped else "definition.saved"
        event(_log, name, sync=revision.sync, revision=revision.number, by=revision.by)

    def _text_of_file(self, sync: str) -> str:
        try:
            return self.catalogue.files.text(sync)
        except DefinitionError:  # its problems are told
            return ""


def _fits(sync: str) -> bool:
    """Whether a sync may be called so, and so be edited; no store is asked for another name."""
    return len(sync) <= LONGEST_NAME and _NAME.fullmatch(sync) is not None and sync != _RESERVED


def _unfit(sync: str) -> list[Problem]:
    """What keeps a sync of that name from being edited, beside what its text itself says."""
    if sync == _RESERVED:
        return [Problem("name", f"{sync!r} is kept for the operator's file", "give the sync another name")]
    if _fits(sync):
        return []
    allowed = f"at most {LONGEST_NAME} lower-case letters, digits and single hyphens"
    return [Problem("name", f"a sync cannot be called {sync[:80]!r}", allowed)]


def _started_anew(old: SyncDefinition | None, new: SyncDefinition | None) -> tuple[str, ...]:
    """The other syncs that steps of the new definition start, where the old one has no such step."""
    known = [step.sync for step in _steps(old)]
    names = {step.sync.name for step in _steps(new) if step.sync is not None and step.sync not in known}
    return tuple(sorted(names))


def _steps(definition: SyncDefinition | None) -> list[PostSyncStep]:
    """What is whole of its steps that start a sync."""
    steps = definition.post_sync if definition is not None and definition.stands("post_sync") else ()
    return [step for step in steps if step.stands("sync") and step.sync is not None and step.sync.stands("name")]


def _errors(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def _hash(file: Read | None) -> str:
    return file.text if file is not None else ""


def _meaning(now: Read | None) -> str:
    return now.meaning if now is not None else ""
