"""What an undo's draft comes to: the planned rows, what is left alone and why, and the counts of both balances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.brakes import PlanCounts
from shared.engine.balances import planned_changes
from shared.engine.plan import PlanRow
from shared.engine.planning import TABLE as PLAN
from shared.engine.undoing.reverting import Kept
from shared.engine.workspace import Row, Workspace
from shared.values.changes import Action
from shared.values.jobs import DestinationBalance, SourceBalance
from shared.values.records import RejectType

_TOLD = """
    CREATE OR REPLACE TABLE told (
        row_no BIGINT, key VARCHAR, type VARCHAR, "column" VARCHAR, found VARCHAR, reason VARCHAR,
        code VARCHAR, request_id VARCHAR, rejecting BOOLEAN, source VARCHAR
    )
"""
_REMOVALS = (Action.DELETE, Action.EXPIRE, Action.DEACTIVATE)


@dataclass(slots=True)
class Sheet:
    """The tables `plan` and `told` of one undo.

    Changes of the undone job: `read`, `ignored` (not carried out), `unchanged` (nothing to take back), `conflicts`.
    `rows` is how many of their rows are there; `kept` how many created ones stay; `lost` the links that are lost.
    """

    workspace: Workspace
    counts: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Make the empty tables."""
        self.workspace.run(PLAN)
        self.workspace.run(_TOLD)

    def plan(self, rows: Sequence[PlanRow]) -> None:
        """Changes that the undo makes, in the order of applying."""
        self.workspace.append(
            "plan", [(r.action.value, r.id, r.key, r.row_no, r.before, r.after, r.later, r.deferred) for r in rows]
        )

    def leave(self, kept: Sequence[Kept]) -> None:
        """Changes that are not taken back."""
        self.leave_rows([(one.original.row.change, one.original.row.key, one.column, one.reason) for one in kept])

    def leave_rows(self, rows: Sequence[Row]) -> None:
        """The same, as change, key, column and reason."""
        self.counts["conflicts"] += len(rows)
        self._tell(rows, RejectType.CONFLICT, rejecting=True)

    def lose(self, lost: Sequence[Kept]) -> None:
        """Links that a row which is made again has no more."""
        self.counts["lost"] += len(lost)
        rows = [(one.original.row.change, one.original.row.key, one.column, one.reason) for one in lost]
        self._tell(rows, RejectType.UNRESOLVED_LINK, rejecting=False)

    def _tell(self, rows: Sequence[Row], type_: RejectType, *, rejecting: bool) -> None:
        told = [
            (change, key, type_.value, column, None, reason, None, None, rejecting, None)
            for change, key, column, reason in rows
        ]
        self.workspace.append("told", told)

    @property
    def planned(self) -> dict[str, int]:
        """Changes by action."""
        return planned_changes(self.workspace)

    def plan_counts(self) -> PlanCounts:
        """What the plan would do."""
        planned = self.planned
        return PlanCounts(
            present=self.counts["rows"],
            creates=planned.get(Action.CREATE, 0),
            updates=planned.get(Action.UPDATE, 0) + planned.get(Action.REVIVE, 0),
            removals=sum(planned.get(action, 0) for action in _REMOVALS),
            read=self.counts["read"],
            rejected=0,
        )

    def source(self) -> SourceBalance:
        """The undone job's changes, while nothing is written."""
        return SourceBalance(
            read=self.counts["read"],
            unchanged=self.counts["unchanged"],
            ignored=self.counts["ignored"],
            conflict=self.counts["conflicts"],
            asked_to_delete=self._planned("IS NULL"),
            not_attempted=self._planned("IS NOT NULL"),
        )

    def destination(self) -> DestinationBalance:
        """The rows that they touched and that are there, while nothing is written."""
        rows, kept, leaving = self.counts["rows"], self.counts["kept"], self._planned("IS NULL")
        return DestinationBalance(read=rows, matched=rows - leaving - kept, kept=kept, not_attempted=leaving)

    def _planned(self, row_no: str) -> int:
        return self.workspace.value(f"SELECT count(*) FROM plan WHERE row_no {row_no}")
