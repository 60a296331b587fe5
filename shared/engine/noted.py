"""What the store notes of a plan's changes, change by change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.engine.linking import OPEN
from shared.engine.plan import PlanRow
from shared.errors import RefuseError
from shared.values.changes import ChunkOutcome, Outcome, OutcomeStatus


def begun(number: int, rows: Sequence[PlanRow]) -> ChunkOutcome:
    """The note of a chunk that is about to be sent."""
    return ChunkOutcome(number, rows[0].change, rows[-1].change, answered=False)


def answered(number: int, rows: Sequence[PlanRow], outcomes: Mapping[int, Outcome]) -> ChunkOutcome:
    """The note of a chunk that was answered: what is not simply done, or was done to another row than planned."""
    exceptions = tuple(o for o in outcomes.values() if o.status is not OutcomeStatus.DONE or o.row_id)
    return ChunkOutcome(number, rows[0].change, rows[-1].change, answered=True, exceptions=exceptions)


def doubtful(noted: ChunkOutcome) -> ChunkOutcome:
    """The note of an answered chunk of which what is left open is about to be sent again."""
    exceptions = tuple(
        one._replace(status=OutcomeStatus.IN_DOUBT, message=None) if one.status in OPEN else one
        for one in noted.exceptions
    )
    return replace(noted, exceptions=exceptions)


def fits(noted: ChunkOutcome, rows: Sequence[PlanRow]) -> bool:
    """Whether a note tells of these changes."""
    return (noted.first_change, noted.last_change) == (rows[0].change, rows[-1].change)


def refuse_other_portions(noted: ChunkOutcome | None, rows: Sequence[PlanRow]) -> None:
    """Raises `RefuseError` when a note under the number of a chunk tells of other changes than the chunk's."""
    if noted is not None and not fits(noted, rows):
        raise RefuseError(
            "another version of the program began this plan and sent it in other portions "
            f"({noted.first_change:,} to {noted.last_change:,} where this one has {rows[0].change:,} to "
            f"{rows[-1].change:,}), so nobody can tell what is left of it; make a new plan: start the sync again"
        )


def settled_before(rows: Sequence[PlanRow], noted: ChunkOutcome | None) -> dict[int, Outcome]:
    """The outcomes of an answered chunk that are final; what was not attempted or is in doubt is open again."""
    if noted is None or not noted.answered:
        return {}
    exceptions = {outcome.change: outcome for outcome in noted.exceptions}
    outcomes = {row.change: exceptions.get(row.change, Outcome(row.change, OutcomeStatus.DONE)) for row in rows}
    return {change: outcome for change, outcome in outcomes.items() if outcome.status not in OPEN}


def is_settled(noted: ChunkOutcome | None) -> bool:
    """Whether nothing of the chunk is open, so that going on costs nothing."""
    return noted is not None and noted.answered and not any(one.status in OPEN for one in noted.exceptions)


def refusals(noted: ChunkOutcome) -> int:
    """How many changes of a chunk Dataverse refused."""
    return sum(outcome.status is OutcomeStatus.REJECTED for outcome in noted.exceptions)


@dataclass(slots=True)
class Steps:
    """The chunks of one step of the changes, each a run of numbers, in rising order."""

    chunks: list[ChunkOutcome] = field(default_factory=list)
    _exceptions: dict[int, dict[int, Outcome]] = field(default_factory=dict)

    def outcome(self, change: int) -> Outcome:
        """What became of a change in this step: without a note it was not attempted, without an answer in doubt."""
        place = bisect_right(self.chunks, change, key=lambda chunk: chunk.first_change) - 1
        if place < 0 or self.chunks[place].last_change < change:
            return Outcome(change, OutcomeStatus.NOT_ATTEMPTED)
        if not self.chunks[place].answered:
            return Outcome(change, OutcomeStatus.IN_DOUBT)
        return self._unlike(place).get(change) or Outcome(change, OutcomeStatus.DONE)

    def _unlike(self, place: int) -> dict[int, Outcome]:
        if place not in self._exceptions:
            self._exceptions[place] = {outcome.change: outcome for outcome in self.chunks[place].exceptions}
        return self._exceptions[place]


class Noted:
    """The notes of one plan. `first`: the changes themselves; `links`: their second step, the deferred links.

    The links' chunks come when every create and update is noted, so they begin at numbers that were met before.
    """

    def __init__(self, chunks: Sequence[ChunkOutcome]) -> None:
        self.first, self.links = Steps(), Steps()
        highest = 0
        for chunk in sorted(chunks, key=lambda one: one.chunk):
            if chunk.first_change > highest:
                self.first.chunks.append(chunk)
                highest = chunk.last_change
            else:
                self.links.chunks.append(chunk)

    def final(self, change: int, *, deferred: bool) -> Outcome:
        """The change's last word: of the step that was not carried out as planned, else of both."""
        outcome = self.first.outcome(change)
        if not deferred or outcome.status is not OutcomeStatus.DONE:
            return outcome
        return self.links.outcome(change)
