"""The ledger in SQLite."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from shared.state.database import Database
from shared.state.events.ruled import ruled
from shared.state.events.texts import at_of, claim_from_text, claim_of
from shared.values.events import LedgerEntry, Rule

TABLE = """
CREATE TABLE IF NOT EXISTS ledger (
  sync TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL,
  row_id TEXT, tombstone INTEGER NOT NULL, at TEXT, claim TEXT, PRIMARY KEY (sync, key)
) STRICT, WITHOUT ROWID
"""
COLUMNS = "SELECT name FROM pragma_table_info('ledger')"
ADDED = {"claim": "ALTER TABLE ledger ADD COLUMN claim TEXT"}
"""Columns that came later, by name."""

_PUT = """
INSERT OR REPLACE INTO ledger (sync, key, version, number, part, row_id, tombstone, at, claim)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_GET = """
SELECT key, version, number, part, row_id, tombstone, at, claim FROM ledger WHERE sync = ? AND key IN ({marks})
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
        return {
            entry.key: entry for query in _queries(sync, keys) for entry in map(_entry, self._database.rows(*query))
        }

    def change(self, sync: str, entries: Iterable[LedgerEntry], rule: Rule) -> frozenset[str]:
        """Store what the rule makes of each entry, in one transaction; the keys that it left alone."""
        told = list(entries)
        if not told:
            return frozenset()
        with self._database.writing() as connection:
            made, left = ruled(told, _stored(connection, sync, [entry.key for entry in told]), rule)
            connection.executemany(_PUT, [_row(sync, entry) for entry in made])
        return left


def _queries(sync: str, keys: Collection[str]) -> Iterator[tuple[str, tuple[object, ...]]]:
    for some in itertools.batched(dict.fromkeys(keys), _AT_A_TIME, strict=False):
        yield _GET.format(marks=", ".join("?" * len(some))), (sync, *some)


def _stored(connection: sqlite3.Connection, sync: str, keys: Collection[str]) -> dict[str, LedgerEntry]:
    return {e.key: e for query in _queries(sync, keys) for e in map(_entry, connection.execute(*query).fetchall())}


def _row(sync: str, e: LedgerEntry) -> tuple[object, ...]:
    return (sync, e.key, e.version, e.number, e.part, e.row_id, int(e.tombstone), at_of(e), claim_of(e))


def _entry(row: tuple[object, ...]) -> LedgerEntry:
    key, version, number, part, row_id, tombstone, at, claim = row
    return LedgerEntry(
        str(key),
        str(version),
        _whole(number),
        _whole(part),
        str(row_id) if row_id is not None else None,
        bool(tombstone),
        datetime.fromisoformat(str(at)) if at is not None else None,
        claim_from_text(str(claim)) if claim is not None else None,
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
