"""Shelves in SQLite: texts of a sync, each at its place."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence

from shared.state.database import Database
from shared.state.events.shelved import Place

TABLE = """
CREATE TABLE IF NOT EXISTS event_shelves (
  shelf TEXT NOT NULL, sync TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL,
  body TEXT NOT NULL, PRIMARY KEY (shelf, sync, key, number, part)
) STRICT, WITHOUT ROWID
"""
_PUT = """
INSERT INTO event_shelves (shelf, sync, key, number, part, body) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (shelf, sync, key, number, part) DO UPDATE SET body = excluded.body
"""
_TAKE = "DELETE FROM event_shelves WHERE shelf = ? AND sync = ? AND key = ? AND number = ? AND part = ?"
_FIRST = """
SELECT body FROM event_shelves WHERE shelf = ? AND sync = ? AND (key, number, part) > (?, ?, ?)
ORDER BY key, number, part LIMIT ?
"""
_FIRST_PLACE = ("", -1, -1)
_AT_A_TIME = 500


class LocalShelf:
    """One shelf of one state folder; safe for several threads and processes at once.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database, shelf: str) -> None:
        self._database, self._shelf = database, shelf

    def put(self, rows: Sequence[tuple[str, Place, str]]) -> None:
        """Keep texts, each of a sync and at a place."""
        if rows:
            with self._database.writing() as connection:
                connection.executemany(_PUT, [(self._shelf, sync, *place, text) for sync, place, text in rows])

    def first(self, sync: str, limit: int, after: Place | None) -> list[str]:
        """The first texts of a sync, by place."""
        found = self._database.rows(_FIRST, (self._shelf, sync, *(after or _FIRST_PLACE), limit))
        return [str(body) for (body,) in found]

    def take(self, sync: str, places: Iterable[Place]) -> None:
        """Take texts away."""
        rows = [(self._shelf, sync, *place) for place in places]
        if rows:
            with self._database.writing() as connection:
                connection.executemany(_TAKE, rows)

    def keys(self, sync: str, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys that have a text."""
        found: set[str] = set()
        for some in itertools.batched(dict.fromkeys(keys), _AT_A_TIME, strict=False):
            marks = ", ".join("?" * len(some))
            sql = f"SELECT DISTINCT key FROM event_shelves WHERE shelf = ? AND sync = ? AND key IN ({marks})"
            found |= {str(key) for (key,) in self._database.rows(sql, (self._shelf, sync, *some))}
        return frozenset(found)

    def count(self, sync: str) -> int:
        """How many there are of a sync."""
        sql = "SELECT count(*) FROM event_shelves WHERE shelf = ? AND sync = ?"
        ((number,),) = self._database.rows(sql, (self._shelf, sync))
        return number if isinstance(number, int) else 0
