"""Definitions that are edited in the app, as people see them, and what a change would do."""

from __future__ import annotations

from dataclasses import dataclass

from shared.values.problems import Problem, Severity
from shared.values.revisions import Revision


@dataclass(frozen=True, slots=True)
class DefinitionView:
    """A sync's definition as it is now: its YAML, whose it is, and what is wrong with it.

    `revision` is the newest one, also when it is dropped; None: nobody ever edited the sync in the app. `from_file`:
    the text is the file's. `file`: there is a file of that sync. `file_changed`: the file is no more the one that the
    edit set out from (also when it is gone, or came later). `problems` holds errors and warnings.
    """

    sync: str
    text: str
    revision: Revision | None
    from_file: bool
    file: bool
    file_changed: bool
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What a text would be as the sync's next definition; of a drop, what the sync would be afterwards.

    `problems` holds errors and warnings, `guarded` the paths of guarded settings that would change (to be allowed by an
    administrator of the sync). `starts` are other syncs that it would start, by a step that is new or another one; who
    saves it must be allowed to. `creates`: there is no such sync yet. `takes_away`: there would be none afterwards.
    `same`: it means what the definition means now.
    """

    sync: str
    problems: tuple[Problem, ...] = ()
    guarded: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    creates: bool = False
    takes_away: bool = False
    same: bool = False

    @property
    def sound(self) -> bool:
        """Whether it may be saved: no problem is an error."""
        return all(problem.severity is not Severity.ERROR for problem in self.problems)
