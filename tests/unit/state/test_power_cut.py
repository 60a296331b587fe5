"""The local store when the power goes, the process is killed, or the disk is full."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from shared.errors import DynsyncError, StateError
from shared.state import LocalState, artifacts
from shared.state.definitions import LocalDefinitions
from shared.values.changes import ChunkOutcome
from shared.values.jobs import Job, JobState
from shared.values.revisions import Revision

SEED = int(os.environ.get("POWER_CUT_SEED", "0")) or random.randrange(1, 10**6)
"""Printed when a test fails; set it to repeat the same instants."""
NOW = datetime(2025, 3, 1, tzinfo=UTC)
JOB = Job("job-1", "accounts", JobState.QUEUED, "nia", NOW)


def contents(state: LocalState) -> object:
    """All that the database holds, as the product reads it."""
    jobs, definitions = state.list(), LocalDefinitions(state._database, kept=1)
    revisions = definitions.list("accounts")
    return (
        jobs,
        {job.id: (state.chunks(job.id), state.cancel_asked(job.id)) for job in jobs},
        state._database.rows("SELECT * FROM leases"),
        (definitions.newest(), revisions, [definitions.text("accounts", one.number) for one in revisions]),
    )


def writes(state: LocalState) -> Iterator[Callable[[], object]]:
    """The writes of a job's life, and of its sync's definition, one by one."""
    yield lambda: state.save(JOB)
    lease = None

    def take() -> None:
        nonlocal lease
        lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)

    yield take
    assert lease is not None
    bound = state.under(lease)
    yield lambda: bound.save(replace(JOB, state=JobState.RUNNING, notes=("x" * 9000,)))
    for number in range(4):
        yield lambda number=number: bound.mark_sent("job-1", ChunkOutcome(number, 0, 9, answered=False))
        yield lambda number=number: bound.record("job-1", ChunkOutcome(number, 0, 9, answered=True))
    yield lambda: state.ask_to_cancel("job-1", "nia")
    yield lambda: state.renew(lease, now=NOW, seconds=90)
    yield lambda: bound.save(replace(JOB, state=JobState.CANCELLED))
    yield lambda: state.release(lease)
    definitions = LocalDefinitions(state._database, kept=1)
    for number in (1, 2):
        yield lambda number=number: definitions.add(Revision("accounts", number, "nia", NOW), f"{number}" * 9000)


def test_power_cut_between_and_within_any_two_writes(tmp_path: Path) -> None:
    """Of the log, whatever part reached the disk: the store opens and holds exactly the writes that are whole in it."""
    state = LocalState(tmp_path / "live")
    log, base = tmp_path / "live" / "state.db-wal", tmp_path / "live" / "state.db"
    stages: list[tuple[int, object]] = [(0, contents(state))]
    for write in writes(state):
        write()
        stages.append((log.stat().st_size, contents(state)))
    whole = log.read_bytes()
    assert len(stages) == 18
    assert stages[-1][0] == len(whole) > stages[0][0], "nothing was moved out of the log meanwhile"

    ends = {end for end, _ in stages}
    cuts = {*ends, *(end - 1 for end in ends if end), *(end + 1 for end in ends if end < len(whole))}
    cuts |= {random.Random(SEED).randrange(len(whole)) for _ in range(40)}
    for cut in sorted(cuts):
        folder = tmp_path / "cut"
        folder.mkdir()
        shutil.copyfile(base, folder / "state.db")
        (folder / "state.db-wal").write_bytes(whole[:cut])
        cut_state = LocalState(folder)
        expected = [content for end, content in stages if end <= cut][-1:]
        assert [contents(cut_state)] == expected, (SEED, cut)
        assert cut_state._database.rows("PRAGMA integrity_check") == [("ok",)]
        cut_state.close()
        shutil.rmtree(folder)


WRITER = """
import sys
from dataclasses import replace
from datetime import datetime, UTC, timedelta
from pathlib import Path
from shared.state.local import LocalState
from shared.values.changes import ChunkOutcome
from shared.values.jobs import Job, JobState
state, first = LocalState(Path(sys.argv[1])), int(sys.argv[2])
for number in range(first, first + 10_000):
    made_at = datetime(2025, 3, 1, tzinfo=UTC) + timedelta(seconds=number)
    job = Job(f"job-{number}", "accounts", JobState.RUNNING, "nia", made_at)
    state.save(job)
    print(number, "job", flush=True)
    state.record(job.id, ChunkOutcome(0, 0, 9, answered=True))
    print(number, "chunk", flush=True)
    made = Path(sys.argv[1]) / "made"
    made.write_bytes(b"%06d" % number * 20_000)
    state.put(job.id, "plan", made)
    print(number, "file", flush=True)
    state.save(replace(job, state=JobState.SUCCEEDED))
    print(number, "ended", flush=True)
