"""Changes of several threads wait for the disk once, and each stands or falls by itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import DynsyncError, NotFoundError, StateError
from shared.state.database import Database

Change = Callable[[sqlite3.Connection], None]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A store of its own."""
    return Database(tmp_path / "state.db", busy_timeout_s=5)


def asks(job: str) -> Change:
    """A change that leaves one row."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO cancels VALUES (?, 'anne')", (job,))

    return change


def asked(database: Database) -> list[str]:
    """The rows that are left."""
    return [str(job) for (job,) in database.rows("SELECT job_id FROM cancels ORDER BY job_id")]


def while_one_holds(database: Database, changes: list[Change]) -> tuple[list[str], list[DynsyncError | None]]:
    """Bring the changes from a thread each while the store is held; the statements that ran then, and the refusals."""
    seen: list[str] = []
    refusals: list[DynsyncError | None] = [None] * len(changes)

    def bring(place: int) -> None:
        try:
            database.together(changes[place])
        except DynsyncError as refusal:
            refusals[place] = refusal

    threads = [threading.Thread(target=bring, args=(place,)) for place in range(len(changes))]
    with database.writing() as connection:
        for thread in threads:
            thread.start()
        while len(database._waiting) < len(changes):
            threading.Event().wait(0.001)
        connection.set_trace_callback(seen.append)
    for thread in threads:
        thread.join()
    return seen, refusals


def test_waiting_changes_share_a_transaction(database: Database) -> None:
    """Five changes that wait are one transaction: one more than that of the thread which held the store."""
    seen, refusals = while_one_holds(database, [asks(f"job-{n}") for n in range(5)])
    assert asked(database) == [f"job-{n}" for n in range(5)]
    assert seen.count("COMMIT") == 2
    assert refusals == [None] * 5


def test_a_refusal_undoes_its_own_change_alone(database: Database) -> None:
    """What a refused change had written is gone; the others stay, and only its own thread is told."""

    def refused(connection: sqlite3.Connection) -> None:
        asks("refused")(connection)
        raise NotFoundError("there is no job")

    _, refusals = while_one_holds(database, [asks("before"), refused, asks("behind")])
    assert asked(database) == ["before", "behind"]
    assert [type(refusal) for refusal in refusals] == [type(None), NotFoundError, type(None)]


def test_an_interrupted_change_leaves_the_others_to_be_made(database: Database) -> None:
    """Ctrl-C in the thread that writes for all undoes the transaction; those that wait make theirs."""
    waits = threading.Thread(target=database.together, args=(asks("waited"),))

    def interrupted(connection: sqlite3.Connection) -> None:
        asks("interrupted")(connection)
        waits.start()
        while len(database._waiting) < 2:
            threading.Event().wait(0.001)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        database.together(interrupted)
    waits.join()
    assert asked(database) == ["waited"]


def test_a_failing_store_is_told_to_everyone(database: Database) -> None:
    """Nobody is told that a change is on the disk when it is not."""
    database.rows("PRAGMA query_only = ON")
    for job in ("one", "two"):
        with pytest.raises(StateError):
            database.together(asks(job))
    assert asked(database) == []


def test_a_folder_that_is_a_file_is_told_in_words(tmp_path: Path) -> None:
    """No number of the system's: what stands there, where, and which option names another folder."""
    (tmp_path / "file").touch()
    with pytest.raises(StateError) as caught:
        Database(tmp_path / "file" / "state.db", busy_timeout_s=5).rows("SELECT 1")
    assert "Errno" not in str(caught.value)
    assert str(tmp_path / "file") in str(caught.value)
    assert "--state" in str(caught.value)
