"""How far every schedule was followed, in Azure Tables: a row for each sync, changed only as it was read (its ETag)."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import StateError
from shared.state.azure import tables
from shared.state.azure.keys import escaped
from shared.state.azure.tables import MovedRowError, Rows
from shared.state.schedules import mark_from_text, mark_to_text
from shared.values.schedules import Mark

ATTEMPTS = 20
_PARTITION = "schedules"


class AzureSchedules:
    """The marks of one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def mark(self, sync: str) -> Mark | None:
        """How far the sync's schedule was followed; None before it was first looked at."""
        found = self._rows.get(_PARTITION, escaped(sync))
        return mark_from_text(found[0]["body"]) if found else None

    def change(self, sync: str, change: Callable[[Mark | None], Mark]) -> Mark:
        """Change the mark that stands there now; gives what stands there afterwards."""
        for _ in range(ATTEMPTS):
            found = self._rows.get(_PARTITION, escaped(sync))
            mark = change(mark_from_text(found[0]["body"]) if found else None)
            row = {"PartitionKey": _PARTITION, "RowKey": escaped(sync), "body": mark_to_text(mark)}
            try:
                self._rows.commit(_PARTITION, [tables.replace_at(row, found[1]) if found else tables.create(row)])
            except MovedRowError:
                continue
            return mark
        raise StateError(f"the schedule of sync {sync!r} is being changed by others all the time; try again")
