"""States and status reasons: what goes together, and which tables are closed by an action of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shared.canonical import form_of
from shared.mapping.cells import Cell
from shared.mapping.compose import Target
from shared.values.problems import Severity
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


def state_of_status(table: Table, targets: Sequence[Target]) -> list[Target]:
    """A mapped status reason brings its state along: Dataverse refuses a reason that belongs to another state."""
    state = table.columns.get("statecode")
    status = next((target for target in targets if target.form.column.kind is ColumnKind.STATUS), None)
    if status is None or state is None or not state.updatable or any(t.name == state.name for t in targets):
        return []
    owning = " ".join(f"WHEN {o.value} THEN {o.state}" for o in status.form.column.options if o.state is not None)
    if not owning:
        return []
    value = f"CASE ({status.cell.value}) {owning} END"
    return [Target(form_of(state), status.sources, Cell(value), keep_null=status.keep_null)]


def note_closing(table: Table, names: Sequence[str], note: Note) -> None:
    """Say that a mapped state cannot close rows of some tables; `names` are the mapped columns in order."""
    if table.name not in CLOSED_BY:
        return
    for number, name in enumerate(names):
        if name in ("statecode", "statuscode"):
            found = f"rows of {table.name} are closed by {CLOSED_BY[table.name]}, not by setting {name}"
            remedy = "map open states only; a record that asks for a closed one will be refused by Dataverse"
            note(f"mappings.{number}.target", found, remedy, Severity.WARNING)
