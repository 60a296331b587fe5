"""What is particular to the store in Azure: how it signs in, its keys, what is left when a request fails."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.data.tables import TableClient
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import AuthenticationError, RefuseError, StaleLeaseError, StateError
from shared.state.azure import Account, AzureState, connect, keys
from shared.state.azure.tables import FenceGoneError, Operation, Rows
from shared.values.changes import ChunkOutcome
from shared.values.jobs import Job, JobState
from tests import azurite

NOW = datetime(2025, 3, 1, tzinfo=UTC)
JOB = Job("job-1", "accounts", JobState.QUEUED, "nia", NOW)
PLAIN = st.text("abzAZ019._-", min_size=1, max_size=8).map(lambda text: f"a{text}")


@pytest.fixture
def state(storage: azurite.Account, tmp_path: Path) -> AzureState:
    name = f"u{abs(hash(tmp_path)):x}"
    return connect(Account(connection=lambda: storage.connection, table=name, container=name))


@given(st.text(max_size=300), st.text(max_size=300))
def test_two_names_never_share_a_partition(one: str, other: str) -> None:
    """And no key holds what a key may not hold, or is too long."""
    assert (keys.partition(one) == keys.partition(other)) == (one == other)
    assert not set(keys.partition(one)) & set("/\\#?\t\n\r")
    assert len(keys.partition(one)) < 256


@given(st.lists(st.tuples(st.datetimes(datetime(1901, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)), PLAIN)))  # noqa: DTZ001
def test_the_newest_sorts_first(jobs: list[tuple[datetime, str]]) -> None:
    """By time, then by id, both from the greatest down; and `older_than` parts them at a time."""
    assert sorted(jobs, key=lambda one: keys.age(*one)) == sorted(jobs, reverse=True)
    for (one, _), (other, name) in itertools.pairwise(jobs):
        assert (keys.age(other, name) >= keys.older_than(one)) == (other < one)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DefaultEndpointsProtocol=https",
        "AccountName=a;AccountKey=c2VjcmV0;TableEndpoint=https://a.table.core.windows.net;BlobEndpoint=https://a.blob.core.windows.net",
        "SharedAccessSignature=sv=1;TableEndpoint=http://a.table.core.windows.net;BlobEndpoint=http://a.blob.core.windows.net",
        "TableEndpoint=http://127.0.0.1:1/a;BlobEndpoint=https://a.blob.core.windows.net;AccountName=a;AccountKey=c2VjcmV0",
    ],
)
def test_an_account_key_is_for_this_machine_only(text: str) -> None:
    """A key, or plain HTTP, to another host is refused before anything is sent; the text is never shown."""
    with pytest.raises(RefuseError, match="connection string") as refused:
        connect(Account(connection=lambda: text))
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.needs("azurite")
@pytest.mark.filterwarnings("ignore:Testing an element:DeprecationWarning")  # of the library itself
def test_a_refused_sign_in_is_said(storage: azurite.Account) -> None:
    """The message says which roles are needed, and shows no key."""
    key = storage.connection.replace("AccountKey=", "AccountKey=AAAA")
    with pytest.raises(AuthenticationError, match="refused the sign-in") as refused:
        connect(Account(connection=lambda: key))
    assert storage.key not in str(refused.value)


@pytest.mark.needs("azurite")
def test_a_file_whose_row_is_not_written_is_not_there(
    state: AzureState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death between blob and row leaves the old file; a stale holder's blob is taken away again."""
    state.save(JOB)
    made = tmp_path / "made"
    made.write_text("old", encoding="utf-8")
    state.put("job-1", "plan", made)
    made.write_text("new", encoding="utf-8")

    def fail(*_: object, **__: object) -> None:
        raise StateError("went down")

    with monkeypatch.context() as broken, pytest.raises(StateError, match="went down"):
        broken.setattr(Rows, "commit", fail)
        state.put("job-1", "plan", made)
    assert made.exists()
    assert state.path("job-1", "plan").read_text(encoding="utf-8") == "old"

    lease = state.acquire("accounts", "job-1", now=NOW, seconds=1)
    state.acquire("accounts", "job-1", now=NOW + timedelta(seconds=1), seconds=1)
    blobs = len(list(state._blobs._client.list_blob_names()))
    with pytest.raises(StaleLeaseError):
        state.under(lease).put("job-1", "plan", made)
    assert len(list(state._blobs._client.list_blob_names())) == blobs


