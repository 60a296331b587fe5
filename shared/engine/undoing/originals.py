"""The changes of the job that is undone, each with what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from shared.engine.creating import MET
from shared.engine.noted import Noted
from shared.engine.plan import PlanFile, PlanRow
from shared.values.changes import Action, Outcome, OutcomeStatus

AT_A_TIME = 1000
"""Changes that are looked at together."""
_MAYBE_DONE = (OutcomeStatus.DONE, OutcomeStatus.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class Original:
    """One change of the undone job. `first` and `link` are the outcomes of its two steps."""

    row: PlanRow
    first: Outcome
    link: Outcome | None = None

    @property
    def id(self) -> str:
        """The row's id; another than the planned one where that was taken."""
        return self.first.row_id or self.row.id

    @property
    def maybe_done(self) -> bool:
        """Whether the change may have touched its row."""
        return self.first.status in _MAYBE_DONE or self.unfinished

    @property
    def unfinished(self) -> bool:
        """Whether the row was created, and its second step was not carried out."""
        made = self.row.action is Action.CREATE and self.first.row_id is not None
        return made and self.first.status not in _MAYBE_DONE

    @property
    def met(self) -> bool:
        """Whether a create made no row, because one with its key was there."""
        return self.first.message == MET

    @property
    def maybe_linked(self) -> bool:
        """Whether its deferred links may have been set."""
        return self.link is not None and self.link.status is not OutcomeStatus.NOT_ATTEMPTED


@dataclass(frozen=True, slots=True)
class Originals:
    """All changes of one stored plan."""

    plan: PlanFile
    noted: Noted

    def of(self, actions: Collection[Action]) -> Iterator[list[Original]]:
        """The changes of some actions, in order, a thousand at a time."""
        for rows in self.plan.chunks(AT_A_TIME, actions):
            yield [self._original(row) for row in rows]

    def _original(self, row: PlanRow) -> Original:
        link = self.noted.links.outcome(row.change) if row.deferred else None
        return Original(row, self.noted.first.outcome(row.change), link)
