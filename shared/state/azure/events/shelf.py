"""Shelves in Azure Tables: texts of a sync, each a row at its place."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.state.azure import tables
from shared.state.azure.blobs import Blobs
from shared.state.azure.keys import after as just_after
from shared.state.azure.keys import escaped
from shared.state.azure.tables import Rows
from shared.state.azure.texts import packed, unpacked
from shared.state.events.shelved import Place

_READERS = 16
_MOST_ROWS = 20
"""Rows of one transaction: texts of up to 600 KB each would pass its 4 MiB, so few go together."""
_MOST_BYTES = 3_000_000
_LAST = "~"


class AzureShelf:
    """One shelf in one storage account; safe for several threads, processes and machines at once.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows, blobs: Blobs, shelf: str) -> None:
        self._rows, self._blobs, self._shelf = rows, blobs, shelf
        self._long: dict[tuple[str, str], str] = {}
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix=f"dynsync-{shelf}")

    def put(self, rows: Sequence[tuple[str, Place, str]]) -> None:
        """Keep texts, each of a sync and at a place."""
        for partition, some in itertools.groupby(rows, key=lambda row: self._partition(row[0])):
            made = {_key(place): self._row(partition, place, text) for _, place, text in some}
            for few in _by_size(list(made.values())):
                self._rows.commit(partition, [tables.put(row) for row in few])

    def _row(self, partition: str, place: Place, text: str) -> dict[str, object]:
        folder = f"{self._shelf}-events"
        return {"PartitionKey": partition, "RowKey": _key(place), **packed(text, folder, self._blobs)}

    def first(self, sync: str, limit: int, after: Place | None) -> list[str]:
        """The first texts of a sync, by place."""
        first = just_after(_key(after) + "!") if after else "!"
        partition = self._partition(sync)
        rows = list(itertools.islice(self._rows.range(partition, first=first, last=_LAST, page=limit), limit))
        self._long |= {(partition, row["RowKey"]): row["blob"] for row in rows if "blob" in row}
        return [unpacked(row, self._blobs) for row in rows]

    def take(self, sync: str, places: Collection[Place]) -> None:
        """Take texts away."""
        partition = self._partition(sync)
        list(self._pool.map(lambda place: self._take_one(partition, _key(place)), dict.fromkeys(places)))

    def _take_one(self, partition: str, key: str) -> None:
        """The row, then the blob of its text where it is that long (known from having been read)."""
        self._rows.delete(partition, key)
        blob = self._long.pop((partition, key), None)
        if blob is not None:
            self._blobs.delete(blob)

    def keys(self, sync: str, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that have a text."""
        partition, wanted = self._partition(sync), list(dict.fromkeys(keys))
        if not wanted or next(self._rows.range(partition, first="!", last=_LAST, page=1), None) is None:
            return frozenset()
        found = self._pool.map(lambda key: self._has(partition, f"k{escaped(key)}!"), wanted)
        return frozenset(key for key, there in zip(wanted, found, strict=True) if there)

    def _has(self, partition: str, prefix: str) -> bool:
        rows = self._rows.range(partition, first=prefix, last=just_after(prefix), page=1)
        return next(rows, None) is not None

    def count(self, sync: str) -> int:
        """How many there are of a sync."""
        return sum(1 for _ in self._rows.range(self._partition(sync), first="!", last=_LAST))

    def _partition(self, sync: str) -> str:
        return f"{self._shelf}!{escaped(sync)}"


def _key(place: Place) -> str:
    key, number, part = place
    return f"k{escaped(key)}!{number:020}!{part:06}"


def _by_size(rows: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    """Runs of rows that fit into one transaction."""
    runs: list[list[dict[str, object]]] = []
    size = 0
    for row in rows:
        own = sum(len(value) for value in row.values() if isinstance(value, bytes | str))
        if not runs or len(runs[-1]) >= _MOST_ROWS or size + own > _MOST_BYTES:
            runs.append([])
            size = 0
        runs[-1].append(row)
        size += own
    return runs
