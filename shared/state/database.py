"""The SQLite file behind the local store: opening, schema, one lock, and errors in words."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import DynsyncError, StateError

APPLICATION_ID = 0x44594E53
"""Marks the file as ours ("DYNS" in its header)."""

VERSION = 2
"""2: leases know their length and whether they were given back; jobs can be asked to stop."""

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE jobs (
  id TEXT PRIMARY KEY, sync TEXT NOT NULL, state TEXT NOT NULL, created_us INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_age ON jobs (created_us);
CREATE INDEX jobs_by_sync ON jobs (sync, created_us);
CREATE TABLE leases (
  sync TEXT PRIMARY KEY, job_id TEXT, holder TEXT, epoch INTEGER NOT NULL, until_us INTEGER NOT NULL,
  length_us INTEGER NOT NULL DEFAULT 0, uneasy INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE cancels (job_id TEXT PRIMARY KEY, asked_by TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE chunks (
  job_id TEXT NOT NULL, chunk INTEGER NOT NULL, first_change INTEGER NOT NULL, last_change INTEGER NOT NULL,
  answered INTEGER NOT NULL, exceptions TEXT NOT NULL, PRIMARY KEY (job_id, chunk)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""

_ADDED = """
CREATE TABLE IF NOT EXISTS files_read (
  sync TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, job_id TEXT NOT NULL,
  PRIMARY KEY (sync, name, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS read_up_to (
  sync TEXT PRIMARY KEY, column_name TEXT NOT NULL, value TEXT NOT NULL, choice TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
"""What came later and an older version does not miss; added to a store when it is opened."""

_FROM_1_TO_2 = """
ALTER TABLE leases ADD COLUMN length_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN uneasy INTEGER NOT NULL DEFAULT 0;
CREATE TABLE cancels (job_id TEXT PRIMARY KEY, asked_by TEXT NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
"""

_REMEDIES = {
    sqlite3.SQLITE_NOTADB: "it is no SQLite database: move it away and start again, or restore a copy",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore a copy, or move it away and start again",
    sqlite3.SQLITE_BUSY: "another program holds it: wait for that one to end, then try again",
    sqlite3.SQLITE_LOCKED: "another program holds it: wait for that one to end, then try again",
    sqlite3.SQLITE_READONLY: "it cannot be written: give this user the right to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check that the folder may be read and written by this user",
    sqlite3.SQLITE_FULL: "the disk is full: make room, then try again",
}


@dataclass(slots=True, eq=False)
class _Write:
    """A change that waits for its turn. `done`: it is on the disk, or refused."""

    change: Callable[[sqlite3.Connection], None]
    refusal: DynsyncError | None = None
    done: bool = False

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Make the change; a refusal undoes it and nothing else."""
        connection.execute("SAVEPOINT change")
        try:
            self.change(connection)
            self.refusal = None
        except DynsyncError as refusal:
            connection.execute("ROLLBACK TO change")
            self.refusal = refusal
        connection.execute("RELEASE change")


class Database:
    """One SQLite file, one connection, one lock. Threads take turns; processes meet in SQLite's own locks.

    Write-ahead log with `synchronous=FULL`: what was committed survives the loss of power.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._waiting: list[_Write] = []
        with self._worded():
            self._connection = self._open(busy_timeout_s)
        self._closer = weakref.finalize(self, self._connection.close)

    def close(self) -> None:
        """Close the file; done by itself when the object is no longer used."""
        with self._lock:
            self._closer()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start: committed at the end, undone by an error."""
        with self._lock, self._worded():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def together(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Make a small change in one transaction with those of other threads that wait to: the disk is waited for once.

        Each is undone by its own refusal alone. Raises what `change` raises, and `StateError`.
        """
        mine = _Write(change)
        self._waiting.append(mine)
        try:
            with self._lock:
                if not mine.done:
                    self._write(list(self._waiting))
        finally:
            self._waiting.remove(mine)
        if mine.refusal is not None:
            raise mine.refusal

    def _write(self, waiting: list[_Write]) -> None:
        with self.writing() as connection:
            for one in waiting:
                one.attempt(connection)
        for one in waiting:
            one.done = True

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """All rows of one reading statement."""
        with self._lock, self._worded(), closing(self._connection.execute(sql, parameters)) as cursor:
            return cursor.fetchall()

    def _open(self, busy_timeout_s: float) -> sqlite3.Connection:
        create(self._path)
        connection = sqlite3.connect(
            self._path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            self._refuse_foreign(connection)
            _bring_up_to_date(connection)
            connection.executescript(_ADDED)
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise StateError(f"{self._path} is not a job store of Dynamics Sync; choose another state folder")
        if version not in (1, VERSION):
            raise StateError(
                f"{self._path} was written by another version of Dynamics Sync (its layout is {version}, this version "
                f"reads {VERSION}); use that version, or choose another state folder"
            )

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            remedy = _REMEDIES.get(code, "check the disk and the file, then try again")
            raise StateError(f"the job store {self._path} failed ({error}); {remedy}") from error
        except OSError as error:
            found = f"{error.strerror}: {error.filename}" if error.filename else error.strerror or str(error)
            raise StateError(
                f"the job store {self._path} cannot be used ({found}); name a folder of your own with --state, or "
                "check its rights"
            ) from error


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """A store of layout 1 gets the tables and columns of layout 2; of several that open it, one does so."""
    if connection.execute("PRAGMA user_version").fetchone() == (VERSION,):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone() == (1,):
            for statement in _FROM_1_TO_2.split(";"):
                connection.execute(statement)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def create(path: Path) -> None:
    """Create the database unless it is there. It appears whole: built under another name, then linked into place."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # plans and rejects hold field values
    made = path.with_name(f".{path.name}.{threading.get_native_id()}.new")
    made.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(made, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        made.chmod(0o600)
        _place(made, path)
    finally:
        made.unlink(missing_ok=True)


def _place(made: Path, path: Path) -> None:
    """Give the file its name unless another was faster, whose file then stays."""
    try:
        path.hardlink_to(made)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links: the rename is whole too, only a race would be decided late
        if not path.exists():
            made.rename(path)
