"""What happens to a dropped row: nothing, a delete, a date in an expiry column, or an inactive status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.canonical import Form, form_of
from shared.definitions.behaviour import Deactivate, Expire
from shared.definitions.sync import SyncDefinition
from shared.mapping.states import CLOSED_BY
from shared.values.changes import Action
from shared.values.tables import Column, ColumnKind, Option, Table

Note = Callable[[str, str, str], None]
_PATH = "behaviour.dropped"
STAMPS = ("createdon", "modifiedon")
"""Read beside the mapped columns when rows can be dropped: a row touched since the job began is never dropped."""


@dataclass(frozen=True, slots=True)
class Removal:
    """How dropped rows are removed. `action` is None when they are left alone.

    `expire` is the date column that gets the time of the run; `inactive` the status option that is set and `active`
    the one that a revived row gets back. `stamps` are the table's columns that say when a row was touched.
    """

    action: Action | None = None
    expire: Form | None = None
    inactive: Option | None = None
    active: Option | None = None
    state: Form | None = None
    status: Form | None = None
    stamps: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[Form, ...]:
        """The columns that must be read to know which rows were removed before."""
        return tuple(form for form in (self.expire, self.state, self.status) if form is not None)


def removal_of(definition: SyncDefinition, table: Table, note: Note) -> Removal:
    """What `behaviour.dropped` means for this table; problems go to `note(path, found, remedy)`."""
    _check_undo(definition.behaviour.undo, table, note)
    removal = _removal(definition, table, note)
    if removal.action is None:
        return removal
    stamps = tuple(name for name in STAMPS if name in table.columns and table.columns[name].readable)
    if not stamps:
        found = f"{table.name} has neither {' nor '.join(STAMPS)}, so rows that others touch meanwhile cannot be told"
        note(_PATH, found, "write ignore; rows of such a table are never removed")
    return replace(removal, stamps=stamps)


def _removal(definition: SyncDefinition, table: Table, note: Note) -> Removal:
    dropped = definition.behaviour.dropped
    if isinstance(dropped, Expire):
        return _expire(dropped.expire, table, note, {mapping.target for mapping in definition.mappings})
    if isinstance(dropped, Deactivate):
        return _deactivate(dropped.deactivate, table, note, {mapping.target for mapping in definition.mappings})
    return Removal(Action.DELETE) if dropped == "delete" else Removal()


def _check_undo(undo: str | Deactivate, table: Table, note: Note) -> None:
    if isinstance(undo, Deactivate) and inactive_reason(table, undo.deactivate) is None:
        labels = _list([option.label for option in inactive_reasons(table)])
        note(
            "behaviour.undo.deactivate",
            f"{undo.deactivate!r} is no inactive status reason of {table.name}",
            f"use one of {labels}",
        )


def _expire(name: str, table: Table, note: Note, mapped: set[str]) -> Removal:
    column = table.columns.get(name)
    dates = [column.name for column in table.columns.values() if _can_expire(column)]
    if column is None or not _can_expire(column):
        note(f"{_PATH}.expire", f"{name!r} is no writable date column of {table.name}", f"use one of {_list(dates)}")
        return Removal()
    if name in mapped:
        note(f"{_PATH}.expire", f"{name} is mapped as well", "an expiry column is written by the sync alone")
    return Removal(Action.EXPIRE, expire=form_of(column))


def _can_expire(column: Column) -> bool:
    return column.kind is ColumnKind.DATETIME and column.updatable and column.readable


def _deactivate(wanted: str | int, table: Table, note: Note, mapped: set[str]) -> Removal:
    state, status = table.columns.get("statecode"), table.columns.get("statuscode")
    if state is None or status is None or not state.updatable:
        note(_PATH, f"rows of {table.name} cannot be deactivated", "use ignore, delete or expire")
        return Removal()
    if table.name in CLOSED_BY:
        found = f"rows of {table.name} are not closed by setting their state but by {CLOSED_BY[table.name]}"
        note(_PATH, found, "use ignore, delete or expire, and close them in Dynamics")
        return Removal()
    reasons = inactive_reasons(table)
    chosen = next((o for o in reasons if wanted in (o.value, o.label) or _same(wanted, o.label)), None)
    if chosen is None:
        labels = _list([option.label for option in reasons])
        note(f"{_PATH}.deactivate", f"{wanted!r} is no inactive status reason of {table.name}", f"use one of {labels}")
        return Removal()
    if mapped & {"statecode", "statuscode"}:
        note(_PATH, "statecode or statuscode is mapped as well", "map the state, or let dropped rows be deactivated")
    active = next((option for option in status.options if option.state == 0), None)
    return Removal(Action.DEACTIVATE, inactive=chosen, active=active, state=form_of(state), status=form_of(status))


def inactive_reasons(table: Table) -> list[Option]:
    """The status reasons that make a row inactive, in the table's order; none where rows have no state."""
    status = table.columns.get("statuscode")
    return [option for option in status.options if option.state not in (0, None)] if status else []


def inactive_reason(table: Table, wanted: str | int | None) -> Option | None:
    """The inactive status reason with this number or label, the first one for None; None when there is none."""
    reasons = inactive_reasons(table)
    return next((o for o in reasons if wanted in (None, o.value, o.label) or _same(wanted, o.label)), None)


def _same(wanted: str | int | None, label: str) -> bool:
    return isinstance(wanted, str) and wanted.strip().lower() == label.strip().lower()


def _list(names: list[str]) -> str:
    return ", ".join(sorted(names)[:15]) or "none: the table has none"
