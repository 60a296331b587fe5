"""One suite for every implementation of `State`. An implementation joins by one more entry in STORES."""

from __future__ import annotations

import functools
import hashlib
import random
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import AlreadyRunningError, NotFoundError, StaleLeaseError, StateError, TransitionError
from shared.ports import State
from shared.state.azure import connect, connecting
from shared.state.local import LocalState
from shared.values.changes import ChunkOutcome, Outcome, OutcomeStatus
from shared.values.files import FileRead
from shared.values.jobs import Brake, DestinationBalance, Job, JobState, Lease, SourceBalance
from shared.values.life import TRANSITIONS, UNFINISHED
from shared.values.watermarks import Watermark
from shared.values.wording import state_words
from tests.azurite import Account
from tests.examples import examples

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
Opener = Callable[[Path], State]
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]


def in_azure(account: Account, folder: Path) -> State:
    """The store in Azurite that belongs to a folder: a table and a container of its own."""
    name = f"t{hashlib.sha256(str(folder).encode()).hexdigest()[:40]}"
    return connect(connecting.Account(connection=lambda: account.connection, table=name, container=name))


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the store of a folder; twice the same folder is twice the same store."""
    if request.param == "local":
        return LocalState
    return functools.partial(in_azure, request.getfixturevalue("storage"))


@pytest.fixture
def state(opener: Opener, tmp_path: Path) -> State:
    return opener(tmp_path / "state")


@pytest.fixture
def kept(state: State) -> State:
    """A store with job-1 and job-2 of the sync `accounts`."""
    state.save(job(1))
    state.save(job(2))
    return state


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
    """Each once, by name and version; noting them again changes nothing. More at a time than one transaction takes."""
    read = (FileRead("in/ü 🌍.csv", "0x2"), *(FileRead(f"in/{number}.csv", "0x1") for number in range(110)))
    for number in (1, 2):
        state.note_files(job(number, files=read))
    state.note_files(job(3, files=(FileRead("in/a.csv", "0x3"),)))
    state.note_files(job(4, sync="other", files=(FileRead("b", "1"),)))
    assert state.files_read("accounts") == {*read, FileRead("in/a.csv", "0x3")}
    assert state.files_read("nobody") == frozenset()


def test_a_watermark_is_kept_by_sync(state: State) -> None:
    """A number or an instant, exactly; it can be moved either way and taken away."""
    instant, number = (
        Watermark("changed ü", NOW + timedelta(microseconds=7)),
        Watermark("no", Decimal("-12.50"), '{"region": "EMEA"}'),
    )
    assert state.watermark("accounts") is None
    for mark in (instant, number, Watermark("no", Decimal("1E+3"))):
        state.move_watermark("accounts", mark)
        state.move_watermark("other", instant)
        assert (state.watermark("accounts"), state.watermark("other")) == (mark, instant)
    state.move_watermark("accounts", None)
    state.move_watermark("accounts", None)
    assert (state.watermark("accounts"), state.watermark("other")) == (None, instant)


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
    watermark=Watermark("changed", NOW),
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


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(),
    seconds=st.floats(allow_nan=False),
    when=st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_text_and_number_survives(state: State, text: str, seconds: float, when: datetime) -> None:
    """No text, number or time is bent by being stored."""
    saved = job(
        id=f"job-{uuid.uuid4().hex}",
        variables={text: text},
        error=text,
        notes=(text,),
        timings_s={"apply": seconds},
        created_at=when,
    )
    state.save(saved)
    assert state.get(saved.id) == saved


def test_saving_again_replaces(state: State) -> None:
    """A job is one row, whatever becomes of it."""
    state.save(job())
    state.save(job(state=JobState.FAILED, error="no"))
    assert state.list() == [job(state=JobState.FAILED, error="no")]


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


def test_jobs_of_one_instant_have_one_order(state: State) -> None:
    """Of jobs made in one instant the greater id counts as newer, whatever was saved last."""
    for number in (1, 2, 3):
        state.save(job(number, created_at=NOW))
    state.save(job(1, created_at=NOW, state=JobState.RUNNING))
    assert [one.id for one in state.list()] == ["job-3", "job-2", "job-1"]


def test_a_living_job_keeps_its_lease(state: State) -> None:
    """A second job is refused until the lease has run out; then it takes over with a higher epoch."""
    first = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    with pytest.raises(AlreadyRunningError, match=r"job-1.*until 2025-03-01 12:01:00 UTC\)"):
        state.acquire("accounts", "job-2", now=NOW + timedelta(seconds=59.999), seconds=60)
    second = state.acquire("accounts", "job-2", now=NOW + timedelta(seconds=60), seconds=60)
    assert (first.epoch, second.epoch) == (1, 2)
    assert second.until == NOW + timedelta(seconds=120)


def test_a_lease_is_renewed_by_its_job(state: State) -> None:
    """Renewing moves the end and keeps the epoch."""
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    renewed = state.renew(lease, now=NOW + timedelta(seconds=30), seconds=60)
    assert (renewed.epoch, renewed.until) == (1, NOW + timedelta(seconds=90))
    with pytest.raises(AlreadyRunningError):
        state.acquire("accounts", "job-2", now=NOW + timedelta(seconds=89), seconds=60)


def test_the_same_job_started_twice_runs_once(opener: Opener, tmp_path: Path) -> None:
    """Two starts of one job are two holders, also in one process: the second is refused while the first lives."""
    first = opener(tmp_path)
    first.acquire("accounts", "job-1", now=NOW, seconds=60)
    with pytest.raises(AlreadyRunningError):
        first.acquire("accounts", "job-1", now=NOW, seconds=60)
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


def test_who_holds_a_lease_is_told_without_taking_it(opener: Opener, tmp_path: Path) -> None:
    """While its holder may live, its job; before, after its end and after its release nobody. Nothing is taken."""
    state, other = opener(tmp_path), opener(tmp_path)
    assert other.held_by("accounts", now=NOW) is None
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    assert [one.held_by("accounts", now=NOW) for one in (state, other)] == ["job-1", "job-1"]
    assert other.held_by("accounts", now=NOW + timedelta(seconds=60)) is None
    assert state.renew(lease, now=NOW, seconds=60).epoch == 1
    state.release(lease)
    assert other.held_by("accounts", now=NOW) is None
    assert other.acquire("accounts", "job-2", now=NOW, seconds=60).epoch == 2


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
from shared.state.azure import connect, connecting
from shared.state.local import LocalState
sys.stdin.readline()
state = LocalState(Path(sys.argv[1]))
try:
    print(state.acquire("accounts", "job-1", now=datetime(2025, 3, 1, tzinfo=UTC), seconds=60).epoch, flush=True)
except AlreadyRunningError:
    print("refused", flush=True)
sys.stdin.readline()
"""


