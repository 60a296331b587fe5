"""How far every schedule was followed, in SQLite; and as text, for every store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from shared.errors import StateError
from shared.state.database import Database
from shared.state.rows import instant_to_text
from shared.values.schedules import Mark

_TABLE = """
CREATE TABLE IF NOT EXISTS schedules (sync TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID
"""
_READ = "SELECT body FROM schedules WHERE sync = ?"
_WRITE = "INSERT INTO schedules (sync, body) VALUES (?, ?) ON CONFLICT (sync) DO UPDATE SET body = excluded.body"


class LocalSchedules:
    """The marks of one state folder; safe for several threads and processes at once.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        if not database.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'schedules'"):
            with database.writing() as connection:
                connection.execute(_TABLE)

    def mark(self, sync: str) -> Mark | None:
        """How far the sync's schedule was followed; None before it was first looked at."""
        rows = self._database.rows(_READ, (sync,))
        return mark_from_text(str(rows[0][0])) if rows else None

    def change(self, sync: str, change: Callable[[Mark | None], Mark]) -> Mark:
        """Change the mark that stands there now; gives what stands there afterwards."""
        with self._database.writing() as connection:
            found = connection.execute(_READ, (sync,)).fetchone()
            mark = change(mark_from_text(str(found[0])) if found else None)
            connection.execute(_WRITE, (sync, mark_to_text(mark)))
        return mark


def mark_to_text(mark: Mark) -> str:
    """One mark as a JSON object."""
    told = {"cron": mark.cron, "time_zone": mark.time_zone, "dealt_with": instant_to_text(mark.dealt_with)}
    return json.dumps(told)


def mark_from_text(text: str) -> Mark:
    """The mark that `mark_to_text` wrote. Raises `StateError`."""
    try:
        told = json.loads(text)
        return Mark(str(told["cron"]), str(told["time_zone"]), datetime.fromisoformat(told["dealt_with"]))
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(
            f"a stored schedule cannot be read by this version ({type(error).__name__}); use the version that wrote it"
        ) from error
