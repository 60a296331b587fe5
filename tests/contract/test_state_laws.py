"""The store against a plain model: two starts of one sync do anything, in any order, while the clock jumps."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from shared.errors import AlreadyRunningError, DynsyncError, StaleLeaseError, TransitionError
from shared.ports import State
from shared.values.changes import ChunkOutcome
from shared.values.jobs import Job, JobState, Lease
from shared.values.life import TRANSITIONS, UNFINISHED
from tests.contract.test_state import Opener, opener
from tests.examples import examples

__all__ = ["opener"]
START = datetime(2025, 3, 1, tzinfo=UTC)
LENGTH_S = 60
WHO = st.sampled_from(["first", "second", "nobody"])
STATES = st.sampled_from(list(JobState))
NUMBERS = st.integers(1, 3)


@dataclass
class Model:
    """What a store is to hold, in the plainest words."""

    jobs: dict[str, Job] = field(default_factory=dict)
    chunks: dict[tuple[str, int], bool] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    holder: str | None = None
    epoch: int = 0
    until: datetime = START
    uneasy: bool = False

    def drop(self, job_id: str) -> None:
        del self.jobs[job_id]
        self.chunks = {key: answered for key, answered in self.chunks.items() if key[0] != job_id}
        self.files.pop(job_id, None)
        self.flags.pop(job_id, None)


class Starts(RuleBasedStateMachine):
    """Two starts with stores of their own, and somebody without a lease."""

    open_state: Callable[[], State]

    def __init__(self) -> None:
        super().__init__()
        self.stores = [self.open_state(), self.open_state()]
        self.leases: dict[str, Lease] = {}
        self.model = Model()
        self.now = START
        self.made = 0

    def store(self, who: str) -> State:
        """A start's store under its lease, as long as it thinks that it has one."""
        store = self.stores[who == "second"]
        return store.under(self.leases[who]) if who in self.leases else store

    def has_right(self, who: str) -> bool:
        if who not in self.leases:
            return self.model.holder is None
        lease = self.leases[who]
        return (self.model.holder, self.model.epoch) == (lease.job_id, lease.epoch)

    def expect(self, error: type[DynsyncError] | None, call: Callable[[], object]) -> bool:
        """Do it; whether it was to succeed."""
        if error is None:
            call()
            return True
        with pytest.raises(error):
            call()
        return False

    def job_id(self, number: int) -> str:
        return sorted(self.model.jobs)[number % len(self.model.jobs)]

    # ---- time and leases

    @rule(seconds=st.sampled_from([-10_000, -30, 1, 30, 59, 60, 61, 10_000]))
    def clock_jumps(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(who=st.sampled_from(["first", "second"]), number=NUMBERS)
    def acquire(self, who: str, number: int) -> None:
        model, job_id = self.model, f"job-{number}"
        latest = self.now + timedelta(seconds=LENGTH_S)
        model.until = min(model.until, latest)
        living = model.holder is not None and model.until > self.now
        store = self.stores[who == "second"]
        if not self.expect(
            AlreadyRunningError if living else None,
            lambda: self.leases.__setitem__(who, store.acquire("s", job_id, now=self.now, seconds=LENGTH_S)),
        ):
            return
        model.uneasy = model.uneasy or model.holder is not None
        model.holder, model.epoch, model.until = job_id, model.epoch + 1, latest
        lease = self.leases[who]
        assert (lease.epoch, lease.until, lease.uneasy) == (model.epoch, model.until, model.uneasy)

    @precondition(lambda self: self.leases)
    @rule(who=WHO)
    def renew(self, who: str) -> None:
        if who not in self.leases:
            return
        error = None if self.has_right(who) else StaleLeaseError
        store = self.stores[who == "second"]
        if self.expect(error, lambda: store.renew(self.leases[who], now=self.now, seconds=LENGTH_S)):
            self.model.until = self.now + timedelta(seconds=LENGTH_S)

    @precondition(lambda self: self.leases)
    @rule(who=WHO, waited=st.booleans(), forgets=st.booleans())
    def release(self, who: str, waited: bool, forgets: bool) -> None:
        if who not in self.leases:
            return
        lease = replace(self.leases[who], uneasy=False) if waited else self.leases[who]
        self.stores[who == "second"].release(lease)
        if self.has_right(who):
            self.model.holder, self.model.uneasy, self.model.until = None, lease.uneasy, START - timedelta(days=99_999)
        if forgets:
            del self.leases[who]

    # ---- jobs

    @rule(state=STATES)
    def new_job(self, state: JobState) -> None:
        self.made += 1
        job = Job(f"job-{self.made}", "s", state, "nia", START + timedelta(seconds=self.made))
        self.stores[0].save(job)
        self.model.jobs[job.id] = job

    @precondition(lambda self: self.model.jobs)
    @rule(who=WHO, number=NUMBERS, state=STATES)
    def move(self, who: str, number: int, state: JobState) -> None:
        stored = self.model.jobs[self.job_id(number)]
        error: type[DynsyncError] | None = None
        if not self.has_right(who):
            error = StaleLeaseError
        elif state is not stored.state and state not in TRANSITIONS[stored.state]:
            error = TransitionError
        job = replace(stored, state=state, notes=(*stored.notes, state.value))
        if self.expect(error, lambda: self.store(who).save(job)):
            self.model.jobs[job.id] = job

    @precondition(lambda self: self.model.jobs)
    @rule(who=WHO, number=NUMBERS)
    def forget(self, who: str, number: int) -> None:
        job = self.model.jobs[self.job_id(number)]
        error: type[DynsyncError] | None = TransitionError if job.state in UNFINISHED else None
        if self.expect(error if self.has_right(who) else StaleLeaseError, lambda: self.store(who).forget(job.id)):
            self.model.drop(job.id)

    # ---- what belongs to jobs

    @precondition(lambda self: self.model.jobs)
    @rule(who=WHO, number=NUMBERS, chunk=NUMBERS, answered=st.booleans())
    def note(self, who: str, number: int, chunk: int, answered: bool) -> None:
        job_id, noted = self.job_id(number), ChunkOutcome(chunk, chunk, chunk, answered)
        store = self.store(who)
        write = store.record if answered else store.mark_sent
        if self.expect(None if self.has_right(who) else StaleLeaseError, lambda: write(job_id, noted)):
            self.model.chunks[job_id, chunk] = answered

    @precondition(lambda self: self.model.jobs)
    @rule(who=WHO, number=NUMBERS)
    def put(self, who: str, number: int) -> None:
        job_id, text = self.job_id(number), uuid.uuid4().hex
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "made"
            made.write_text(text, encoding="utf-8")
            right = self.has_right(who)
            if self.expect(None if right else StaleLeaseError, lambda: self.store(who).put(job_id, "plan", made)):
                self.model.files[job_id] = text
            assert made.exists() is not right

    @precondition(lambda self: self.model.jobs)
    @rule(number=NUMBERS, by=st.sampled_from(["nia", "otto"]))
    def ask_to_cancel(self, number: int, by: str) -> None:
        self.stores[1].ask_to_cancel(self.job_id(number), by)
        self.model.flags.setdefault(self.job_id(number), by)

    @precondition(lambda self: self.model.flags)
    @rule(who=WHO, number=NUMBERS)
    def clear_cancel(self, who: str, number: int) -> None:
        job_id = self.job_id(number)
        error = None if self.has_right(who) else StaleLeaseError
        if self.expect(error, lambda: self.store(who).clear_cancel(job_id)):
            self.model.flags.pop(job_id, None)

    # ---- all of it

    @rule(states=st.sets(STATES, max_size=3), limit=st.integers(1, 5))
    def look(self, states: set[JobState], limit: int) -> None:
        newest = sorted(self.model.jobs.values(), key=lambda job: job.created_at, reverse=True)
        wanted = [job for job in newest if not states or job.state in states][:limit]
        for store in self.stores:
            assert store.list(sync="s", states=states, limit=limit) == wanted
            assert store.list(states=states, limit=limit) == wanted

    def teardown(self) -> None:
        store, model = self.stores[0], self.model
        assert {job.id: job for job in store.list(sync="s", limit=1000)} == model.jobs
        for number in range(1, self.made + 1):
            job_id = f"job-{number}"
            noted = {(job_id, one.chunk): one.answered for one in store.chunks(job_id)}
            assert noted == {key: answered for key, answered in model.chunks.items() if key[0] == job_id}
            kept = [store.path(job_id, name).read_text("utf-8") for name in store.names(job_id)]
            assert kept == [text for key, text in model.files.items() if key == job_id]
            assert store.cancel_asked(job_id) == model.flags.get(job_id)


def test_two_starts_do_what_the_model_does(request: pytest.FixtureRequest, opener: Opener, tmp_path: Path) -> None:
    """Whatever two starts and a bystander do, the store allows, refuses and holds what the model says."""
    in_azure = "azure" in request.node.name

    def machine() -> Starts:
        folder = tmp_path / uuid.uuid4().hex
        starts = type("Bound", (Starts,), {"open_state": lambda _: opener(folder)})
        return starts()  # type: ignore[no-any-return]

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(5 if in_azure else 40),
            stateful_step_count=25 if in_azure else 40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
