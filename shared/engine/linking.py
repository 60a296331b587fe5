"""The second step of changes whose lookup waits for a row that the same job creates.

It comes when all creates and updates are through, and before any row is deleted. The step is the change's own: it is
attempted where the first step was carried out, and its outcome is the change's outcome. A parent that was not created
leaves the link out: that is a reject, while the rest of the record is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from shared.engine.plan import PlanFile, PlanRow
from shared.values.changes import Action, Outcome, OutcomeStatus

OPEN = (OutcomeStatus.NOT_ATTEMPTED, OutcomeStatus.IN_DOUBT)
"""Outcomes with which a change is not settled: another apply goes on with it."""
_NO_PARENT = "the row that it names was not created; the record was written without the link"
_WAITING = "the row that it names is not created yet"


@dataclass(frozen=True, slots=True)
class LinkStep:
    """What is left to do for one change: `write` (None: nothing), or the outcome that stands already.

    `missing` is the column of a link whose parent was not created.
    """

    change: int
    write: PlanRow | None = None
    outcome: Outcome | None = None
    missing: str | None = None

    def final(self, written: Outcome | None) -> Outcome:
        """The change's outcome, after what was written."""
        if self.outcome is not None:
            return self.outcome
        if written is not None and written.status is OutcomeStatus.REJECTED:
            return written._replace(message=f"the record was written without its link: {written.message}")
        if self.missing is None or (written is not None and written.status is not OutcomeStatus.DONE):
            return written or Outcome(self.change, OutcomeStatus.DONE)
        return Outcome(self.change, OutcomeStatus.REJECTED, message=_NO_PARENT, link=self.missing)


@dataclass(slots=True)
class Linker:
    """Knows how the first steps ended: what was not carried out, and what was created under another id than planned."""

    plan: PlanFile
    _unlike: dict[str, Outcome] = field(default_factory=dict)

    def learn(self, row: PlanRow, outcome: Outcome) -> None:
        """Note how a first step ended; only what differs from the plan is kept."""
        if outcome.status is not OutcomeStatus.DONE or outcome.row_id:
            self._unlike[row.id] = outcome

    def undone(self, row: PlanRow) -> bool:
        """Whether the row's first step was not carried out."""
        own = self._unlike.get(row.id)
        return own is not None and own.status is not OutcomeStatus.DONE

    def step(self, row: PlanRow) -> LinkStep:
        """What the second step of a change is."""
        own = self._unlike.get(row.id)
        if own is not None and own.status is not OutcomeStatus.DONE:
            nothing = Outcome(row.change, OutcomeStatus.DONE)
            return LinkStep(row.change, outcome=own if own.status in OPEN else nothing)
        links: dict[str, str] = orjson.loads(row.deferred or "{}")
        parents = {name: self._unlike.get(value[value.rindex("(") + 1 : -1]) for name, value in links.items()}
        if any(parent is not None and parent.status in OPEN for parent in parents.values()):
            return LinkStep(row.change, outcome=Outcome(row.change, OutcomeStatus.NOT_ATTEMPTED, message=_WAITING))
        kept = {name: _moved(value, parents[name]) for name, value in links.items() if _is_there(parents[name])}
        missing = next((name for name in links if name not in kept), None)
        column = self._column(missing) if missing else None
        return LinkStep(row.change, self._write(row, kept) if kept else None, missing=column)

    def _write(self, row: PlanRow, links: dict[str, str]) -> PlanRow:
        """The second step as an update of its own: what the lookups held before, and what they will hold."""
        before = orjson.loads(row.before) if row.before else {}
        names = [self.plan.manifest.binds[name] for name in links]
        own = self._unlike.get(row.id)
        return row._replace(
            action=Action.UPDATE,
            id=(own.row_id if own else None) or row.id,
            before=orjson.dumps({name: before.get(name) for name in names}).decode(),
            after=orjson.dumps(links).decode(),
            later=None,
            deferred=None,
        )

    def _column(self, member: str) -> str:
        read_name = self.plan.manifest.binds[member]
        return next(column.name for column in self.plan.manifest.columns if column.read_name == read_name)


def _is_there(parent: Outcome | None) -> bool:
    return parent is None or parent.status is OutcomeStatus.DONE


def _moved(value: str, parent: Outcome | None) -> str:
    """The bound row, under the id that it was created with."""
    moved = parent.row_id if parent else None
    return f"{value[: value.rindex('(')]}({moved})" if moved else value