def test_of_racing_processes_one_gets_the_lease(tmp_path: Path) -> None:
    """Four processes start the same job at once in a new folder: exactly one wins."""
    command = [sys.executable, "-c", RACER, str(tmp_path / "state")]
    racers = [Popen(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(4)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = sorted(racer.stdout.readline().strip() for racer in racers if racer.stdout is not None)
    for racer in racers:
        racer.communicate("go\n")
    assert said == ["1", "refused", "refused", "refused"]


def test_a_sent_chunk_is_in_doubt_until_it_is_answered(opener: Opener, tmp_path: Path) -> None:
    """After a kill the next run sees what was sent and what was answered."""
    exceptions = (
        Outcome(4, OutcomeStatus.REJECTED, "0x80040237", "a duplicate\n'key'", "r-1"),
        Outcome(5, OutcomeStatus.CONFLICT),
    )
    first = opener(tmp_path)
    first.save(job(1))
    first.save(job(2))
    first.mark_sent("job-1", ChunkOutcome(1, 10, 19, answered=False))
    first.mark_sent("job-1", ChunkOutcome(0, 0, 9, answered=False))
    first.record("job-1", ChunkOutcome(0, 0, 9, answered=True, exceptions=exceptions))
    first.mark_sent("job-2", ChunkOutcome(0, 0, 1, answered=False))
    assert opener(tmp_path).chunks("job-1") == [
        ChunkOutcome(0, 0, 9, answered=True, exceptions=exceptions),
        ChunkOutcome(1, 10, 19, answered=False),
    ]


def test_a_chunk_sent_again_is_in_doubt_again(kept: State) -> None:
    """The newest note counts."""
    kept.record("job-1", ChunkOutcome(0, 0, 9, answered=True))
    kept.mark_sent("job-1", ChunkOutcome(0, 0, 9, answered=True))
    assert kept.chunks("job-1") == [ChunkOutcome(0, 0, 9, answered=False)]
    kept.record("job-1", ChunkOutcome(0, 0, 9, answered=True))
    kept.record("job-1", ChunkOutcome(0, 0, 9, answered=False))
    assert kept.chunks("job-1") == [ChunkOutcome(0, 0, 9, answered=False)]


def test_threads_note_chunks_side_by_side(kept: State) -> None:
    """No note is lost when eight senders write at once."""
    chunks = [ChunkOutcome(number, number * 10, number * 10 + 9, answered=True) for number in range(100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda chunk: kept.record("job-1", chunk), chunks))
    assert kept.chunks("job-1") == chunks
    kept.save(job(1, state=JobState.FAILED))
    kept.forget("job-1")
    assert kept.chunks("job-1") == []


def test_a_file_is_kept_and_consumed(opener: Opener, tmp_path: Path) -> None:
    """The file moves in; a later run reads it by its name."""
    made = file(tmp_path, "plan")
    opener(tmp_path / "state").save(job(1))
    opener(tmp_path / "state").put("job-1", "plan.parquet", made)
    assert not made.exists()
    later = opener(tmp_path / "state")
    assert later.path("job-1", "plan.parquet").read_text(encoding="utf-8") == "plan"
    assert later.names("job-1") == ["plan.parquet"]
    assert later.names("job-2") == []


def test_a_file_put_again_replaces_the_old(kept: State, tmp_path: Path) -> None:
    """One name, one file."""
    kept.put("job-1", "report", file(tmp_path, "old"))
    kept.put("job-1", "report", file(tmp_path, "new"))
    assert kept.path("job-1", "report").read_text(encoding="utf-8") == "new"


def test_a_file_that_is_not_kept_is_named(kept: State, tmp_path: Path) -> None:
    """The message says what there is instead."""
    kept.put("job-1", "plan", file(tmp_path, "x"))
    with pytest.raises(NotFoundError, match=r"'rejects'.*plan"):
        kept.path("job-1", "rejects")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "a\n", "x" * 129, "ä"]
)
def test_no_name_leaves_the_folder(kept: State, tmp_path: Path, name: str) -> None:
    """Names of jobs and files are plain words; nothing else is read or written."""
    made = file(tmp_path, "x")
    for job_id, file_name in ((name, "plan"), ("job-1", name)):
        with pytest.raises(StateError, match="allowed are"):
            kept.put(job_id, file_name, made)
        with pytest.raises(StateError, match="allowed are"):
            kept.path(job_id, file_name)
    assert made.exists()


