from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from shared.engine.cases.ledger import LEDGER
from shared.engine.retention import prune, prune_all
from shared.errors import StateError
from shared.state import LocalState
from shared.values.jobs import Job, JobState

NOW = datetime(2025, 3, 1, tzinfo=UTC)
LAST = Job("last", "accounts", JobState.FAILED, "nia", NOW)


@pytest.fixture
def state(tmp_path: Path) -> LocalState:
    state = LocalState(tmp_path)
    state.save(LAST)
    for number in range(250):
        state.save(replace(LAST, id=f"old-{number}", created_at=NOW - timedelta(days=400 - number)))
    return state


def list_open(state: LocalState, kept_with: str, jobs: list[str], folder: Path) -> None:
    """Keep a list of open rejects, one of each of the jobs."""
    path, names = folder / LEDGER, ", ".join(f"('{job}')" for job in jobs)
    duckdb.execute(f"COPY (SELECT * FROM (VALUES {names}) AS jobs(job)) TO '{path}' (FORMAT parquet)").fetchall()
    state.put(kept_with, LEDGER, path)


def test_what_is_old_is_removed_and_nothing_else(state: LocalState) -> None:
    """Jobs of this sync that are older than so many days; a job of exactly that age, and other syncs, stay."""
    state.save(replace(LAST, id="other", sync="contacts", created_at=NOW - timedelta(days=999)))
    assert prune(state, LAST, days=200, now=NOW) == 200
    kept = state.list(sync="accounts", limit=1000)
    assert [job.id for job in kept] == ["last", *(f"old-{number}" for number in range(249, 199, -1))]
    assert prune(state, LAST, days=200, now=NOW) == 0
    assert state.get("other").sync == "contacts"


def test_the_last_that_came_to_its_end_is_kept(state: LocalState) -> None:
    """However old: the next job is compared with it. One before it goes."""
    for number, days in enumerate((900, 800)):
        state.save(replace(LAST, id=f"done-{number}", state=JobState.SUCCEEDED, created_at=NOW - timedelta(days=days)))
    assert prune(state, LAST, days=1, now=NOW) == 251
    assert [job.id for job in state.list(limit=1000)] == ["last", "done-1"]


def test_syncs_that_never_run_again_are_tidied_as_well(state: LocalState) -> None:
    """Of every sync what is old enough; never its newest job, nor the last that ended, nor an unfinished one."""
    for number, days in enumerate((999, 998, 997)):
        state.save(replace(LAST, id=f"gone-{number}", sync="gone", created_at=NOW - timedelta(days=days)))
    waiting = replace(LAST, id="waits", sync="waits", state=JobState.AWAITING_APPROVAL)
    state.save(replace(waiting, created_at=NOW - timedelta(days=999)))
    assert prune_all(state, days=200, now=NOW) == 200 + 2
    assert [job.id for job in state.list(sync="gone")] == ["gone-2"]
    assert [job.id for job in state.list(sync="waits")] == ["waits"]
    assert prune_all(state, days=None, now=NOW) == 0


def test_the_list_of_open_rejects_is_kept(state: LocalState, tmp_path: Path) -> None:
    """It is with the last job that came to its end, also when that was undone since."""
    done = replace(LAST, state=JobState.SUCCEEDED, open_rejects=0, created_at=NOW - timedelta(days=900))
    state.save(replace(done, id="done"))
    state.save(replace(done, id="undone", state=JobState.UNDONE, open_rejects=2, created_at=NOW - timedelta(days=800)))
    list_open(state, "undone", ["old-7", "gone"], tmp_path)
    assert prune(state, LAST, days=1, now=NOW) == 249
    assert [job.id for job in state.list(limit=1000)] == ["last", "old-7", "undone", "done"]


def test_open_rejects_outlive_their_job_s_time(state: LocalState, tmp_path: Path) -> None:
    """However many jobs have some; once they are closed, the jobs go as any others."""
    last = replace(LAST, id="done", state=JobState.SUCCEEDED, open_rejects=150)
    state.save(last)
    opened = [f"old-{number}" for number in range(100, 250)]
    list_open(state, last.id, opened, tmp_path)
    assert prune(state, last, days=1, now=NOW) == 100
    assert {job.id for job in state.list(limit=1000)} == {"last", "done", *opened}
    state.save(replace(last, open_rejects=0))
    assert prune(state, last, days=1, now=NOW) == 150


def test_nothing_is_removed_without_a_limit(state: LocalState) -> None:
    """None: for good."""
    assert prune(state, LAST, days=None, now=NOW + timedelta(days=9999)) == 0


def test_what_cannot_be_removed_does_not_fail_the_job(state: LocalState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next job tries again."""

    def fail(*_: object) -> None:
        raise StateError("the disk is away")

    monkeypatch.setattr(LocalState, "forget", fail)
    assert prune(state, LAST, days=1, now=NOW) == 0


def test_a_job_that_is_being_undone_is_kept(state: LocalState) -> None:
    """Its plan tells what to take back, until the undo has ended."""
    undo = replace(LAST, id="undo", state=JobState.QUEUED, undoes="old-3")
    state.save(undo)
    assert prune(state, LAST, days=1, now=NOW) == 249
    assert {job.id for job in state.list(limit=1000)} == {"last", "undo", "old-3"}
    state.save(replace(undo, state=JobState.CANCELLED))
    assert prune(state, LAST, days=1, now=NOW) == 1
