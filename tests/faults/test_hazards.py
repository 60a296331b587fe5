"""What else can go wrong around a job: rivals, late writes, edits, clocks, full disks, a store that restarts."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from requests.adapters import HTTPAdapter

from shared.errors import AlreadyRunningError, RefuseError, StaleLeaseError, StateError
from shared.state import claims
from shared.values.jobs import Job, JobState
from tests import azurite
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync, column
from tests.faults.asked import some
from tests.faults.kill_stories import ENDED, STORIES, Left, go_on, left, start
from tests.faults.powercut import LONGEST_WAIT_S, Clocks, Power, PowerCutError, born, buried
from tests.faults.trials import Cut, Trial, Within, in_store

pytestmark = pytest.mark.usefixtures("small")
STORY = STORIES["delete"]
MODES = ["run", "approved", "queue"]
KEYS = ["accountnumber", "new_externalkey"]


@pytest.fixture(scope="module")
def clean() -> list[Left]:
    """What one clean run of the story leaves, once there was one."""
    return []


@pytest.fixture
def expected(world: World, power: Power, tmp_path: Path, clean: list[Left]) -> Left:
    """What one clean run of the story leaves; its rows are there again for another job."""
    STORY.begin(world)
    if not clean:
        trial = Trial(in_store(world, tmp_path / "clean", {}), "run", Within(power))
        job = trial.run()
        clean.append(left(trial.world, STORY, job))
        STORY.begin(world)
    return clean[0]


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dead process was on another machine: nothing proves its death but time."""
    monkeypatch.setattr(claims.Claims, "take", lambda *_: False)


# ---- rivals


@pytest.mark.parametrize("key", KEYS)
def test_two_approved_plans_make_one_row(world: World, key: str) -> None:
    """Two syncs plan the same new key, and both plans are approved: the second finds the row and is told."""
    one = Sync(columns={"no": "text", "name": "text"}, maps={"no": key, "name": "name"}, key=[key])
    other = one.but(name="other")
    plans = [sync.plan(world, ["K1", sync.name], ["K2", sync.name]) for sync in (one, other)]
    jobs = [closes(world.apply(plan)) for plan in plans]
    assert [job.source.created for job in jobs] == [2, 0]
    assert jobs[1].source.conflict == 2
    assert column(world, "name", key=key) == {"K1": "story", "K2": "story"}


def test_an_older_plan_never_comes_back(world: World, power: Power, expected: Left) -> None:
    """Job 1 is cancelled in its course, job 2 runs, and job 1 is resumed: it is refused, and nothing is written."""
    clocks = Clocks()
    with power.flows():
        first = world.plan("story")
    power.at["after record"] = lambda: world.app.cancel(first.id, by="nia")
    with power.flows():
        first = closes(world.apply(first))
    assert first.state is JobState.CANCELLED
    assert first.source.not_attempted
    second = born(world.app, clocks).start(
        "story", variables={}, files={}, started_by="tester", progress=ignore, apply=True
    )
    assert closes(second).state in ENDED
    world.dataverse.clear_requests()
    with pytest.raises(RefuseError, match="is not the newest"):
        world.apply(first)
    assert world.writes() == []
    assert left(world, STORY, second).rows == expected.rows


def test_two_workers_race_for_every_slice(world: World, expected: Left) -> None:
    """Both are nudged all the time: each slice is one worker's, and the job ends as one run does."""
    job = start(world.app, "queue")
    chance = random.Random(7)

    def works() -> int:
        app, slices = world.app, 0
        while app.job(job.id).state in (JobState.QUEUED, JobState.RUNNING):
            with suppress(AlreadyRunningError):
                app.slice(job.id, progress=ignore, stopping=lambda: chance.random() < 0.3)
                slices += 1
        return slices

    with ThreadPoolExecutor(2) as pool:
        slices = [worker.result() for worker in [pool.submit(works) for _ in range(2)]]
    done = world.app.job(job.id)
    assert left(world, STORY, done) == expected, slices
    assert done.slices is not None
    assert done.slices.begun <= sum(slices)