@pytest.mark.needs("symlinks")
def test_only_plain_files_are_kept(kept: State, tmp_path: Path) -> None:
    """A link is not followed, a folder not moved, a missing file is an error."""
    link = tmp_path / "link"
    link.symlink_to(file(tmp_path, "x"))
    for path in (link, tmp_path, tmp_path / "absent"):
        with pytest.raises(StateError):
            kept.put("job-1", "plan", path)
    assert kept.names("job-1") == []


# ---- the right to write


def take(state: State, number: int = 1, *, at: float = 0, seconds: float = 60) -> Lease:
    return state.acquire("accounts", f"job-{number}", now=NOW + timedelta(seconds=at), seconds=seconds)


WRITES: dict[str, Callable[[State, Path], object]] = {
    "save": lambda state, _: state.save(job(1, state=JobState.RUNNING)),
    "save another of the sync": lambda state, _: state.save(job(2, state=JobState.CANCELLED)),
    "mark_sent": lambda state, _: state.mark_sent("job-1", ChunkOutcome(0, 0, 9, answered=False)),
    "record": lambda state, _: state.record("job-1", ChunkOutcome(0, 0, 9, answered=True)),
    "put": lambda state, path: state.put("job-1", "plan", file(path, "late")),
    "move_watermark": lambda state, _: state.move_watermark("accounts", Watermark("n", Decimal(7))),
    "note_files": lambda state, _: state.note_files(job(1, files=(FileRead("a", "1"),))),
    "clear_cancel": lambda state, _: state.clear_cancel("job-1"),
    "forget": lambda state, _: state.forget("job-3"),
}


def everything(state: State) -> object:
    """All that can be read of the sync's three jobs."""
    ids = state.find("job-")
    return (
        [state.get(one) for one in ids],
        [(state.chunks(one), state.cancel_asked(one)) for one in ids],
        {(one, name): state.path(one, name).read_bytes() for one in ids for name in state.names(one)},
        state.files_read("accounts"),
        state.watermark("accounts"),
    )


