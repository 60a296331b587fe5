"""Creates rows under ids that were chosen before: an id that is taken is looked at, and never a row created twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.dataverse.writing import FOUND, ID_TAKEN
from shared.engine.identity import next_derivation
from shared.engine.plan import PlanRow
from shared.engine.readback import ReadBack
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind

DERIVATIONS = 4
"""Ids that are tried for one row before it is left to Dataverse's refusal."""
MET = "a row with this key was there; it was updated"
"""What the outcome of a create says that made no row."""


class RowWriter(Protocol):
    """Writes rows of one table (`dataverse.Writer`)."""

    def write(self, kind: WriteKind, writes: Sequence[Write]) -> list[Outcome]:
        """One outcome per write, in order."""


@dataclass(frozen=True, slots=True)
class Creator:
    """Creates the rows of one plan. `derived`: an id that a row with another key holds makes way for the next one."""

    writer: RowWriter
    readback: ReadBack
    derived: bool

    def create(self, rows: Sequence[PlanRow]) -> dict[int, Outcome]:
        """Both steps of each create; one outcome per change, by its number."""
        ids = {row.change: row.id for row in rows}
        outcomes = self._written(WriteKind.CREATE, rows, ids)
        for _ in range(DERIVATIONS):
            foreign = self._met(rows, ids, outcomes)
            if not foreign or not self.derived:
                break
            ids |= {row.change: next_derivation(ids[row.change]) for row in foreign}
            outcomes |= self._written(WriteKind.CREATE, foreign, ids)
        outcomes |= {
            row.change: outcomes[row.change]._replace(row_id=ids[row.change])
            for row in rows
            if ids[row.change] != row.id and outcomes[row.change].status is OutcomeStatus.DONE
        }
        created = [row for row in rows if row.later and outcomes[row.change].status is OutcomeStatus.DONE]
        finished = self._written(WriteKind.UPDATE, created, ids, later=True)
        return outcomes | {n: _second(outcome, outcomes[n], ids[n]) for n, outcome in finished.items()}

    def finish(self, rows: Sequence[PlanRow]) -> dict[int, Outcome]:
        """The second step of rows that an earlier attempt created."""
        ids = {row.change: row.id for row in rows}
        finished = self._written(WriteKind.UPDATE, rows, ids, later=True)
        return {n: _second(outcome, Outcome(n, OutcomeStatus.DONE), ids[n]) for n, outcome in finished.items()}

    def _met(self, rows: Sequence[PlanRow], ids: Mapping[int, str], outcomes: dict[int, Outcome]) -> list[PlanRow]:
        """Creates that met a row with their id: one with the same key is updated; those with another are returned.

        A create whose answer was lost met its own row, or one that had its derived id before.
        """
        found = [row for row in rows if self.derived and _was_found(outcomes[row.change])]
        met = [row for row in rows if _met_its_id(outcomes[row.change])]
        if not met and not found:
            return []
        present = self.readback.rows([ids[row.change] for row in (*met, *found)])
        ours = {
            row.change
            for row in (*met, *found)
            if (now := present.get(ids[row.change])) and self.readback.same_key(row, now)
        }
        again = [row for row in met if row.change in ours]
        etags = {row.change: present[ids[row.change]].etag for row in again}
        updated = self._written(WriteKind.UPDATE, again, ids, etags=etags)
        outcomes |= {
            n: outcome._replace(row_id=ids[n], message=MET) if outcome.status is OutcomeStatus.DONE else outcome
            for n, outcome in updated.items()
        }
        return [row for row in (*met, *found) if row.change not in ours]

    def _written(
        self,
        kind: WriteKind,
        rows: Sequence[PlanRow],
        ids: Mapping[int, str],
        *,
        etags: Mapping[int, str | None] | None = None,
        later: bool = False,
    ) -> dict[int, Outcome]:
        versions = etags or {}
        writes = [
            Write(row.change, ids[row.change], (row.later if later else row.after) or "{}", versions.get(row.change))
            for row in rows
        ]
        return {outcome.change: outcome for outcome in self.writer.write(kind, writes)} if writes else {}


def _second(outcome: Outcome, first: Outcome, row_id: str) -> Outcome:
    """The outcome of both steps: when the second was not carried out, it still names the row that was created."""
    if outcome.status is OutcomeStatus.DONE:
        return outcome._replace(row_id=first.row_id, message=first.message)
    return outcome._replace(row_id=row_id)


def _met_its_id(outcome: Outcome) -> bool:
    """Whether a create was refused because a row with its id exists."""
    return outcome.status is OutcomeStatus.REJECTED and (outcome.message or "").startswith(ID_TAKEN)


def _was_found(outcome: Outcome) -> bool:
    """Whether a create had no answer, and a row with its id is there."""
    return outcome.status is OutcomeStatus.DONE and outcome.message == FOUND