@pytest.mark.parametrize("moment", ["before mark_sent", "after mark_sent", "before POST", "after record", "before put"])
def test_a_worker_that_wakes_too_late_does_nothing(
    world: World, power: Power, expected: Left, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It slept longer than its lease, another one ended the job: it sends and stores nothing more, and is told so."""
    elsewhere(monkeypatch)
    sleeper, other, ended = Clocks(), Clocks(), []
    job = start(world.app, "queue")

    def overslept() -> None:
        sleeper.ahead_s += 10_000
        other.ahead_s += 10_000
        done = born(world.app, other).slice(job.id, progress=ignore)
        while done.state is JobState.RUNNING:
            done = born(world.app, other).slice(job.id, progress=ignore)
        ended.append(done)
        world.dataverse.clear_requests()

    if moment == "before POST":
        power.at["after mark_sent"] = lambda: power.at.update({"before POST": overslept})
    else:
        power.at[moment] = overslept
    with power.flows(), pytest.raises(StaleLeaseError):
        born(world.app, sleeper).slice(job.id, progress=ignore)
    (done,) = ended
    late = [write for write in world.writes() if "$batch" in write or "Multiple" in write]
    assert late == [] or moment == "before POST", "a request that was on its way already cannot be called back"
    assert world.app.job(job.id) == done
    assert left(world, STORY, done).rows == expected.rows


# ---- time


@pytest.mark.parametrize("mode", MODES)
def test_a_write_that_commits_after_its_client_died(
    world: World, power: Power, expected: Left, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str
) -> None:
    """Any writing request is committed by the service while the next process waits: done, never done twice."""
    elsewhere(monkeypatch)
    whole = Trial(in_store(world, tmp_path / "whole", {}), mode, Within(power))
    whole.run()
    names = enumerate(whole.passed, 1)
    writes = [n for n, name in names if name.startswith("before POST") and "token" not in name]
    assert len(writes) > 5
    for cut_at in some(writes, len(MODES), MODES.index(mode)):
        STORY.begin(world)
        power.late.clear()
        lives = Within(power, while_asleep=lambda: delivered(power))
        trial = Trial(in_store(world, tmp_path / f"cut{cut_at}", {}), mode, lives)
        trial.next_cut = lambda trial=trial, at=cut_at: None if trial.deaths else Cut(at - len(trial.passed))  # type: ignore[misc]
        job = trial.run()
        assert not power.late
        assert left(trial.world, STORY, job) == expected, trial.deaths


def delivered(power: Power) -> None:
    """The service carries out what the dead process had sent."""
    while power.late:
        on, power.on = power.on, False
        adapter = HTTPAdapter()
        adapter.send(power.late.pop(), timeout=20).close()
        adapter.close()
        power.on = on


JUMPS = list(itertools.product((-86_400.0, -100.0, 100.0, 86_400.0), ("between", "before mark_sent", "before put")))


@pytest.mark.parametrize(("jump_s", "moment"), some(JUMPS, 2))
def test_a_clock_that_jumps_does_no_harm(
    world: World, power: Power, expected: Left, monkeypatch: pytest.MonkeyPatch, jump_s: float, moment: str
) -> None:
    """Set forward or back by a day, between two processes or in the course: the job ends as one run does."""
    elsewhere(monkeypatch)
    clocks = Clocks()
    job = start(born(world.app, clocks), "queue")

    def jumped() -> None:
        clocks.skewed_s += jump_s

    if moment != "between":
        power.at[moment] = jumped
    with suppress(PowerCutError), power.flows(60):
        born(world.app, clocks).slice(job.id, progress=ignore)
    if moment == "between":
        jumped()
    for _ in range(20):
        with suppress(AlreadyRunningError), power.flows():
            job = born(world.app, clocks).slice(job.id, progress=ignore)
        if job.state in ENDED:
            break
        clocks.ahead_s += 60
    assert left(world, STORY, job) == expected


# ---- people


def test_an_edit_between_a_chunk_and_its_resumption_stays(world: World, power: Power) -> None:
    """Of updates that were done, in doubt, and still to come: no edit by a person is written over."""
    sync = STORY.sync.but(maps={"no": "accountnumber", "name": "name"}, columns={"no": "text", "name": "text"})
    sync = sync.behaving(dropped="ignore")
    world.clear("account")
    world.dataverse.insert("account", [{"accountnumber": f"A{n}", "name": "old"} for n in range(6)])
    sync.read(world, *[[f"A{n}", f"new {n}"] for n in range(6)])
    clocks = Clocks()
    power.at["after record"] = lambda: power.at.update(
        {"after mark_sent": lambda: setattr(power, "cut_at", power.points + 1)}
    )
    with pytest.raises(PowerCutError), power.flows():
        start(born(world.app, clocks), "run")
    buried()
    clocks.ahead_s += LONGEST_WAIT_S
    ids = column(world, "accountid")
    assert [row["name"] for row in world.dataverse.rows("account")] == ["new 0", "new 1", *["old"] * 4]
    for number in (0, 2, 4):
        world.edit("accounts", ids[f"A{number}"], {"name": "by hand"})
    job = closes(go_on(born(world.app, clocks), "run"))
    assert (job.source.updated, job.source.conflict) == (4, 2)
    assert list(column(world, "name").values()) == ["by hand", "new 1", "by hand", "new 3", "by hand", "new 5"]


# ---- disks and stores


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


FULL: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a file of the job": lambda patch: patch.setattr("shared.state.artifacts._sync", full),
    "a copy from another disk": lambda patch: patch.setattr("shared.state.artifacts._rename", full),
    "a page of the destination": lambda patch: patch.setattr(Path, "write_bytes", full),
    "the unfinished draft": lambda patch: patch.setattr("shared.engine.slicing.shutil.copyfile", full),
}


FULL_IN = [(where, ("run", "queue")[(n + turn) % 2]) for n, where in enumerate(FULL) for turn in (0, 1)]


@pytest.mark.parametrize(("where", "mode"), some(FULL_IN, 2))
def test_a_full_disk_ends_the_job_in_words_and_it_goes_on(
    world: World, power: Power, expected: Left, where: str, mode: str
) -> None:
    """The job says what is full, or leaves it to the command to say; with room again it ends as one run does."""
    looks = iter([False] * 3 + [True] * 3)
    with pytest.MonkeyPatch.context() as patch:
        FULL[where](patch)
        for _ in range(3):
            with suppress(StateError):
                job = go_on(world.app, mode, lambda: next(looks, False))
    assert job.state in (JobState.FAILED, JobState.RUNNING, JobState.QUEUED, *ENDED)
    job = world.app.jobs(limit=1)[0]
    for _ in range(3):
        if job.state not in ENDED:
            job = world.apply(job)
    assert left(world, STORY, job) == expected


@pytest.mark.needs("azurite")
def test_a_store_that_restarts_in_the_course(world: World, power: Power, expected: Left, tmp_path: Path) -> None:
    """Azure Storage is away for a moment, in the middle of a job: the job goes on, or is gone on with."""
    with azurite.restartable(tmp_path / "azurite") as (account, restart):
        environ = {"DYNSYNC_STATE_SECRET": "the-store", "DYNSYNC_SECRET_THE_STORE": account.connection}
        moved = in_store(world, tmp_path / "none", environ)
        power.at["CreateMultiple"] = restart
        clocks = Clocks()
        for _ in range(3):
            with suppress(StateError), power.flows():
                job = go_on(born(moved.app, clocks), "run")
                if job.state in ENDED:
                    break
            clocks.ahead_s += 10_000
        assert not power.at, "it was not restarted"
        assert left(moved, STORY, job) == expected


# ---- the real thing

CHILD = [sys.executable, "-m", "shared.cli"]


@pytest.mark.parametrize("seed", [0])
def test_a_killed_process_is_taken_on(world: World, expected: Left, seed: int) -> None:
    """The command itself, killed at random instants; `apply` takes the job on at once, on the same machine."""
    chance = random.Random(seed)
    where = ["--state", str(world.folder / "state"), "--syncs", str(world.folder / "syncs")]
    environ = {**os.environ, **world.environ}
    life_s, killed = 1.0, 0
    for _ in range(60):
        jobs = world.app.jobs(limit=1)
        if jobs and jobs[0].state in ENDED:
            break
        words = ["apply", jobs[0].id] if jobs else ["run", "story"]
        child = subprocess.Popen(
            [*CHILD, *words, *where], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        began = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0.3, 1.0) * life_s if killed < 4 else 120)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
        life_s = max(life_s, min(2 * life_s, 2 * (time.monotonic() - began)))
    job: Job = world.app.jobs(limit=1)[0]
    assert left(world, STORY, job) == expected, f"seed {seed}, killed {killed} times"
    assert killed, f"seed {seed}"