@pytest.fixture
def full(kept: State, tmp_path: Path) -> State:
    """Three jobs, of which one has ended, with a flag and a file."""
    kept.save(job(3, state=JobState.FAILED))
    kept.put("job-1", "plan", file(tmp_path, "first"))
    kept.ask_to_cancel("job-1", "nia")
    return kept


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_stalled_holder_changes_nothing(full: State, tmp_path: Path, write: Callable[[State, Path], object]) -> None:
    """Who wakes up after another took the lease, or after it was given back, is refused, and nothing is changed."""
    stalled = take(full)
    fresh = take(full, 2, at=60)
    before = everything(full)
    with pytest.raises(StaleLeaseError, match="job-1"):
        write(full.under(stalled), tmp_path)
    assert everything(full) == before
    full.release(fresh)
    with pytest.raises(StaleLeaseError, match="job-1"):
        write(full.under(stalled), tmp_path)
    with pytest.raises(StaleLeaseError):
        full.renew(stalled, now=NOW, seconds=60)
    assert everything(full) == before
    assert full.path("job-1", "plan").read_text(encoding="utf-8") == "first"


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_the_holder_alone_writes(full: State, tmp_path: Path, write: Callable[[State, Path], object]) -> None:
    """While the lease is held, nobody else changes the sync's jobs; the holder does, also after its time ran out."""
    lease = take(full)
    before = everything(full)
    with pytest.raises(StaleLeaseError, match="is being run by job job-1"):
        write(full, tmp_path)
    assert everything(full) == before
    write(full.under(lease), tmp_path)
    assert everything(full) != before
    late = full.renew(lease, now=NOW + timedelta(hours=1), seconds=60)
    assert (late.epoch, late.until) == (lease.epoch, NOW + timedelta(hours=1, seconds=60))


def test_new_jobs_and_the_flag_need_no_lease(kept: State) -> None:
    """A job can be queued, and a running one asked to stop, while another start works."""
    take(kept)
    kept.save(job(4))
    kept.ask_to_cancel("job-1", "nia")
    kept.ask_to_cancel("job-1", "otto")
    assert (kept.get("job-4"), kept.cancel_asked("job-1"), kept.cancel_asked("job-4")) == (job(4), "nia", None)
    with pytest.raises(NotFoundError, match="job-9"):
        kept.ask_to_cancel("job-9", "nia")


def test_a_lease_that_was_not_given_back_leaves_unease(state: State) -> None:
    """The next holder is told that an earlier one may still have requests under way, until one has waited for them."""
    first = take(state)
    second = take(state, 2, at=60)
    assert (first.uneasy, second.uneasy) == (False, True)
    state.release(second)
    third = take(state, 3)
    assert third.uneasy
    assert state.renew(third, now=NOW, seconds=60).uneasy
    state.release(replace(third, uneasy=False))
    assert not take(state, 4).uneasy


def test_a_clock_set_back_locks_nobody_out(state: State) -> None:
    """A lease that seems to last for days, since the clock was set back, lasts its own length from the next look."""
    take(state, at=5 * 86_400)
    with pytest.raises(AlreadyRunningError):
        take(state, 2)
    with pytest.raises(AlreadyRunningError):
        take(state, 2, at=59)
    assert take(state, 2, at=60).epoch == 2


def test_a_clock_set_forward_ends_no_plan_twice(kept: State) -> None:
    """When the clock jumps forward a living lease is lost; the epoch keeps its holder from writing beside the next."""
    lost = take(kept)
    won = take(kept, 2, at=10 * 86_400)
    kept.under(won).save(job(2, state=JobState.RUNNING))
    with pytest.raises(StaleLeaseError, match="it is with job job-2 now"):
        kept.under(lost).save(job(1, state=JobState.RUNNING))


# ---- the life of a job


@pytest.mark.parametrize("stored", JobState)
def test_only_drawn_transitions_are_stored(state: State, stored: JobState) -> None:
    """From every state to every other: what the table does not hold is refused, in words, and changes nothing."""
    for number, wanted in enumerate(JobState):
        saved = job(number, state=stored)
        state.save(saved)
        if wanted is stored or wanted in TRANSITIONS[stored]:
            state.save(replace(saved, state=wanted))
            assert state.get(saved.id).state is wanted
        else:
            told = f"is {state_words(stored)} and cannot become {state_words(wanted)}; .*`|wait"
            with pytest.raises(TransitionError, match=told):
                state.save(replace(saved, state=wanted))
            assert state.get(saved.id) == saved