@pytest.mark.needs("azurite")
def test_the_fence_alone_keeps_a_late_write_out(state: AzureState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the lease is lost after it was looked at: the transaction itself is refused, whole."""
    state.save(JOB)
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=1)
    state.acquire("accounts", "job-1", now=NOW + timedelta(seconds=1), seconds=1)
    late = state.under(lease)
    monkeypatch.setattr(AzureState, "_require_right", lambda *_: None)
    with pytest.raises(StateError):
        late.record("job-1", ChunkOutcome(0, 0, 9, answered=True))
    with pytest.raises(StateError):
        late.save(Job("job-1", "accounts", JobState.RUNNING, "nia", NOW))
    with pytest.raises(FenceGoneError):
        state._rows.commit(keys.partition("accounts"), [], fence=keys.fence(lease.epoch))
    assert (state.chunks("job-1"), state.get("job-1")) == ([], JOB)


@pytest.mark.needs("azurite")
def test_a_lost_answer_to_taking_the_lease_takes_it_once(state: AzureState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is sent again, finds itself carried out, and the epoch rises by one only."""
    from shared.state.azure.tables import MovedRowError

    state.save(JOB)
    commit = Rows.commit
    lost: list[int] = []

    def answer_lost(rows: Rows, partition: str, operations: list[Operation], **how: Any) -> None:
        commit(rows, partition, operations, **how)
        if not lost:
            lost.append(1)
            raise MovedRowError

    monkeypatch.setattr(Rows, "commit", answer_lost)
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    assert (lease.epoch, lost) == (1, [1])
    state.under(lease).save(JOB)


@pytest.mark.needs("azurite")
def test_a_list_that_leads_nowhere_is_passed_over(state: AzureState, monkeypatch: pytest.MonkeyPatch) -> None:
    """A death between the lists and the job: it is as if it had never been saved, and can be saved again."""

    def fail(*_: object, **__: object) -> None:
        raise StateError("went down")

    with monkeypatch.context() as broken, pytest.raises(StateError):
        broken.setattr(AzureState, "_commit", fail)
        state.save(JOB)
    assert (state.list(), state.list(sync="accounts"), state.find("job")) == ([], [], [])
    state.save(JOB)
    assert (state.list(), state.list(sync="accounts"), state.find("job")) == ([JOB], [JOB], ["job-1"])


@pytest.mark.needs("azurite")
def test_the_open_jobs_of_all_syncs_are_few(state: AzureState, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer asks for them every minute: what is asked does not grow with the jobs that have ended."""
    for number in range(8):
        job = replace(JOB, id=f"job-{number}", sync=f"sync-{number % 2}", created_at=NOW + timedelta(seconds=number))
        state.save(job)
        if number < 6:
            state.save(replace(job, state=JobState.CANCELLED))
    asked: list[object] = []
    get = Rows.get
    monkeypatch.setattr(Rows, "get", lambda rows, *where: asked.append(where) or get(rows, *where))

    assert [one.id for one in state.list(states=[JobState.QUEUED, JobState.RUNNING])] == ["job-7", "job-6"]
    assert [one.id for one in state.list(states=[JobState.QUEUED], limit=1)] == ["job-7"]
    assert [one.id for one in state.list(states=[JobState.CANCELLED], limit=3)] == ["job-5", "job-4", "job-3"]
    assert len(asked) == 4


@pytest.mark.needs("azurite")
def test_half_a_copy_leaves_nothing(state: AzureState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full while a file is fetched is not filled further by every other try."""
    made = tmp_path / "made"
    made.write_bytes(b"rows")
    state.save(JOB)
    state.put("job-1", "plan", made)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, pytest.raises(StateError, match="No space left"):
        broken.setattr(Path, "replace", full)
        state.path("job-1", "plan")
    assert [path for path in state._blobs._cache.rglob("*") if path.is_file()] == []
    assert state.path("job-1", "plan").read_bytes() == b"rows"


@pytest.mark.needs("azurite")
def test_copies_that_nobody_asks_for_go(state: AzureState, tmp_path: Path) -> None:
    """An app's process lives for weeks, and its disk is small; what is asked for again within a day stays."""
    state.save(JOB)
    for name in ("one", "two", "three"):
        made = tmp_path / name
        made.write_bytes(name.encode())
        state.put("job-1", name, made)
    now = 0.0
    state._blobs._monotonic = lambda: now
    one, two = (state.path("job-1", name) for name in ("one", "two"))
    now = 80_000.0
    assert state.path("job-1", "two") == two
    now = 90_000.0
    three = state.path("job-1", "three")
    assert [path.exists() for path in (one, two, three)] == [False, True, True]
    assert state.path("job-1", "one").read_bytes() == b"one"


@pytest.mark.needs("azurite")
def test_a_long_job_that_is_half_forgotten_can_still_be_read(
    state: AzureState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text too long for a row goes after its row, so a death between leaves a job that is listed and forgotten."""
    monkeypatch.setattr("shared.state.azure.texts._MOST_BYTES", 10)
    state.save(replace(JOB, state=JobState.FAILED))

    def fail(*_: object) -> None:
        raise StateError("went down")

    with monkeypatch.context() as broken, pytest.raises(StateError):
        broken.setattr(AzureState, "_remove", fail)
        state.forget("job-1")
    with monkeypatch.context() as broken, pytest.raises(StateError):
        broken.setattr(state._jobs, "key", fail)
        state.forget("job-1")
    assert [one.id for one in state.list(sync="accounts")] == ["job-1"]
    state.forget("job-1")
    assert (state.list(), list(state._blobs._client.list_blob_names())) == ([], [])


@pytest.mark.needs("azurite")
def test_a_line_that_is_closed_after_every_write_is_no_harm(
    state: AzureState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction of a job's holder is carried out, its answer is lost, and it is sent again: all is as it was to
    be, and once; also where no answer comes at all."""
    state.save(JOB)
    send = TableClient.submit_transaction
    answers = itertools.cycle([True, False])

    def lost(client: TableClient, operations: Any, **how: Any) -> Any:
        done = send(client, operations, **how)
        if next(answers):
            raise ServiceResponseError("the line was closed")
        return done

    monkeypatch.setattr(TableClient, "submit_transaction", lost)
    lease = state.acquire("accounts", "job-1", now=NOW, seconds=60)
    lease = state.renew(lease, now=NOW + timedelta(seconds=1), seconds=60)
    ours = state.under(lease)
    running = replace(JOB, state=JobState.RUNNING)
    ours.save(running)
    ours.record("job-1", ChunkOutcome(0, 0, 9, answered=True))
    for name in ("plan", "report"):
        made = tmp_path / name
        made.write_text(name, encoding="utf-8")
        ours.put("job-1", name, made)
    ours.drop("job-1", "report")
    assert (ours.get("job-1"), ours.names("job-1"), len(ours.chunks("job-1"))) == (running, ["plan"], 1)
    ours.save(replace(running, state=JobState.FAILED))
    ours.forget("job-1")
    ours.release(lease)
    assert (lease.epoch, state.find("job"), list(state._blobs._client.list_blob_names())) == (1, [], [])
    answers = itertools.cycle([True])
    assert state.acquire("accounts", "job-2", now=NOW, seconds=60).epoch == lease.epoch + 1
