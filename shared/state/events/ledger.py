"""The ledger in SQLite."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from shared.state.database import Database
from shared.state.events.texts import at_of
from shared.values.events import LedgerEntry

TABLE = """
CREATE TABLE IF NOT EXISTS ledger (
  sync TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL,
  row_id TEXT, tombstone INTEGER NOT NULL, at TEXT, PRIMARY KEY (sync, key)
) STRICT, WITHOUT ROWID
"""

_ADVANCE = """
INSERT INTO ledger (sync, key, version, number, part, row_id, tombstone, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sync, key) DO UPDATE SET
  version = CASE WHEN excluded.version = '' THEN version ELSE excluded.version END,
  number = excluded.number, part = excluded.part,
  row_id = excluded.row_id, tombstone = excluded.tombstone, at = excluded.at
WHERE CASE
  WHEN version <> '' AND excluded.version <> '' AND version <> excluded.version THEN excluded.version > version
  ELSE (excluded.number, excluded.part) >= (number, part)
END
"""
_AT_A_TIME = 500


class LocalLedger:
    """The ledger of one state folder; safe for several threads and processes at once.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self, sync: str, keys: Collection[str]) -> Mapping[str, LedgerEntry]:
        """What is known of these records, by key."""
        found: dict[str, LedgerEntry] = {}
        for some in itertools.batched(dict.fromkeys(keys), _AT_A_TIME, strict=False):
            marks = ", ".join("?" * len(some))
            sql = (
                "SELECT key, version, number, part, row_id, tombstone, at FROM ledger "
                f"WHERE sync = ? AND key IN ({marks})"
            )
            for row in self._database.rows(sql, (sync, *some)):
                entry = _entry(row)
                found[entry.key] = entry
        return found

    def advance(self, sync: str, entries: Iterable[LedgerEntry]) -> None:
        """Note what was applied; an older entry changes nothing."""
        rows = [(sync, e.key, e.version, e.number, e.part, e.row_id, int(e.tombstone), at_of(e)) for e in entries]
        if rows:
            with self._database.writing() as connection:
                connection.executemany(_ADVANCE, rows)


def _entry(row: tuple[object, ...]) -> LedgerEntry:
    key, version, number, part, row_id, tombstone, at = row
    return LedgerEntry(
        str(key),
        str(version),
        _whole(number),
        _whole(part),
        str(row_id) if row_id is not None else None,
        bool(tombstone),
        datetime.fromisoformat(str(at)) if at is not None else None,
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
