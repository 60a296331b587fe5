"""States and status reasons: what goes together, and which tables are closed by an action of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from shared.canonical import form_of
from shared.mapping.cells import Cell, Flaw
from shared.mapping.compose import Target
from shared.values.problems import Severity
from shared.values.records import RejectType
from shared.values.tables import ColumnKind, Table

Note = Callable[[str, str, str, Severity], None]

CLOSED_BY: Mapping[str, str] = {
    "opportunity": "WinOpportunity or LoseOpportunity",
    "incident": "CloseIncident",
    "quote": "CloseQuote or WinQuote",
    "salesorder": "FulfillSalesOrder or CancelSalesOrder",
    "contract": "CancelContract",
}
"""Tables whose rows are closed by actions of their own: an update of the state is refused, or leaves out what belongs
to closing (the activity, the resolution). Source: Microsoft Learn, Web API action reference (2025)."""


def with_states(table: Table, targets: Sequence[Target]) -> list[Target]:
    """The targets, with states and status reasons that go together: Dataverse takes no reason of another state.

    A mapped reason brings its state along. Where both are mapped, a record whose reason belongs to another state is set
    aside: an update would be refused, or given the state's first reason without a word, again with every run.
    """
    state, status = table.columns.get("statecode"), _of_kind(targets, ColumnKind.STATUS)
    owning = _owning(status)
    if status is None or state is None or owning is None:
        return list(targets)
    mapped = _of_kind(targets, ColumnKind.STATE)
    if mapped is not None:
        reason = f"this reason does not belong to the {state.name} of the record"
        flaw = Flaw(RejectType.UNKNOWN_OPTION, f"{owning} <> ({mapped.cell.value})", reason)
        paired = replace(status, cell=replace(status.cell, flaws=(*status.cell.flaws, flaw)))
        return [paired if target is status else target for target in targets]
    if not state.updatable:
        return list(targets)
    return [*targets, Target(form_of(state), status.sources, Cell(owning), keep_null=status.keep_null)]


def _of_kind(targets: Sequence[Target], kind: ColumnKind) -> Target | None:
    return next((target for target in targets if target.form.column.kind is kind), None)


def _owning(status: Target | None) -> str | None:
    """SQL of the state that a mapped reason belongs to."""
    options = status.form.column.options if status else ()
    cases = " ".join(f"WHEN {option.value} THEN {option.state}" for option in options if option.state is not None)
    return f"CASE ({status.cell.value}) {cases} END" if status and cases else None


def note_closing(table: Table, names: Sequence[str], note: Note) -> None:
    """Say that a mapped state cannot close rows of some tables; `names` are the mapped columns in order."""
    if table.name not in CLOSED_BY:
        return
    for number, name in enumerate(names):
        if name in ("statecode", "statuscode"):
            found = f"rows of {table.name} are closed by {CLOSED_BY[table.name]}, not by setting {name}"
            remedy = "map open states only; a record that asks for a closed one will be refused by Dataverse"
            note(f"mappings.{number}.target", found, remedy, Severity.WARNING)
