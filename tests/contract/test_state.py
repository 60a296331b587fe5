"""One suite for every implementation of `State`. An implementation joins by one more entry in OPENERS."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import AlreadyRunningError, NotFoundError, StateError
from shared.ports import State
from shared.state.local import LocalState
from shared.values.changes import ChunkOutcome, Outcome, OutcomeStatus
from shared.values.files import FileRead
from shared.values.jobs import Brake, DestinationBalance, Job, JobState, SourceBalance

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
Opener = Callable[[Path], State]
OPENERS: dict[str, Opener] = {"local": LocalState}


@pytest.fixture(params=OPENERS.values(), ids=OPENERS.keys())
def opener(request: pytest.FixtureRequest) -> Opener:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def state(opener: Opener, tmp_path: Path) -> State:
    return opener(tmp_path / "state")


def job(number: int = 1, **members: object) -> Job:
    fields = {
        "id": f"job-{number}",
        "sync": "accounts",
        "state": JobState.QUEUED,
        "started_by": "nia",
        "created_at": NOW + timedelta(seconds=number),
    }
    return Job(**(fields | members))  # type: ignore[arg-type]


def test_files_of_finished_jobs_are_remembered_by_sync(state: State) -> None:
    """Each once, by name and version; noting them again changes nothing."""
    read = (FileRead("in/a.csv", "0x1"), FileRead("in/ü 🌍.csv", "0x2"))
    for number in (1, 2):
        state.note_files(job(number, files=read))
    state.note_files(job(3, files=(FileRead("in/a.csv", "0x3"),)))
    state.note_files(job(4, sync="other", files=(FileRead("b", "1"),)))
    assert state.files_read("accounts") == {*read, FileRead("in/a.csv", "0x3")}
    assert state.files_read("nobody") == frozenset()


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "made"
    path.write_text(text, encoding="utf-8")
    return path


FULL_JOB = job(
    state=JobState.AWAITING_APPROVAL,
    created_at=datetime(2025, 3, 30, 1, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    finished_at=NOW,
    definition_version="1.2.0",
    definition_hash="ab12",
    files=(FileRead("in/a.csv", "0x1"),),
    variables={"region": "Zürich\n'\u2028\ud800", "": ""},
    planned={"create": 3, "delete": 2**70},
    source=SourceBalance(read=5, created=3, rejected=2),
    destination=DestinationBalance(read=9, matched=4, expired=5),
    skipped_cells=7,
    brakes=(Brake("removals", 5, 9, 1, "5 of 9 rows would be removed"),),
    error="went\x00wrong",
    notes=("one", "two"),
    timings_s={"plan": 0.1 + 0.2},
    requests={"read": 12},
)


@pytest.mark.parametrize("saved", [FULL_JOB, job()], ids=["everything", "defaults"])
def test_a_job_comes_back_exactly(opener: Opener, tmp_path: Path, saved: Job) -> None:
    """What is read by a later run equals what was saved, to the last digit and the offset of its times."""
    opener(tmp_path).save(saved)
    read = opener(tmp_path).get(saved.id)
    assert read == saved
    assert read.created_at.isoformat() == saved.created_at.isoformat()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(),
    seconds=st.floats(allow_nan=False),
    when=st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_text_and_number_survives(state: State, text: str, seconds: float, when: datetime) -> None:
    """No text, number or time is bent by being stored."""
    saved = job(variables={text: text}, error=text, notes=(text,), timings_s={"apply": seconds}, created_at=when)
    state.save(saved)
    assert state.get(saved.id) == saved


def test_saving_again_replaces(state: State) -> None:
    """A job is one row, whatever becomes of it."""
    state.save(job())
    state.save(job(state=JobState.SUCCEEDED))
    assert state.list() == [job(state=JobState.SUCCEEDED)]


def test_a_time_without_zone_is_refused(state: State) -> None:
    """Every stored time has a zone."""
    with pytest.raises(ValueError, match="no time zone"):
        state.save(job(created_at=NOW.replace(tzinfo=None)))


def test_an_unknown_job_is_named(state: State) -> None:
    """Asking for a job that is not there says so."""
    with pytest.raises(NotFoundError, match="job-9"):
        state.get("job-9")


def test_jobs_are_listed_newest_first(state: State) -> None:
    """By time, by sync and by state; as many as asked for."""
    for number in (2, 1, 3):
        state.save(job(number))
    state.save(job(4, sync="contacts", state=JobState.FAILED))
    assert [one.id for one in state.list()] == ["job-4", "job-3", "job-2", "job-1"]
    assert [one.id for one in state.list(sync="accounts", limit=2)] == ["job-3", "job-2"]
    assert [one.id for one in state.list(states=[JobState.FAILED, JobState.RUNNING])] == ["job-4"]
    assert state.list(sync="accounts", states=[JobState.FAILED]) == []


def test_the_later_saved_of_two_at_one_time_is_newer(state: State) -> None:
    """Jobs made in one instant keep the order in which they were first saved."""
    for number in (1, 2, 3):
        state.save(job(number, created_at=NOW))
    state.save(job(1, created_at=NOW, state=JobState.RUNNING))
    assert [one.id for one in state.list()] == ["job-3", "job-2", "job-1"]


def test_a_living_job_keeps_its_lease(state: State) -> None:
    """A second job is refused until the lease has run out; then it takes over with a higher epoch."""
    first = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    with pytest.raises(AlreadyRunningError, match=r"job-1.*12:01:00"):
        state.acquire("accounts", "job-2", now=NOW + timedelta(seconds=59.999), seconds=60)
    second = state.acquire("accounts", "job-2", now=NOW + timedelta(seconds=60), seconds=60)
    assert (first.epoch, second.epoch) == (1, 2)
    assert second.until == NOW + timedelta(seconds=120)


def test_a_lease_is_renewed_by_its_job(state: State) -> None:
    """Renewing moves the end and keeps the epoch."""
    state.acquire("accounts", "job-1", now=NOW, seconds=60)
    renewed = state.acquire("accounts", "job-1", now=NOW + timedelta(seconds=30), seconds=60)
    assert (renewed.epoch, renewed.until) == (1, NOW + timedelta(seconds=90))


def test_the_same_job_started_twice_runs_once(opener: Opener, tmp_path: Path) -> None:
    """Two starts of one job are two holders: the second is refused while the first lives."""
    opener(tmp_path).acquire("accounts", "job-1", now=NOW, seconds=60)
    with pytest.raises(AlreadyRunningError):
        opener(tmp_path).acquire("accounts", "job-1", now=NOW, seconds=60)
    resumed = opener(tmp_path).acquire("accounts", "job-1", now=NOW + timedelta(seconds=61), seconds=60)
    assert resumed.epoch == 2


def test_a_released_lease_is_free_and_its_epoch_remembered(state: State) -> None:
    """The next holder has a higher epoch, however the last one left."""
    state.release(state.acquire("accounts", "job-1", now=NOW, seconds=60))
    assert state.acquire("accounts", "job-2", now=NOW, seconds=60).epoch == 2


def test_a_late_release_frees_nothing(state: State) -> None:
    """Who lost the lease cannot give away the next holder's."""
    lost = state.acquire("accounts", "job-1", now=NOW, seconds=1)
    state.acquire("accounts", "job-2", now=NOW + timedelta(seconds=2), seconds=60)
    state.release(lost)
    with pytest.raises(AlreadyRunningError):
        state.acquire("accounts", "job-3", now=NOW + timedelta(seconds=3), seconds=60)


