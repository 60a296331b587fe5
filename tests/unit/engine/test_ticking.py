"""The timer's work: one job for one due time, however many machines tick and wherever they die."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.definitions.catalogue import definition_hash
from shared.definitions.sync import SyncDefinition
from shared.engine.ticking import Ticker
from shared.errors import DynsyncError, RefuseError, StateError, UnavailableError
from shared.state import LocalState
from shared.state.events import open_database
from shared.state.schedules import LocalSchedules
from shared.values.jobs import Job, JobState, Slices

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def definition(name: str = "accounts", cron: str = "0 * * * *", **more: object) -> SyncDefinition:
    return SyncDefinition.model_validate(
        {
            "name": name,
            "version": "1.0.0",
            "source": {"type": "delimited", "path": "a.csv", "schema": [{"name": "no", "type": "text"}]},
            "destination": {
                "type": "dynamics",
                "entity": "account",
                "service_url": "https://org.crm4.dynamics.com",
                "auth": "managed_identity",
                "id_column": "accountid",
            },
            "mappings": [{"source": "no", "target": "accountnumber"}],
            "behaviour": {"strategy": "full", "key": ["accountnumber"]},
            "schedule": {"cron": cron, "time_zone": "UTC"},
            **more,
        }
    )


@dataclass
class World:
    """Stores in a folder, a clock that is set, and tickers that share both."""

    folder: Path
    now: datetime = NOON
    asked: list[str] = field(default_factory=list)
    error: DynsyncError | None = None

    def __post_init__(self) -> None:
        self.state = LocalState(self.folder)
        self.schedules = LocalSchedules(open_database(self.folder))

    def ticker(self, before: Callable[[], None] = lambda: None) -> Ticker:
        """As of one machine; `before` happens before it queues."""
        state = LocalState(self.folder)

        def queue(of: SyncDefinition, job_id: str, made_at: datetime) -> Job:
            before()
            self.asked.append(job_id)
            if self.error:
                raise self.error
            made = Job(job_id, of.name, JobState.QUEUED, "schedule", made_at, of.version, definition_hash(of))
            state.add(replace(made, slices=Slices()), {})
            return made

        return Ticker(state, LocalSchedules(open_database(self.folder)), queue)

    def tick(self, *definitions: SyncDefinition, at: datetime | None = None) -> list[Job]:
        self.now = at or self.now
        return self.ticker().tick(definitions or [definition()], self.now)

    def end(self, job: Job, state: JobState = JobState.SUCCEEDED) -> None:
        stored = self.state.get(job.id)
        if stored.state is JobState.QUEUED:
            self.state.save(replace(stored, state=JobState.RUNNING))
        self.state.save(replace(stored, state=state, finished_at=self.now))

    def jobs(self) -> list[Job]:
        return self.state.list(limit=1000)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def test_a_new_schedule_counts_from_now(world: World) -> None:
    """Nothing was missed before it was there; then every due time brings one job, and ticks between bring none."""
    assert world.tick(at=NOON + MINUTE) == []
    assert world.tick(at=NOON + 59 * MINUTE) == []
    (first,) = world.tick(at=NOON + HOUR)
    world.end(first)
    assert world.tick(at=NOON + HOUR + MINUTE) == []
    (second,) = world.tick(at=NOON + 2 * HOUR)
    assert (first.id[:15], second.id[:15]) == ("20260304-130000", "20260304-140000")


def test_missed_runs_are_caught_up_once(world: World) -> None:
    """After ten hours without a tick one job is queued, for the last of the missed times."""
    world.tick()
    (job,) = world.tick(at=NOON + 10 * HOUR + 5 * MINUTE)
    assert job.id.startswith("20260304-220000")
    world.end(job)
    assert world.tick(at=NOON + 10 * HOUR + 6 * MINUTE) == []


def test_a_clock_that_ran_ahead_stops_no_schedule(world: World) -> None:
    """Set back by years, the schedule counts from now on, as a new one does; by minutes, nothing is queued twice."""
    world.tick()
    (ahead,) = world.tick(at=NOON + timedelta(days=1000))
    world.end(ahead)
    assert world.tick(at=NOON + HOUR + MINUTE) == []
    (job,) = world.tick(at=NOON + 2 * HOUR)
    assert job.id.startswith("20260304-140000")
    world.end(job)
    assert world.tick(at=NOON + HOUR) == world.tick(at=NOON + 2 * HOUR + MINUTE) == []


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_no_job_overlaps_another(world: World, state: JobState) -> None:
    """While a job waits or runs, nothing is queued; what was missed meanwhile is caught up once when it has ended."""
    world.tick()
    (job,) = world.tick(at=NOON + HOUR)
    if state is JobState.RUNNING:
        world.state.save(replace(world.state.get(job.id), state=state))
    assert world.tick(at=NOON + 3 * HOUR) == []
    world.end(job)
    (late,) = world.tick(at=NOON + 5 * HOUR)
    assert late.id.startswith("20260304-170000")
    assert len(world.jobs()) == 2


def test_a_plan_that_waits_for_a_person_holds_nothing_up(world: World) -> None:
    """The newer job takes the old plan's place when it runs."""
    world.tick()
    (job,) = world.tick(at=NOON + HOUR)
    world.end(job, JobState.AWAITING_APPROVAL)
    assert len(world.tick(at=NOON + 2 * HOUR)) == 1


