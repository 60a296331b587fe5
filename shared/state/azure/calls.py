"""Remembered calls, in Azure Tables: all in one partition, by key."""

from __future__ import annotations

from datetime import datetime

from shared.errors import StateError
from shared.state.azure import tables
from shared.state.azure.keys import escaped
from shared.state.azure.tables import MovedRowError, Rows
from shared.state.rows import from_microseconds, microseconds
from shared.values.calls import RememberedCall

PARTITION = "calls"
ATTEMPTS = 5


class AzureCalls:
    """The calls of one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def remember(self, call: RememberedCall) -> RememberedCall:
        """Keep the call unless its key is known; gives what is kept under the key."""
        key = escaped(call.key)
        row = {
            "PartitionKey": PARTITION,
            "RowKey": key,
            "digest": call.digest,
            "job": call.job_id,
            "at": str(microseconds(call.at)),
        }
        for _ in range(ATTEMPTS):
            try:
                self._rows.commit(PARTITION, [tables.create(row)])
            except MovedRowError:
                found = self._rows.get(PARTITION, key)
                if found is None:
                    continue
                kept = found[0]
                return RememberedCall(call.key, kept["digest"], kept["job"], from_microseconds(int(kept["at"])))
            return call
        raise StateError("a call is being forgotten by others all the time; try again")

    def forget(self, key: str) -> None:
        """Forget one call."""
        self._rows.delete(PARTITION, escaped(key))

    def forget_before(self, moment: datetime) -> None:
        """Forget the calls from before a time."""
        for row in list(self._rows.range(PARTITION, first="!", last="~")):
            if int(row["at"]) < microseconds(moment):
                self._rows.delete(PARTITION, str(row["RowKey"]))
