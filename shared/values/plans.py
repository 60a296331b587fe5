"""What a person sees of a plan: changes with their columns, old and new."""

from __future__ import annotations

from dataclasses import dataclass

from shared.values.changes import Action


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One column of one change. `old` is what the row holds, `new` what it will hold; None is empty.

    The labels say in words what a choice's numbers mean.
    """

    column: str
    old: object
    new: object
    old_label: str | None = None
    new_label: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change of a plan. `change` is its number; `row_no` the source record's, when there is one."""

    change: int
    action: Action
    key: str
    row_id: str | None
    row_no: int | None
    fields: tuple[FieldChange, ...] = ()
