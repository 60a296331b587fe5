"""What is wanted of each listener and what it has done, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from shared.state.database import Database
from shared.state.events.texts import pulse_from_text, pulse_to_text, summed, wish_from_text, wish_to_text
from shared.values.events import Pulse, Wish

TABLE = """
CREATE TABLE IF NOT EXISTS listeners (
  sync TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (sync, kind)
) STRICT, WITHOUT ROWID
"""
_READ = "SELECT body FROM listeners WHERE sync = ? AND kind = ?"
_WRITE = """
INSERT INTO listeners (sync, kind, body) VALUES (?, ?, ?)
ON CONFLICT (sync, kind) DO UPDATE SET body = excluded.body
"""


class LocalListeners:
    """The listeners of one state folder; safe for several threads and processes at once.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def wish(self, sync: str) -> Wish:
        """What is wanted; the default where nobody has said anything."""
        rows = self._database.rows(_READ, (sync, "wish"))
        return wish_from_text(str(rows[0][0])) if rows else Wish()

    def change(self, sync: str, change: Callable[[Wish], Wish]) -> Wish:
        """Change what is wanted, of what stands there now; gives what stands there afterwards."""
        with self._database.writing() as connection:
            found = _one(connection, sync, "wish")
            wish = change(wish_from_text(found) if found else Wish())
            connection.execute(_WRITE, (sync, "wish", wish_to_text(wish)))
        return wish

    def pulse(self, sync: str) -> Pulse:
        """What was done so far."""
        rows = self._database.rows(_READ, (sync, "pulse"))
        return pulse_from_text(str(rows[0][0])) if rows else Pulse()

    def beat(self, sync: str, pulse: Pulse) -> None:
        """Add what was done since the last time."""
        with self._database.writing() as connection:
            found = _one(connection, sync, "pulse")
            new = summed(pulse_from_text(found), pulse) if found else pulse
            connection.execute(_WRITE, (sync, "pulse", pulse_to_text(new)))


def _one(connection: sqlite3.Connection, sync: str, kind: str) -> str | None:
    row = connection.execute(_READ, (sync, kind)).fetchone()
    return str(row[0]) if row else None
