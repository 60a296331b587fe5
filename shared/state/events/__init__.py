"""The memory of real time in the local store: the ledger, what waits, what was set aside, and the listeners."""

from __future__ import annotations

from pathlib import Path

from shared.state.database import Database
from shared.state.events import ledger, listeners, shelf
from shared.state.events.ledger import LocalLedger
from shared.state.events.listeners import LocalListeners
from shared.state.events.shelf import LocalShelf
from shared.state.events.shelved import PARKED, REJECTED, ShelvedPark, ShelvedRejects

__all__ = [
    "PARKED",
    "REJECTED",
    "LocalLedger",
    "LocalListeners",
    "LocalShelf",
    "ShelvedPark",
    "ShelvedRejects",
    "open_database",
]

_TABLES = {"ledger": ledger.TABLE, "event_shelves": shelf.TABLE, "listeners": listeners.TABLE}


def open_database(folder: Path, *, busy_timeout_s: float = 30.0) -> Database:
    """The database of a state folder, with the tables of real time.

    Raises:
        StateError: it cannot be read or written.
    """
    database = Database(folder / "state.db", busy_timeout_s=busy_timeout_s)
    found = {str(name) for (name,) in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not _TABLES.keys() <= found:
        with database.writing() as connection:
            for statement in _TABLES.values():
                connection.execute(statement)
    _add_columns(database)
    return database


def _add_columns(database: Database) -> None:
    """What an older version did not have, once."""
    if ledger.ADDED.keys() <= {name for (name,) in database.rows(ledger.COLUMNS)}:
        return
    with database.writing() as connection:
        there = {name for (name,) in connection.execute(ledger.COLUMNS).fetchall()}
        for name, statement in ledger.ADDED.items():
            if name not in there:
                connection.execute(statement)
