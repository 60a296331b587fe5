"""The durable store: messages, session states and seen ids in one SQLite file. Locks are not kept.

Changes are gathered and committed in one transaction before the answers of the same turn leave.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from local.servicebus.codec import CodecError
from local.servicebus.message import Message
from local.servicebus.queues.held import Held, State
from local.servicebus.queues.namespace import Namespace
from local.servicebus.queues.queue import Queue
from local.servicebus.refusals import DocumentError

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS message (
    queue TEXT NOT NULL, number INTEGER NOT NULL, state INTEGER NOT NULL, failures INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL, due_ms INTEGER, raw BLOB NOT NULL, PRIMARY KEY (queue, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbered (queue TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (
    queue TEXT NOT NULL, name TEXT NOT NULL, state BLOB NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    queue TEXT NOT NULL, message_id TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, message_id)) WITHOUT ROWID;
"""
_PUT = "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM message WHERE queue = ? AND number = ?"
_NUMBERED = "INSERT INTO numbered VALUES (?, ?) ON CONFLICT DO UPDATE SET last = max(last, excluded.last)"
_SESSION = "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?)"
_NO_SESSION = "DELETE FROM session WHERE queue = ? AND name = ?"
_SEEN = "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)"
_NOT_SEEN = "DELETE FROM seen WHERE queue = ? AND at_ms <= ?"

_Row = tuple[object, ...]


class Store:
    """A `Journal` in a file, used from one thread at a time.

    Raises:
        DocumentError: the file cannot be opened, is no such store, or another process uses it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes: list[tuple[str, _Row]] = []
        self._last: dict[str, int] = {}
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
        except sqlite3.Error as error:
            raise _unusable(path, error) from None
        try:
            self._open()
        except (sqlite3.Error, DocumentError) as error:
            self._db.close()
            raise (error if isinstance(error, DocumentError) else _unusable(path, error)) from None

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in {0, _VERSION}:
            raise DocumentError(f"{self._path}: version {version} of the store, where {_VERSION} is known")
        self._db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")

    def load(self, namespace: Namespace) -> None:
        """Fills the queues with what the file holds; what belongs to a queue that is gone stays in the file.

        Raises:
            DocumentError: a message in the file is damaged.
        """
        now = namespace.now_ms
        for queue in namespace:
            self._load(queue, now)

    def _load(self, queue: Queue, now_ms: int) -> None:
        columns = "number, state, failures, enqueued_ms, due_ms, raw"
        rows = self._db.execute(f"SELECT {columns} FROM message WHERE queue = ? ORDER BY number", (queue.name.lower(),))
        for number, state, failures, enqueued_ms, due_ms, raw in rows:
            try:
                held = Held(number, Message(raw), enqueued_ms)
            except CodecError as error:
                raise DocumentError(f"{self._path}: message {number} of {queue.name} is damaged: {error}") from None
            held.state, held.failures, held.due_ms = State(state), failures, due_ms
            queue.adopt(held, now_ms)
        for (last,) in self._db.execute("SELECT last FROM numbered WHERE queue = ?", (queue.name.lower(),)):
            queue.next_number = max(queue.next_number, last + 1)
        for name, state, at_ms in self._rows("SELECT name, state, at_ms FROM session WHERE queue = ?", queue):
            session = queue.sessions.named(str(name))
            session.state, session.state_at_ms = bytes(state), at_ms  # type: ignore[assignment,call-overload]
        queue.duplicates.load(dict(self._rows("SELECT message_id, at_ms FROM seen WHERE queue = ? ORDER BY 2", queue)))  # type: ignore[arg-type]

    def _rows(self, statement: str, queue: Queue) -> list[_Row]:
        return self._db.execute(statement, (queue.name.lower(),)).fetchall()

    # Journal

    def put(self, queue: str, held: Held) -> None:
        """See `Journal`."""
        name = queue.lower()
        self._last[name] = max(held.number, self._last.get(name, 0))
        row = (name, held.number, int(held.state), held.failures, held.enqueued_ms, held.due_ms, held.message.raw)
        self._changes.append((_PUT, row))

    def drop(self, queue: str, number: int) -> None:
        """See `Journal`."""
        self._changes.append((_DROP, (queue.lower(), number)))

    def session(self, queue: str, name: str, state: bytes | None, at_ms: int) -> None:
        """See `Journal`."""
        if state is None:
            self._changes.append((_NO_SESSION, (queue.lower(), name)))
        else:
            self._changes.append((_SESSION, (queue.lower(), name, state, at_ms)))

    def seen(self, queue: str, message_id: str, at_ms: int) -> None:
        """See `Journal`."""
        self._changes.append((_SEEN, (queue.lower(), message_id, at_ms)))

    def forget_seen(self, queue: str, until_ms: int) -> None:
        """See `Journal`."""
        self._changes.append((_NOT_SEEN, (queue.lower(), until_ms)))

    def commit(self) -> None:
        """Makes durable what was told since the last commit: all of it or nothing."""
        if not self._changes:
            return
        run: Callable[[str, _Row], object] = self._db.execute
        self._db.execute("BEGIN IMMEDIATE")
        for statement, row in self._changes:
            run(statement, row)
        for queue, last in self._last.items():
            run(_NUMBERED, (queue, last))
        self._db.execute("COMMIT")
        self._changes.clear()
        self._last.clear()

    def close(self) -> None:
        """Commits and gives the file free."""
        self.commit()
        self._db.close()


def _unusable(path: Path, error: sqlite3.Error) -> DocumentError:
    return DocumentError(
        f"{path}: cannot be used as the store of the local Service Bus ({error}); name another file, or end the "
        "process that uses it"
    )