@pytest.mark.parametrize("other", [{"sync": "contacts"}, {"created_at": NOW}], ids=["sync", "created_at"])
def test_a_job_keeps_its_sync_and_its_time(kept: State, other: dict[str, Any]) -> None:
    """They are part of where it is kept."""
    with pytest.raises(StateError, match="keeps its sync and its time"):
        kept.save(job(1, **other))
    assert kept.get("job-1") == job(1)


# ---- age


def test_a_forgotten_job_leaves_nothing(full: State, tmp_path: Path) -> None:
    """Its outcomes, its flag and its files go with it; its neighbours and the files that it read stay."""
    full.save(job(1, state=JobState.RUNNING))
    full.save(job(1, state=JobState.FAILED, files=(FileRead("a", "1"),)))
    full.record("job-1", ChunkOutcome(0, 0, 9, answered=True))
    full.record("job-2", ChunkOutcome(0, 0, 9, answered=True))
    full.note_files(full.get("job-1"))
    full.forget("job-1")
    full.forget("job-1")
    assert full.find("job-") == ["job-2", "job-3"]
    assert [one.id for one in full.list()] == ["job-3", "job-2"]
    assert (full.chunks("job-1"), full.names("job-1"), full.cancel_asked("job-1")) == ([], [], None)
    assert (len(full.chunks("job-2")), len(full.files_read("accounts"))) == (1, 1)
    with pytest.raises(NotFoundError):
        full.get("job-1")


@pytest.mark.parametrize("unfinished", sorted(UNFINISHED))
def test_an_unfinished_job_is_never_forgotten(state: State, unfinished: JobState) -> None:
    """However old it is."""
    state.save(job(state=unfinished))
    with pytest.raises(TransitionError, match="is not removed"):
        state.forget("job-1")
    assert state.get("job-1").state is unfinished


def test_jobs_made_before_a_time_are_found(state: State) -> None:
    """The time itself is not before it."""
    for number in (1, 2, 3):
        state.save(job(number, state=JobState.FAILED if number == 1 else JobState.RUNNING))
    assert [one.id for one in state.list(before=job(3).created_at)] == ["job-2", "job-1"]
    assert [one.id for one in state.list(sync="accounts", before=job(3).created_at, limit=1)] == ["job-2"]
    found = state.list(sync="accounts", states=[JobState.FAILED, JobState.RUNNING], before=job(2).created_at)
    assert [one.id for one in found] == ["job-1"]
    assert state.list(before=job(1).created_at) == []


def test_ids_are_found_by_their_beginning(state: State) -> None:
    """Sorted, as many as asked for; signs that a query could take for its own are plain."""
    for number in (10, 1, 2, 11):
        state.save(job(number))
    assert state.find("job-1") == ["job-1", "job-10", "job-11"]
    assert state.find("job-", limit=2) == ["job-1", "job-10"]
    assert [state.find(text) for text in ("job_", "%", "'", "job-3")] == [[], [], [], []]


def test_many_jobs_are_listed_to_the_end(state: State) -> None:
    """A list that spans several pages of the store is whole and in order."""
    for number in range(1, 31):
        state.save(job(number, sync="accounts" if number % 3 else "contacts"))
    assert [one.id for one in state.list(limit=1000)] == [f"job-{number}" for number in range(30, 0, -1)]
    assert len(state.list(sync="contacts", limit=1000)) == 10
    assert [one.id for one in state.list(states=[JobState.QUEUED], limit=4)] == ["job-30", "job-29", "job-28", "job-27"]
    found = state.list(states=[JobState.QUEUED, JobState.FAILED], before=job(4).created_at)
    assert [one.id for one in found] == ["job-3", "job-2", "job-1"]


