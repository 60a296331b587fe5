"""Where change tracking can stand for reading: every row must tell by itself whether the sync owns it."""

from __future__ import annotations

from shared import filters
from shared.definitions.sync import SyncDefinition
from shared.filters import FilterError
from shared.values.problems import Problem, Severity
from shared.values.tables import Column, ColumnKind, Table

_DECIDED = frozenset(("contains", "startswith", "endswith"))
"""Functions that look at the row and at what is written; others look at the time, the caller or other rows."""
_STAMPS = frozenset(("createdon", "modifiedon", "versionnumber"))


def obstacle(definition: SyncDefinition, table: Table) -> str | None:
    """Why the rows of this sync cannot be known by change tracking; None when they can."""
    if not table.change_tracking:
        return f"change tracking is off for {table.name}"
    if table.elastic:
        return f"{table.name} is an elastic table"
    return _undecided(definition.destination.filter, table)


def _undecided(text: str | None, table: Table) -> str | None:
    """What in a filter can change its mind about a row while the row stays as it is."""
    if not text:
        return None
    try:
        called, names = filters.functions_in(text), filters.columns_in(text)
    except FilterError:
        return "the filter cannot be read"
    for name in sorted(called - _DECIDED):
        return f"the filter calls {name}, which looks at more than the row"
    columns = {column.read_name: column for column in table.columns.values()} | dict(table.columns)
    for name in sorted(names):
        column = columns.get(name)
        if column is None or not _is_stored(column):
            return f"the filter looks at {name}, which may change while the row stays as it is"
    return None


def _is_stored(column: Column) -> bool:
    """Whether the column is kept in the row; Dataverse computes what nobody may write."""
    kept = column.creatable or column.updatable or column.primary_id or column.name in _STAMPS
    return kept or column.kind in (ColumnKind.STATE, ColumnKind.STATUS)


def advice(definition: SyncDefinition, table: Table) -> list[Problem]:
    """What `check` says when change tracking is asked for and cannot be used."""
    found = obstacle(definition, table) if definition.destination.change_tracking else None
    if found is None:
        return []
    remedy = "every run reads the table whole; mend it, or remove change_tracking"
    return [Problem("destination.change_tracking", found, remedy, Severity.WARNING)]
