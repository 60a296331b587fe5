"""What the store notes of a plan's changes, change by change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.values.changes import ChunkOutcome, Outcome, OutcomeStatus


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