def test_syncs_do_not_share_leases(state: State) -> None:
    """Each sync has its own lease."""
    state.acquire("accounts", "job-1", now=NOW, seconds=60)
    assert state.acquire("contacts", "job-2", now=NOW, seconds=60).epoch == 1


def _tries(state: State, job_id: str) -> str | None:
    try:
        return state.acquire("accounts", job_id, now=NOW, seconds=60).job_id
    except AlreadyRunningError:
        return None


@pytest.mark.parametrize("shared_instance", [True, False], ids=["one instance", "own instances"])
def test_of_racing_threads_one_gets_the_lease(opener: Opener, tmp_path: Path, shared_instance: bool) -> None:
    """Eight threads at once, on a store that may not exist yet: exactly one wins."""
    one = opener(tmp_path) if shared_instance else None
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda number: _tries(one or opener(tmp_path), f"job-{number}"), range(8)))
    assert sum(winner is not None for winner in won) == 1


RACER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from shared.errors import AlreadyRunningError
from shared.state.local import LocalState
sys.stdin.readline()
state = LocalState(Path(sys.argv[1]))
try:
    print(state.acquire("accounts", "job-1", now=datetime(2025, 3, 1, tzinfo=UTC), seconds=60).epoch)
except AlreadyRunningError:
    print("refused")
