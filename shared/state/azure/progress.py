"""How far the job of each sync was the last time, in Azure Tables: a row for each sync."""

from __future__ import annotations

from shared.state.azure.keys import escaped
from shared.state.azure.tables import Rows
from shared.state.progress import note_from_text, note_to_text
from shared.values.jobs import ProgressNote

_PARTITION = "progress"


class AzureProgress:
    """The notes of one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def note(self, sync: str, note: ProgressNote) -> None:
        """Keep it in the place of the one before."""
        self._rows.put({"PartitionKey": _PARTITION, "RowKey": escaped(sync), "body": note_to_text(note)})

    def noted(self, sync: str) -> ProgressNote | None:
        """The last one; None where there is none."""
        found = self._rows.get(_PARTITION, escaped(sync))
        return note_from_text(found[0]["body"]) if found else None
