"""Remembered calls, in SQLite."""

from __future__ import annotations

from datetime import datetime

from shared.state.database import Database
from shared.state.rows import from_microseconds, microseconds
from shared.values.calls import RememberedCall

TABLE = """
CREATE TABLE IF NOT EXISTS calls (
  key TEXT PRIMARY KEY, digest TEXT NOT NULL, job_id TEXT NOT NULL, at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
_READ = "SELECT digest, job_id, at_us FROM calls WHERE key = ?"
_ADD = "INSERT INTO calls (key, digest, job_id, at_us) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"


class LocalCalls:
    """The calls of one state folder; safe for several threads and processes at once.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing() as connection:
            connection.execute(TABLE)

    def remember(self, call: RememberedCall) -> RememberedCall:
        """Keep the call unless its key is known; gives what is kept under the key."""
        with self._database.writing() as connection:
            connection.execute(_ADD, (call.key, call.digest, call.job_id, microseconds(call.at)))
            digest, job_id, at = connection.execute(_READ, (call.key,)).fetchone()
        return RememberedCall(call.key, digest, job_id, from_microseconds(at))

    def forget(self, key: str) -> None:
        """Forget one call."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM calls WHERE key = ?", (key,))

    def forget_before(self, moment: datetime) -> None:
        """Forget the calls from before a time."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM calls WHERE at_us < ?", (microseconds(moment),))