"""


def test_of_racing_processes_one_gets_the_lease(tmp_path: Path) -> None:
    """Four processes start the same job at once in a new folder: exactly one wins."""
    command = [sys.executable, "-c", RACER, str(tmp_path / "state")]
    racers = [Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(4)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = sorted(racer.communicate()[0].strip() for racer in racers)
    assert said == ["1", "refused", "refused", "refused"]


def test_a_sent_chunk_is_in_doubt_until_it_is_answered(opener: Opener, tmp_path: Path) -> None:
    """After a kill the next run sees what was sent and what was answered."""
    exceptions = (
        Outcome(4, OutcomeStatus.REJECTED, "0x80040237", "a duplicate\n'key'", "r-1"),
        Outcome(5, OutcomeStatus.CONFLICT),
    )
    first = opener(tmp_path)
    first.mark_sent("job-1", ChunkOutcome(1, 10, 19, answered=False))
    first.mark_sent("job-1", ChunkOutcome(0, 0, 9, answered=False))
    first.record("job-1", ChunkOutcome(0, 0, 9, answered=True, exceptions=exceptions))
    first.mark_sent("job-2", ChunkOutcome(0, 0, 1, answered=False))
    assert opener(tmp_path).chunks("job-1") == [
        ChunkOutcome(0, 0, 9, answered=True, exceptions=exceptions),
        ChunkOutcome(1, 10, 19, answered=False),
    ]


def test_a_chunk_sent_again_is_in_doubt_again(state: State) -> None:
    """The newest note counts."""
    state.record("job-1", ChunkOutcome(0, 0, 9, answered=True))
    state.mark_sent("job-1", ChunkOutcome(0, 0, 9, answered=True))
    assert state.chunks("job-1") == [ChunkOutcome(0, 0, 9, answered=False)]


def test_threads_note_chunks_side_by_side(state: State) -> None:
    """No note is lost when eight senders write at once."""
    chunks = [ChunkOutcome(number, number * 10, number * 10 + 9, answered=True) for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda chunk: state.record("job-1", chunk), chunks))
    assert state.chunks("job-1") == chunks


def test_a_file_is_kept_and_consumed(opener: Opener, tmp_path: Path) -> None:
    """The file moves in; a later run reads it by its name."""
    made = file(tmp_path, "plan")
    opener(tmp_path / "state").put("job-1", "plan.parquet", made)
    assert not made.exists()
    later = opener(tmp_path / "state")
    assert later.path("job-1", "plan.parquet").read_text(encoding="utf-8") == "plan"
    assert later.names("job-1") == ["plan.parquet"]
    assert later.names("job-2") == []


def test_a_file_put_again_replaces_the_old(state: State, tmp_path: Path) -> None:
    """One name, one file."""
    state.put("job-1", "report", file(tmp_path, "old"))
    state.put("job-1", "report", file(tmp_path, "new"))
    assert state.path("job-1", "report").read_text(encoding="utf-8") == "new"


def test_a_file_that_is_not_kept_is_named(state: State, tmp_path: Path) -> None:
    """The message says what there is instead."""
    state.put("job-1", "plan", file(tmp_path, "x"))
    with pytest.raises(NotFoundError, match=r"'rejects'.*plan"):
        state.path("job-1", "rejects")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "a\n", "x" * 129, "ä"]
)
def test_no_name_leaves_the_folder(state: State, tmp_path: Path, name: str) -> None:
    """Names of jobs and files are plain words; nothing else is read or written."""
    made = file(tmp_path, "x")
    for job_id, file_name in ((name, "plan"), ("job-1", name)):
        with pytest.raises(StateError, match="allowed are"):
            state.put(job_id, file_name, made)
        with pytest.raises(StateError, match="allowed are"):
            state.path(job_id, file_name)
    assert made.exists()


@pytest.mark.needs("symlinks")
def test_only_plain_files_are_kept(state: State, tmp_path: Path) -> None:
    """A link is not followed, a folder not moved, a missing file is an error."""
    link = tmp_path / "link"
    link.symlink_to(file(tmp_path, "x"))
    for path in (link, tmp_path, tmp_path / "absent"):
        with pytest.raises(StateError):
            state.put("job-1", "plan", path)
    assert state.names("job-1") == []


def test_a_kill_before_the_rename_leaves_the_old_file_whole(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or not at all: the old file is still read, and nothing half is listed."""
    state.put("job-1", "plan", file(tmp_path, "old"))

    def fail(*_: object) -> None:
        raise OSError("the machine went down")

    monkeypatch.setattr(os, "replace", fail)
    made = file(tmp_path, "new")
    with pytest.raises(StateError, match="went down"):
        state.put("job-1", "plan", made)
    assert state.path("job-1", "plan").read_text(encoding="utf-8") == "old"
    assert state.names("job-1") == ["plan"]
    assert made.exists()
