"""How far the job of each sync was the last time, in SQLite; and as text, for every store."""

from __future__ import annotations

import json
from datetime import datetime

from shared.errors import StateError
from shared.state.database import Database
from shared.state.rows import instant_to_text
from shared.values.jobs import Phase, Progress, ProgressNote

_TABLE = """
CREATE TABLE IF NOT EXISTS progress (sync TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID
"""
_READ = "SELECT body FROM progress WHERE sync = ?"
_WRITE = "INSERT INTO progress (sync, body) VALUES (?, ?) ON CONFLICT (sync) DO UPDATE SET body = excluded.body"


class LocalProgress:
    """The notes of one state folder; safe for several threads and processes at once.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        if not database.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'progress'"):
            with database.writing() as connection:
                connection.execute(_TABLE)

    def note(self, sync: str, note: ProgressNote) -> None:
        """Keep it in the place of the one before."""
        with self._database.writing() as connection:
            connection.execute(_WRITE, (sync, note_to_text(note)))

    def noted(self, sync: str) -> ProgressNote | None:
        """The last one; None where there is none."""
        rows = self._database.rows(_READ, (sync,))
        return note_from_text(str(rows[0][0])) if rows else None


def note_to_text(note: ProgressNote) -> str:
    """One note as a JSON object."""
    progress = note.progress
    told = {
        "job": note.job,
        "phase": progress.phase.value,
        "done": progress.done,
        "total": progress.total,
        "rejected": progress.rejected,
        "since": instant_to_text(note.since),
        "at": instant_to_text(note.at),
    }
    return json.dumps(told)


def note_from_text(text: str) -> ProgressNote:
    """The note that `note_to_text` wrote. Raises `StateError`."""
    try:
        told = json.loads(text)
        total = None if told["total"] is None else int(told["total"])
        progress = Progress(Phase(told["phase"]), int(told["done"]), total, int(told["rejected"]))
        since, at = (datetime.fromisoformat(told[name]) for name in ("since", "at"))
        return ProgressNote(str(told["job"]), progress, since, at)
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(
            f"a stored progress cannot be read by this version ({type(error).__name__}); the next job replaces it"
        ) from error
