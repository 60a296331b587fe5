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
from shared.state.events.ruled import ruled
from shared.state.events.texts import at_of, claim_from_text, claim_of
from shared.values.events import LedgerEntry, Rule

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

    def change(self, sync: str, entries: Iterable[LedgerEntry], rule: Rule) -> frozenset[str]:
        """Store what the rule makes of each entry; the keys that it left alone."""
        left: frozenset[str] = frozenset()
        for some in itertools.batched(entries, MOST_OPERATIONS, strict=False):
            left |= self._change(sync, some, rule)
        return left

    def _change(self, sync: str, entries: Sequence[LedgerEntry], rule: Rule) -> frozenset[str]:
        keys = [entry.key for entry in entries]
        stored, fresh = self._remembered(sync, keys), False
        for _ in range(ATTEMPTS):
            known = {key: one[0] for key, one in stored.items() if one is not None}
            made, left = ruled(entries, known, rule)
            if len(made) < len(stored) and not fresh:  # of a row that is not written nobody finds out that it moved
                stored, fresh = self._read(sync, keys), True
                continue
            operations = [_operation(sync, entry, stored[entry.key]) for entry in made]
            try:
                etags = self._rows.commit(_partition(sync), operations) if operations else []
            except MovedRowError:
                stored, fresh = self._read(sync, keys), True
                continue
            self._remember(sync, {one.key: (one, etag) for one, etag in zip(made, etags, strict=True)})
            return left
        raise StateError(f"the ledger of sync {sync!r} is being changed by others all the time; try again")

    def _read(self, sync: str, keys: Collection[str]) -> dict[str, _Stored | None]:
        partition, wanted = _partition(sync), list(dict.fromkeys(keys))
        found = self._pool.map(lambda key: self._rows.get(partition, key), wanted)
        stored = {key: _stored(*row) if row else None for key, row in zip(wanted, found, strict=True)}
        self._remember(sync, stored)
        return stored

    def _remember(self, sync: str, stored: Mapping[str, _Stored | None]) -> None:
        with self._lock:
            if len(self._seen) > _REMEMBERED:
                self._seen.clear()
            self._seen |= {(sync, key): value for key, value in stored.items()}

    def _remembered(self, sync: str, keys: Collection[str]) -> dict[str, _Stored | None]:
        """The rows as they were read last; a row that moved since is found out when it is written."""
        with self._lock:
            known = {key: self._seen[sync, key] for key in keys if (sync, key) in self._seen}
        return known | self._read(sync, [key for key in keys if key not in known])


def _partition(sync: str) -> str:
    return f"ledger!{escaped(sync)}"


def _operation(sync: str, entry: LedgerEntry, stored: _Stored | None) -> Operation:
    """What writes the entry in the place of what is stored."""
    row: Row = {
        "PartitionKey": _partition(sync),
        "RowKey": entry.key,
        "version": entry.version,
        "number": str(entry.number),
        "part": entry.part,
        "row": entry.row_id or "",
        "tombstone": entry.tombstone,
        "at": at_of(entry) or "",
        "claim": claim_of(entry) or "",
    }
    return tables.create(row) if stored is None else tables.replace_at(row, stored[1])


def _stored(row: Row, etag: str) -> _Stored:
    at = datetime.fromisoformat(row["at"]) if row["at"] else None
    entry = LedgerEntry(
        row["RowKey"],
        row["version"],
        int(row["number"]),
        row["part"],
        row["row"] or None,
        row["tombstone"],
        at,
        claim_from_text(row.get("claim")),
    )
    return entry, etag
