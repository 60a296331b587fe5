"""The reverse of a create: the row goes again, unless it was edited since or other rows refer to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.definitions.behaviour import Deactivate
from shared.engine.plan import PlanFile
from shared.engine.readback import BACKDATED, ETAG, Present, ReadBack, etag_of, without_annotations
from shared.engine.undoing.originals import Original
from shared.engine.undoing.reverting import EDITED, AsLeft, Kept
from shared.engine.undoing.wire import Values
from shared.mapping.removals import inactive_reason
from shared.values.changes import OutcomeStatus
from shared.values.tables import Option, Table

MET = "a row with this key was there before the job, which updated it; what it held is not known"
STAYS = "rows of this table can be neither deleted nor deactivated"
_AT_ONCE = timedelta(seconds=2)
"""What changes a row so soon after its create belongs to the create: a plug-in in the same transaction."""
_CLOCKS_APART = timedelta(minutes=1)
"""How far the service's clock may be ahead of the one that said when the job ended."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What becomes of created rows: deleted, or given an inactive status reason; `possible` unless neither can be."""

    inactive: Option | None = None
    possible: bool = True

    @classmethod
    def of(cls, undo: str | Deactivate, table: Table) -> Removal:
        """As the definition says, or as the table allows it."""
        if isinstance(undo, Deactivate):
            reason = inactive_reason(table, undo.deactivate)
            return cls(reason, reason is not None)
        if table.deletable:
            return cls()
        reason = inactive_reason(table, None)
        return cls(reason, reason is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row which is not deleted gets."""
        return ("statecode", "statuscode") if self.inactive else ()

    @property
    def members(self) -> dict[str, object]:
        """The members of that request."""
        return {"statecode": self.inactive.state, "statuscode": self.inactive.value} if self.inactive else {}


@dataclass(frozen=True, slots=True)
class Creation:
    """A created row that may go. `row` holds every readable column as Dataverse gives it, `values` the planned ones."""

    original: Original
    row: Values
    values: Values
    etag: str | None = None

    def before(self, removal: Removal) -> dict[str, object]:
        """What has to stand there when the row goes: all of it. A row that is kept is known by its version."""
        if removal.inactive is None:
            return dict(self.row)
        return {**{name: self.row.get(name) for name in removal.columns}, ETAG: self.etag}


@dataclass(frozen=True, slots=True)
class Judge:
    """Says which created rows are as the job left them. `worked` is how long the job took, `ended` when it ended."""

    plan: PlanFile
    readback: ReadBack
    worked: timedelta
    ended: datetime
    removal: Removal
    as_left: AsLeft

    def judged(self, originals: Sequence[Original], found: Mapping[str, Values]) -> Iterable[Creation | Kept]:
        """The rows that may go and those that stay, with the reason; those that are not there are left out."""
        canonical = self.readback.canonical([found[original.id] for original in originals if original.id in found])
        for original in originals:
            if original.id in found and original.met:
                yield Kept(original, MET)
            elif original.id in found:
                row = found[original.id]
                creation = Creation(original, without_annotations(row), canonical[original.id], etag_of(row))
                verdict = self._verdict(creation)
                if verdict is not None:
                    yield verdict

    def _verdict(self, creation: Creation) -> Creation | Kept | None:
        original, values = creation.original, creation.values
        if not self.readback.same_key(original.row, Present(values, None)):
            ours = original.first.status is OutcomeStatus.DONE
            return Kept(original, EDITED) if ours else None
        if not self._as_written(original, values) or self._touched(creation):
            return Kept(original, EDITED)
        return creation if self.removal.possible else Kept(original, STAYS)

    def _as_written(self, original: Original, values: Values) -> bool:
        row = original.row
        first = self.plan.sent_values(row._replace(later=None))
        second = self.plan.sent_values(row._replace(after=row.later, later=None)) if row.later else {}
        links = self.plan.sent_values(row._replace(after=row.deferred, later=None)) if row.deferred else {}
        sure = first | second if original.first.status is OutcomeStatus.DONE else _without(first, second)
        holds = self.as_left.holds
        known = {name: value for name, value in sure.items() if name in values and name != BACKDATED}
        plain = all(holds(name, value, values[name]) for name, value in known.items())
        return plain and all(values.get(name) in (value, None) for name, value in links.items())

    def _touched(self, creation: Creation) -> bool:
        """Whether somebody changed the row after the job: any column, not only those that the job wrote."""
        row = creation.row
        created = _moment(row.get(BACKDATED)) or _moment(row.get("createdon"))
        modified = _moment(row.get("modifiedon"))
        if created is None or modified is None or modified <= created:
            return False
        if row.get("_modifiedby_value") != row.get("_createdby_value"):
            return True
        plan_row = creation.original.row
        if not (plan_row.later or plan_row.deferred):
            return modified > created + _AT_ONCE
        # its second step came when the job was at work, which may have waited for days before
        return modified > min(created + self.worked + _AT_ONCE, self.ended + _CLOCKS_APART)


def _without(values: Values, others: Values) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in others}


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