def test_large_texts_are_kept_whole(kept: State) -> None:
    """Ten thousand notes, and a chunk of which every change was refused with a long message."""
    refused = tuple(
        Outcome(number, OutcomeStatus.REJECTED, "0x80040237", f"{random.Random(number).randbytes(900).hex()}", "r")
        for number in range(1000)
    )
    large = job(1, state=JobState.RUNNING, notes=tuple(f"{number} ü 🌍" * 9 for number in range(10_000)))
    kept.save(large)
    kept.record("job-1", ChunkOutcome(0, 0, 999, answered=True, exceptions=refused))
    assert kept.get("job-1") == large
    assert kept.list(sync="accounts") == [job(2), large]
    assert kept.chunks("job-1") == [ChunkOutcome(0, 0, 999, answered=True, exceptions=refused)]


@pytest.mark.parametrize("sync", ["a/b\\c#d?e", "ä", "A", "a", "%2F", "x" * 300, "=", "\u2028", "lease"])
def test_any_name_of_a_sync_is_a_sync_of_its_own(state: State, sync: str) -> None:
    """Signs that a key may not hold, length and case make no two syncs one."""
    others = ["a/b\\c#d?", "ae", "a=2Fb", "x" * 299 + "y", "="]
    for number, name in enumerate([sync, *(other for other in others if other != sync)]):
        state.save(job(number, sync=name))
        assert state.acquire(name, f"job-{number}", now=NOW, seconds=60).epoch == 1
    assert [one.sync for one in state.list(sync=sync)] == [sync]


def test_a_new_job_comes_with_its_files(opener: Opener, tmp_path: Path) -> None:
    """Job and copies of its files are there together, also while another job of the sync runs; the originals stay."""
    state, original = opener(tmp_path / "state"), file(tmp_path, "no,name\n")
    state.save(job(1))
    state.acquire("accounts", "job-1", now=NOW, seconds=60)
    state.add(job(2, handed_over={"extract": "input.csv"}), {"input.csv": original})

    seen = opener(tmp_path / "state")
    assert seen.get("job-2").handed_over == {"extract": "input.csv"}
    assert seen.names("job-2") == ["input.csv"]
    assert seen.path("job-2", "input.csv").read_text(encoding="utf-8") == "no,name\n"
    assert original.exists()


def test_a_job_that_cannot_be_added_leaves_nothing(state: State, tmp_path: Path) -> None:
    """An id that is taken, or a file that is not there: neither the job nor the other files are kept."""
    state.save(job(1))
    with pytest.raises(StateError, match="there is a job job-1 already"):
        state.add(job(1, state=JobState.FAILED), {"input.csv": file(tmp_path, "x")})
    assert (state.get("job-1").state, state.names("job-1")) == (JobState.QUEUED, [])
    with pytest.raises(StateError):
        state.add(job(2), {"a.csv": file(tmp_path, "x"), "b.csv": tmp_path / "none"})
    with pytest.raises(NotFoundError):
        state.get("job-2")
    assert state.names("job-2") == []


def test_a_file_is_dropped(opener: Opener, tmp_path: Path) -> None:
    """Only the one that was named goes; dropping it again does nothing, and a stale holder drops none."""
    state = opener(tmp_path / "state")
    state.save(job(1))
    for name in ("work.duckdb", "plan.json"):
        state.put("job-1", name, file(tmp_path, name))
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    with pytest.raises(StaleLeaseError):
        state.drop("job-1", "work.duckdb")
    for _ in range(2):
        state.under(lease).drop("job-1", "work.duckdb")
    assert opener(tmp_path / "state").names("job-1") == ["plan.json"]
    with pytest.raises(NotFoundError):
        state.path("job-1", "work.duckdb")
    state.release(lease)
    state.acquire("accounts", "job-2", now=NOW, seconds=60)
    with pytest.raises(StaleLeaseError):
        state.under(lease).drop("job-1", "plan.json")
    assert state.names("job-1") == ["plan.json"]


HOLDER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from shared.state.local import LocalState
state = LocalState(Path(sys.argv[1]))
state.acquire("accounts", "job-1", now=datetime(2025, 3, 1, 12, tzinfo=UTC), seconds=600)
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_holder_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    """In a folder, a lease is free the moment its process is gone; looking leaves it to whoever takes it next."""
    state = LocalState(tmp_path / "state")
    with Popen([sys.executable, "-c", HOLDER, str(tmp_path / "state")], stdin=PIPE, stdout=PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        held = state.held_by("accounts", now=NOW)
        holder.kill()
    assert (held, state.held_by("accounts", now=NOW)) == ("job-1", None)
    assert LocalState(tmp_path / "state").acquire("accounts", "job-2", now=NOW, seconds=60).epoch == 2
