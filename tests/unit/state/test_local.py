"""What is particular to the local store: its file, its versions, its disks."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from shared.errors import AlreadyRunningError, StateError
from shared.state import artifacts
from shared.state.local import LocalState, leasing
from shared.values.changes import ChunkOutcome
from shared.values.jobs import Job, JobState

JOB = Job("job-1", "accounts", JobState.QUEUED, "nia", datetime(2025, 3, 1, tzinfo=UTC))


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "state.db", isolation_level=None)) as connection:
        connection.execute(sql)


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    """Rubbish in place of the database stops at once, with what to do, and is not touched."""
    (tmp_path / "state.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(StateError, match="no SQLite database: move it away"):
        LocalState(tmp_path)
    assert (tmp_path / "state.db").read_bytes() == b"rubbish" * 1000


def test_a_damaged_database_is_said(tmp_path: Path) -> None:
    """A page that was overwritten is found when it is read."""
    state = LocalState(tmp_path)
    state.save(JOB)
    for number in range(200):
        state.mark_sent("job-1", ChunkOutcome(number, 0, 1, answered=False))
    state.close()
    path = tmp_path / "state.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StateError, match="damaged: restore a copy"):
        LocalState(tmp_path).chunks("job-1")


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A database that is not ours is not written to."""
    change(tmp_path, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StateError, match="not a job store"):
        LocalState(tmp_path)


def test_another_versions_database_is_refused(tmp_path: Path) -> None:
    """A newer layout is not guessed at."""
    LocalState(tmp_path).close()
    change(tmp_path, "PRAGMA user_version = 99")
    with pytest.raises(StateError, match="its layout is 99, this version reads 2"):
        LocalState(tmp_path)


def test_a_job_of_another_version_is_refused(tmp_path: Path) -> None:
    """A stored job with a member that is not known is not half read."""
    state = LocalState(tmp_path)
    state.save(JOB)
    change(tmp_path, """UPDATE jobs SET body = json_set(body, '$.mood', 'good')""")
    with pytest.raises(StateError, match="mood"):
        state.get("job-1")


def test_a_locked_database_is_said(tmp_path: Path) -> None:
    """Another program that holds the write lock is waited for, then named as the reason."""
    state = LocalState(tmp_path, busy_timeout_s=0.01)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another program holds it"):
            state.save(JOB)
        other.execute("ROLLBACK")
    state.save(JOB)
    assert state.get("job-1") == JOB


def test_the_folder_is_its_users_own(tmp_path: Path) -> None:
    """Plans and rejects hold field values: nobody else may look in."""
    LocalState(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file in the folder's place is an error of the store."""
    (tmp_path / "state").write_text("in the way", encoding="utf-8")
    with pytest.raises(StateError, match="check its rights"):
        LocalState(tmp_path / "state")


def test_commits_reach_the_disk(tmp_path: Path) -> None:
    """The write-ahead log with full synchronisation: a noted chunk survives the loss of power."""
    state = LocalState(tmp_path)
    assert state._database.rows("PRAGMA journal_mode") == [("wal",)]
    assert state._database.rows("PRAGMA synchronous") == [(2,)]


def test_ten_thousand_chunks_are_read_in_one_statement(tmp_path: Path) -> None:
    """A job of ten thousand chunks resumes from one read by number, along the primary key."""
    state = LocalState(tmp_path)
    with state._database.writing() as connection:
        connection.execute(
            "WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM n WHERE value < 9999) "
            "INSERT INTO chunks SELECT 'job-1', value, value * 10, value * 10 + 9, 1, '[]' FROM n"
        )
    chunks = state.chunks("job-1")
    assert [chunk.chunk for chunk in chunks] == list(range(10_000))
    plan = state._database.rows("EXPLAIN QUERY PLAN SELECT chunk FROM chunks WHERE job_id = 'x' ORDER BY chunk")
    assert len(plan) == 1, "one search along the key, no sorting"


def test_nothing_is_left_beside_the_database(tmp_path: Path) -> None:
    """The file is built under another name, of which nothing stays."""
    LocalState(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]


def test_a_file_from_another_disk_is_copied_in_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across disks there is no rename: the copy is made beside the target, and a failure leaves both files."""
    state = LocalState(tmp_path / "state")
    state.save(JOB)
    monkeypatch.setattr(artifacts, "_same_disk", lambda *_: False)
    made = tmp_path / "made"
    made.write_text("plan", encoding="utf-8")
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(StateError, match="gone"):
            state.put("job-1", "plan", made)
    assert made.exists()
    assert list((tmp_path / "state" / "jobs" / "job-1").iterdir()) == []
    state.put("job-1", "plan", made)
    assert not made.exists()
    assert state.path("job-1", "plan").read_text(encoding="utf-8") == "plan"


def test_a_kill_before_the_rename_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole or not at all: the old file is still read, and nothing half is listed."""
    kept = LocalState(tmp_path / "state")
    kept.save(JOB)
    made = tmp_path / "made"
    made.write_text("old", encoding="utf-8")
    kept.put("job-1", "plan", made)

    def fail(*_: object) -> None:
        raise OSError("the machine went down")

    monkeypatch.setattr(os, "replace", fail)
    made.write_text("new", encoding="utf-8")
    with pytest.raises(StateError, match="went down"):
        kept.put("job-1", "plan", made)
    assert kept.path("job-1", "plan").read_text(encoding="utf-8") == "old"
    assert kept.names("job-1") == ["plan"]
    assert made.exists()


HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from shared.state.local import LocalState
state = LocalState(Path(sys.argv[1]))
state.acquire("accounts", "job-1", now=datetime(2025, 3, 1, tzinfo=UTC), seconds=60)
print("held", flush=True)
sys.stdin.readline()
"""


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    """While its process lives nobody gets it, afterwards the next start does, at the same instant and at ease."""
    now = datetime(2025, 3, 1, tzinfo=UTC)
    state = LocalState(tmp_path)
    with Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=PIPE, stdout=PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError):
            state.acquire("accounts", "job-2", now=now, seconds=60)
        holder.kill()
    lease = state.acquire("accounts", "job-2", now=now, seconds=60)
    assert (lease.epoch, lease.uneasy) == (2, False)
    with pytest.raises(AlreadyRunningError):
        LocalState(tmp_path).acquire("accounts", "job-3", now=now, seconds=60)


def test_a_lease_of_another_machine_ends_by_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A free lock proves nothing about a process that cannot have taken it here."""
    now = datetime(2025, 3, 1, tzinfo=UTC)
    state = LocalState(tmp_path)
    monkeypatch.setattr(leasing, "machine", lambda: "elsewhere")
    state.acquire("accounts", "job-1", now=now, seconds=60)
    state._claims.release("accounts")
    with pytest.raises(AlreadyRunningError):
        state.acquire("accounts", "job-2", now=now, seconds=60)
    assert state.acquire("accounts", "job-2", now=now + timedelta(seconds=60), seconds=60).uneasy
