"""What is wanted of each listener and what it has done, in Azure Tables."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import StateError
from shared.state.azure import tables
from shared.state.azure.keys import escaped
from shared.state.azure.tables import MovedRowError, Rows
from shared.state.events.texts import pulse_from_text, pulse_to_text, summed, wish_from_text, wish_to_text
from shared.values.events import Pulse, Wish

ATTEMPTS = 20


class AzureListeners:
    """The listeners of one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def wish(self, sync: str) -> Wish:
        """What is wanted; the default where nobody has said anything."""
        found = self._rows.get(_partition(sync), "wish")
        return wish_from_text(found[0]["body"]) if found else Wish()

    def change(self, sync: str, change: Callable[[Wish], Wish]) -> Wish:
        """Change what is wanted, of what stands there now; gives what stands there afterwards."""
        text = self._changed(sync, "wish", lambda old: wish_to_text(change(wish_from_text(old) if old else Wish())))
        return wish_from_text(text)

    def pulse(self, sync: str) -> Pulse:
        """What was done so far."""
        found = self._rows.get(_partition(sync), "pulse")
        return pulse_from_text(found[0]["body"]) if found else Pulse()

    def beat(self, sync: str, pulse: Pulse) -> None:
        """Add what was done since the last time."""
        self._changed(sync, "pulse", lambda old: pulse_to_text(summed(pulse_from_text(old), pulse) if old else pulse))

    def _changed(self, sync: str, kind: str, change: Callable[[str | None], str]) -> str:
        """Replace one row by what `change` makes of the one that is there."""
        partition = _partition(sync)
        for _ in range(ATTEMPTS):
            found = self._rows.get(partition, kind)
            text = change(found[0]["body"] if found else None)
            row = {"PartitionKey": partition, "RowKey": kind, "body": text}
            try:
                self._rows.commit(partition, [tables.replace_at(row, found[1]) if found else tables.create(row)])
            except MovedRowError:
                continue
            return text
        raise StateError(f"the listener of sync {sync!r} is being changed by others all the time; try again")


def _partition(sync: str) -> str:
    return f"listener!{escaped(sync)}"
