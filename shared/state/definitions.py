"""Definitions edited in the app, in SQLite; and what every store of them says and refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import cast

from shared.errors import NotFoundError, RefuseError, StaleDefinitionError, StateError
from shared.ports.definitions import KEPT_REVISIONS
from shared.state.database import Database
from shared.state.rows import instant_to_text
from shared.values.revisions import LONGEST_NOTE, Revision

_TABLES = (
    "CREATE TABLE IF NOT EXISTS definitions (sync TEXT PRIMARY KEY, newest TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE IF NOT EXISTS definition_revisions (
      sync TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, text BLOB NOT NULL, PRIMARY KEY (sync, number)
    ) STRICT
    """,
)
_ALL_NEWEST = "SELECT newest FROM definitions"
_NEWEST = "SELECT newest FROM definitions WHERE sync = ?"
_SAVE_NEWEST = """
INSERT INTO definitions (sync, newest) VALUES (?, ?) ON CONFLICT (sync) DO UPDATE SET newest = excluded.newest
"""
_ADD = "INSERT INTO definition_revisions (sync, number, body, text) VALUES (?, ?, ?, ?)"
_FORGET = "DELETE FROM definition_revisions WHERE sync = ? AND number <= ?"
_TEXT = "SELECT text FROM definition_revisions WHERE sync = ? AND number = ?"
_LIST = "SELECT body FROM definition_revisions WHERE sync = ? AND number < ? ORDER BY number DESC LIMIT ?"

LAST_NUMBER = 10**12 - 1
"""No sync comes to a revision of this number; a greater one that is asked for is taken as this one."""


class LocalDefinitions:
    """The definitions of one state folder; safe for several threads and processes at once. `kept` of each sync.

    Raises:
        StateError: from every method, when the database cannot be read or written.
    """

    def __init__(self, database: Database, *, kept: int = KEPT_REVISIONS) -> None:
        self._database, self._kept = database, kept
        if not database.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'definition_revisions'"):
            with database.writing() as connection:
                for table in _TABLES:
                    connection.execute(table)

    def newest(self) -> Mapping[str, Revision]:
        """The newest revision of every sync that has one, by name: one query, of small rows."""
        found = (revision_from_text(str(body)) for (body,) in self._database.rows(_ALL_NEWEST))
        return {revision.sync: revision for revision in found}

    def add(self, revision: Revision, text: str) -> None:
        """Keep a revision with its text, and forget the oldest. Raises `StaleDefinitionError`, `RefuseError`."""
        refuse_long_note(revision)
        body, content = revision_to_text(revision), text.encode("utf-8", "surrogatepass")
        with self._database.writing() as connection:
            found = connection.execute(_NEWEST, (revision.sync,)).fetchone()
            refuse_stale(revision, revision_from_text(found[0]) if found else None)
            connection.execute(_ADD, (revision.sync, revision.number, body, content))
            connection.execute(_SAVE_NEWEST, (revision.sync, body))
            connection.execute(_FORGET, (revision.sync, revision.number - self._kept))

    def text(self, sync: str, number: int) -> str:
        """The text kept with a revision. Raises `NotFoundError`."""
        rows = self._database.rows(_TEXT, (sync, within_numbers(number)))
        if not rows:
            raise no_revision(sync, number, self.list(sync, limit=self._kept))
        return cast("bytes", rows[0][0]).decode("utf-8", "surrogatepass")

    def list(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """The newest first; below a number when it is given."""
        below = within_numbers(LAST_NUMBER if before is None else before)
        rows = self._database.rows(_LIST, (sync, below, max(0, limit)))
        return [revision_from_text(str(body)) for (body,) in rows]


def refuse_stale(revision: Revision, newest: Revision | None) -> None:
    """Refuse a revision that is not the next one after `newest`. Raises `StaleDefinitionError`."""
    if revision.number == (newest.number if newest else 0) + 1:
        return
    there = f"is {newest.number}, by {newest.by} at {_moment(newest.at)}" if newest else "is none"
    raise StaleDefinitionError(
        f"the newest revision of sync {revision.sync!r} {there}, and this change was made from "
        f"{f'revision {revision.number - 1}' if revision.number > 1 else 'none'}",
        remedy="look at it, then save again",
    )


def refuse_long_note(revision: Revision) -> None:
    """Refuse a note that is too long to be kept. Raises `RefuseError`."""
    if len(revision.note) > LONGEST_NOTE:
        raise RefuseError(
            f"the note has {len(revision.note):,} characters, and at most {LONGEST_NOTE:,} are kept with a revision",
            remedy="shorten it",
        )


def no_revision(sync: str, number: int, kept: list[Revision]) -> NotFoundError:
    """The error that says which revisions there are."""
    there = f"{kept[-1].number} to {kept[0].number} are kept" if kept else "its definition was never edited in the app"
    return NotFoundError(f"sync {sync!r} has no revision {number}; {there}")


def within_numbers(number: int) -> int:
    """The number, or the nearest that every store can ask for: 0 to `LAST_NUMBER`."""
    return max(0, min(number, LAST_NUMBER))


def revision_to_text(revision: Revision) -> str:
    """One revision as a JSON object. ASCII, so that every text survives, whatever it holds."""
    return json.dumps(asdict(revision) | {"at": instant_to_text(revision.at)})


def revision_from_text(text: str) -> Revision:
    """The revision that `revision_to_text` wrote. Raises `StateError`."""
    try:
        told = json.loads(text)
        return Revision(**{**told, "at": datetime.fromisoformat(told["at"])})
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(
            f"a stored revision of a definition cannot be read by this version ({type(error).__name__}); use the "
            "version that wrote it"
        ) from error


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