"""
STEPS = ["job", "chunk", "file", "ended"]


def reached(state: LocalState, job_id: str) -> int:
    """How many of a job's four steps are stored; each is whole, and none without those before it."""
    found = [
        bool(state.find(job_id)),
        state.chunks(job_id) == [ChunkOutcome(0, 0, 9, answered=True)],
        state.names(job_id) == ["plan"],
        bool(state.find(job_id)) and state.get(job_id).state is JobState.SUCCEEDED,
    ]
    assert sorted(found, reverse=True) == found, (SEED, job_id, found)
    if found[2]:
        number = int(job_id.partition("-")[2])
        assert state.path(job_id, "plan").read_bytes() == b"%06d" % number * 20_000
    return sum(found)


def test_killed_at_random_instants_it_keeps_what_it_told(tmp_path: Path) -> None:
    """A process killed while it writes, again and again: what it told as stored is there, at most one step more is."""
    chance, first = random.Random(SEED), 0
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(first)]
        with Popen(command, stdout=PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 40)):
                told = writer.stdout.readline().split()
            for _ in range(chance.randrange(3000)):
                pass
            writer.kill()
            told = ([told, *map(str.split, writer.stdout.readlines())])[-1]
        number, steps = int(told[0]), STEPS.index(told[1]) + 1
        with_state = LocalState(tmp_path)
        assert with_state._database.rows("PRAGMA integrity_check") == [("ok",)]
        assert all(reached(with_state, f"job-{one}") == 4 for one in range(first, number))
        stored = reached(with_state, f"job-{number}") + reached(with_state, f"job-{number + 1}")
        assert stored in (steps, steps + 1), (SEED, told, stored)
        with_state.close()
        first = number + 2


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that a power cut cannot turn round: content, then name, then the folder that holds the name."""
    state = LocalState(tmp_path / "state")
    state.save(JOB)
    order: list[str] = []
    sync, rename = artifacts._sync, os.replace
    monkeypatch.setattr(artifacts, "_sync", lambda path: (order.append(path.name), sync(path))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), rename(a, b))[1])
    for same_disk in (True, False):
        monkeypatch.setattr(artifacts, "_same_disk", lambda *_, same_disk=same_disk: same_disk)
        made = tmp_path / "made"
        made.write_bytes(b"plan")
        order.clear()
        state.put("job-1", "plan", made)
        assert order[1:] == ["rename", "job-1"]
        assert len(order) == 3


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    """Every write that finds no room is refused in words; what was stored is still there, and goes on when there is."""
    state = LocalState(tmp_path)
    state.save(JOB)
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    before = contents(state)
    pages = state._database.rows("PRAGMA page_count")[0][0]
    state._database.rows(f"PRAGMA max_page_count = {pages}")
    large = replace(JOB, state=JobState.RUNNING, notes=("x" * 100_000,))
    with pytest.raises(StateError, match="the disk is full: make room"):
        state.under(lease).save(large)
    assert contents(state) == before
    state._database.rows("PRAGMA max_page_count = 1000000")
    state.under(lease).save(large)
    assert state.get("job-1") == large


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: what a quota does."""
    resource = pytest.importorskip("resource", reason="quotas of a process are Unix'")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room_bytes", [0, 1000, 99_999])
def test_a_file_that_finds_no_room_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int
) -> None:
    """A copy that breaks off is taken away; the old file, and the one that was to be kept, are whole."""
    state = LocalState(tmp_path / "state")
    state.save(JOB)
    monkeypatch.setattr(artifacts, "_same_disk", lambda *_: False)
    made = tmp_path / "made"
    made.write_bytes(b"old")
    state.put("job-1", "plan", made)
    made.write_bytes(b"n" * 100_000)
    with room_for(room_bytes), pytest.raises(StateError, match="check the state folder, its rights and the disk"):
        state.put("job-1", "plan", made)
    assert state.path("job-1", "plan").read_bytes() == b"old"
    assert made.read_bytes() == b"n" * 100_000
    assert [path.name for path in (tmp_path / "state" / "jobs" / "job-1").iterdir()] == ["plan"]


def test_a_store_of_the_older_layout_is_brought_up_to_date(tmp_path: Path) -> None:
    """What an earlier version stored is kept, its leases too; a second opener finds nothing to do."""
    LocalState(tmp_path).close()
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as old:
        for statement in (
            "DROP TABLE cancels",
            "ALTER TABLE leases DROP COLUMN uneasy",
            "ALTER TABLE leases DROP COLUMN length_us",
            f"INSERT INTO leases VALUES ('accounts', 'job-1', 'h', 7, {2**60})",
            "PRAGMA user_version = 1",
        ):
            old.execute(statement)
    old.close()
    for _ in range(2):
        state = LocalState(tmp_path)
        assert state._database.rows("PRAGMA user_version") == [(2,)]
        state.close()
    state = LocalState(tmp_path)
    lease = state.acquire("accounts", "job-2", now=NOW, seconds=60)
    assert (lease.epoch, lease.uneasy) == (8, True)
    with pytest.raises(DynsyncError):
        state.acquire("accounts", "job-3", now=NOW + timedelta(seconds=59), seconds=60)
