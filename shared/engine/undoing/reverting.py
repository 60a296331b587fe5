"""The reverse of a change to a row that stays: the old values of the columns that the job wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from shared.engine.plan import PlanFile, PlanRow
from shared.engine.readback import Present
from shared.engine.undoing.originals import Original
from shared.engine.undoing.wire import GoneError, Referents, Values, member
from shared.values.changes import Action, OutcomeStatus
from shared.values.tables import Column

_REVERSED = {
    Action.UPDATE: Action.UPDATE,
    Action.EXPIRE: Action.REVIVE,
    Action.DEACTIVATE: Action.REVIVE,
}
GONE = "the row was deleted after the job wrote it"
EDITED = "the row was changed after the job wrote it"


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that is left as it is, and why."""

    original: Original
    reason: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a row compares with the change that is to be taken back.

    `now` holds what stands in the columns that the job wrote, by read name; `old` what stood there before.
    """

    now: Values
    old: Values

    @property
    def differs(self) -> bool:
        """Whether there is anything to take back."""
        return any(self.old[name] != value for name, value in self.now.items())


@dataclass(frozen=True, slots=True)
class AsLeft:
    """Whether values stand as a job left them. `columns` are the table's by read name.

    A lookup of a row that the same job deleted later (`deleted`, ids) was cleared by that delete.
    """

    columns: Mapping[str, Column]
    deleted: set[str]

    def holds(self, name: str, wrote: object, now: object) -> bool:
        """Of one column."""
        return now == wrote or (now is None and self.columns[name].is_lookup and wrote in self.deleted)


@dataclass(frozen=True, slots=True)
class Reverter:
    """Reverses updates, revivals, expiries and deactivations of one plan."""

    plan: PlanFile
    as_left: AsLeft
    referents: Referents

    def standing(self, original: Original, now: Present | None) -> Standing | Kept:
        """What the row holds of what the job wrote; or why it is left alone."""
        if now is None:
            return Kept(original, GONE)
        old: dict[str, object] = orjson.loads(original.row.before or "{}")
        sent = {name: value for name, value in self.plan.sent_values(original.row).items() if name in old}
        if self._stands(original, old, now.values, sent):
            sent = {name: old[name] for name in sent if now.values.get(name) != old[name]}
        links = self._links(original, now.values, old)
        found = {name: now.values.get(name) for name in sent | links}
        edited = [name for name, wrote in (sent | links).items() if not self.as_left.holds(name, wrote, found[name])]
        if edited:
            return Kept(original, EDITED, self._column(edited[0]).name)
        return Standing(found, old)

    def _stands(self, original: Original, old: Values, now: Values, names: Iterable[str]) -> bool:
        """Whether the row stands as before the job; a change in doubt may have lost a link to a row deleted later."""
        if original.first.status is OutcomeStatus.DONE:
            return all(now.get(name) == old[name] for name in names)
        return all(self.as_left.holds(name, old[name], now.get(name)) for name in names)

    def _links(self, original: Original, now: Values, old: Values) -> dict[str, object]:
        """The deferred links that differ from before; one that was not set stands as before, or a delete cleared it."""
        links = self.plan.sent_values(original.row._replace(after=original.row.deferred or "{}", later=None))
        found = {}
        for name, wrote in links.items():
            unset = original.link is None or original.link.status is not OutcomeStatus.DONE
            if now.get(name) == old.get(name):
                continue
            if unset and self.as_left.holds(name, old.get(name), now.get(name)):
                found[name] = old.get(name)
            elif original.maybe_linked:
                found[name] = wrote
        return found

    def reverse(self, original: Original, standing: Standing) -> PlanRow | Kept:
        """The change that puts the old values back."""
        members = {}
        for name in standing.now:
            column = self._column(name)
            try:
                wire, value = member(column, standing.old[name], self.referents)
            except GoneError:
                return Kept(original, f"the row that {column.name} pointed at is gone", column.name)
            members[wire] = value
        action = _reversed_action(original.row.action, standing.old)
        return PlanRow(
            change=0,
            action=action,
            id=original.id,
            key=original.row.key,
            row_no=None if action in (Action.EXPIRE, Action.DEACTIVATE) else original.row.change,
            before=orjson.dumps(dict(standing.now)).decode(),
            after=orjson.dumps(members).decode(),
            later=None,
        )

    def _column(self, read_name: str) -> Column:
        return self.as_left.columns[read_name]


def _reversed_action(action: Action, old: Values) -> Action:
    """A revived row is expired or deactivated again, by what it was revived from."""
    if action is not Action.REVIVE:
        return _REVERSED[action]
    return Action.DEACTIVATE if old.get("statecode") else Action.EXPIRE
