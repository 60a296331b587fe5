"""The ledger in Azure Tables."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from shared.errors import StateError
from shared.state.azure import tables
from shared.state.azure.keys import escaped
from shared.state.azure.tables import MOST_OPERATIONS, MovedRowError, Operation, Row, Rows
from shared.state.events.texts import at_of
from shared.values.events import LedgerEntry

ATTEMPTS = 20
"""How often a write is tried whose rows others change meanwhile."""
_READERS = 16
"""Rows are read one by one, so many at a time: a table has no way to ask for a list of keys."""
_REMEMBERED = 20_000

_Stored = tuple[LedgerEntry, str]
"""An entry and the version of its row."""


class AzureLedger:
    """The ledger of one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="dynsync-ledger")
        self._seen: dict[tuple[str, str], _Stored | None] = {}
        self._lock = threading.Lock()

    def entries(self, sync: str, keys: Collection[str]) -> Mapping[str, LedgerEntry]:
        """What is known of these records, by key."""
        found = self._read(sync, keys)
        return {key: stored[0] for key, stored in found.items() if stored is not None}

    def advance(self, sync: str, entries: Iterable[LedgerEntry]) -> None:
        """Note what was applied; an older entry changes nothing."""
        newest: dict[str, LedgerEntry] = {}
        for entry in entries:
            if entry.key not in newest or newest[entry.key].gives_way_to(entry):
                newest[entry.key] = entry.behind(newest.get(entry.key))
        for some in itertools.batched(newest.values(), MOST_OPERATIONS, strict=False):
            self._advance(sync, some)

    def _advance(self, sync: str, entries: Sequence[LedgerEntry]) -> None:
        stored = self._remembered(sync, [entry.key for entry in entries])
        for _ in range(ATTEMPTS):
            operations = [
                operation for entry in entries if (operation := _operation(sync, entry, stored[entry.key])) is not None
            ]
            try:
                if operations:
                    self._rows.commit(_partition(sync), operations)
            except MovedRowError:
                stored = self._read(sync, [entry.key for entry in entries])
                continue
            self._forget(sync, entries)
            return
        raise StateError(f"the ledger of sync {sync!r} is being changed by others all the time; try again")

    def _read(self, sync: str, keys: Collection[str]) -> dict[str, _Stored | None]:
        partition, wanted = _partition(sync), list(dict.fromkeys(keys))
        found = self._pool.map(lambda key: self._rows.get(partition, key), wanted)
        stored = {key: _stored(*row) if row else None for key, row in zip(wanted, found, strict=True)}
        with self._lock:
            if len(self._seen) > _REMEMBERED:
                self._seen.clear()
            self._seen |= {(sync, key): value for key, value in stored.items()}
        return stored

    def _remembered(self, sync: str, keys: Collection[str]) -> dict[str, _Stored | None]:
        """The rows as they were read last; a row that moved since is found out when it is written."""
        with self._lock:
            known = {key: self._seen[sync, key] for key in keys if (sync, key) in self._seen}
        return known | self._read(sync, [key for key in keys if key not in known])

    def _forget(self, sync: str, entries: Iterable[LedgerEntry]) -> None:
        with self._lock:
            for entry in entries:
                self._seen.pop((sync, entry.key), None)


def _partition(sync: str) -> str:
    return f"ledger!{escaped(sync)}"


def _operation(sync: str, entry: LedgerEntry, stored: _Stored | None) -> Operation | None:
    """What writes the entry over what is stored; None when that is newer."""
    row: Row = {
        "PartitionKey": _partition(sync),
        "RowKey": entry.key,
        "version": entry.behind(stored[0] if stored else None).version,
        "number": str(entry.number),
        "part": entry.part,
        "row": entry.row_id or "",
        "tombstone": entry.tombstone,
        "at": at_of(entry) or "",
    }
    if stored is None:
        return tables.create(row)
    return tables.replace_at(row, stored[1]) if stored[0].gives_way_to(entry) else None


def _stored(row: Row, etag: str) -> _Stored:
    at = datetime.fromisoformat(row["at"]) if row["at"] else None
    entry = LedgerEntry(
        row["RowKey"], row["version"], int(row["number"]), row["part"], row["row"] or None, row["tombstone"], at
    )
    return entry, etag