def test_what_passes_while_switched_off_is_not_missed(world: World) -> None:
    """Switched on again, it waits for its next time."""
    world.tick()
    assert world.tick(definition(enabled=False), at=NOON + 5 * HOUR) == []
    assert world.tick(at=NOON + 5 * HOUR + MINUTE) == []
    assert len(world.tick(at=NOON + 6 * HOUR)) == 1


def test_another_expression_counts_from_its_first_sight(world: World) -> None:
    """A schedule that was changed does not bring a job for a time before the change."""
    world.tick()
    assert world.tick(definition(cron="30 * * * *"), at=NOON + 3 * HOUR) == []
    assert len(world.tick(definition(cron="30 * * * *"), at=NOON + 3 * HOUR + 30 * MINUTE)) == 1


def test_machines_that_tick_at_once_queue_one_job(world: World) -> None:
    """Eight threads, each with stores of its own, meet before they queue: one job, and no error."""
    world.tick()
    world.now = NOON + HOUR
    gate = threading.Barrier(8)
    queued: list[Job] = []

    def run() -> None:
        queued.extend(world.ticker(lambda: [gate.wait(30)][:0]).tick([definition()], world.now))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(queued), len(world.jobs()), len(world.asked)) == (1, 1, 8)


def test_a_machine_that_dies_before_it_notes_leaves_one_job(world: World) -> None:
    """The job is queued, the mark is old: the next tick finds the job by its id, also when that has ended by then."""
    world.tick()
    mark = world.schedules.mark("accounts")
    assert mark is not None
    (job,) = world.tick(at=NOON + HOUR)
    world.schedules.change("accounts", lambda _: mark)
    assert world.tick(at=NOON + HOUR + MINUTE) == []
    world.end(job)
    world.schedules.change("accounts", lambda _: mark)
    assert world.tick(at=NOON + HOUR + 2 * MINUTE) == []
    assert len(world.jobs()) == 1


@pytest.mark.parametrize("error", [UnavailableError("away"), StateError("the store is away")])
def test_what_may_work_later_is_tried_again(world: World, error: DynsyncError) -> None:
    """No job, no note; the other syncs have their turn; the next tick queues it."""
    world.tick(definition(), definition("cities"))
    world.error = error
    assert world.tick(definition(), definition("cities"), at=NOON + HOUR) == []
    assert len(world.asked) == 2
    world.error = None
    assert len(world.tick(definition(), definition("cities"), at=NOON + HOUR + MINUTE)) == 2


def test_what_cannot_be_queued_leaves_a_job_that_says_why(world: World) -> None:
    """A failed job with the reason, once per due time, that stands in no plan's way."""
    world.tick()
    world.error = RefuseError("the variable 'extract' has no value")
    for late in (0, 1, 2):
        assert world.tick(at=NOON + HOUR + late * MINUTE) == []
    (job,) = world.jobs()
    assert (job.state, job.started_by, job.error) == (JobState.FAILED, "schedule", str(world.error))
    assert not job.has_begun


def test_a_sync_without_schedule_is_left_alone(world: World) -> None:
    """No mark, no job."""
    assert world.tick(definition(schedule=None), at=NOON + 5 * HOUR) == []
    assert world.schedules.mark("accounts") is None


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.tuples(st.integers(0, 200), st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_any_course_of_ticks(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool, bool]]) -> None:
    """Ticks at any distance, jobs that end or go on, marks that are lost: one job for a due time, never two at once."""
    world = World(tmp_path_factory.mktemp("state"))
    world.tick()
    open_jobs: list[Job] = []
    for minutes, ends, forgets in steps:
        mark = world.schedules.mark("accounts")
        queued = world.tick(at=world.now + minutes * MINUTE)
        assert not (queued and open_jobs)
        open_jobs += queued
        if forgets and mark is not None:
            world.schedules.change("accounts", lambda _, mark=mark: mark)
        if ends and open_jobs:
            world.end(open_jobs.pop())
    ids = [job.id for job in world.jobs()]
    assert len(ids) == len(set(ids))
    assert len(world.asked) == len(ids)
