"""Killed at any instant, on either store, and taken on by another process, a job ends as one clean run does.

Every death is a SIGKILL of a process of its own (`mortals`). By default some hundred random instants and a few numbered
points are visited. DYNSYNC_KILLS=all visits every stretch between two writes, at one of its points, and 300 random
instants on each store; DYNSYNC_KILLS=every visits every point of every stretch, of all kinds of jobs in all ways. A
failure names its seed and the points at which processes died.
"""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.azurite import Account
from tests.e2e.conftest import World
from tests.faults.asked import ASKED, FEW
from tests.faults.kill_stories import STORIES, Left, left
from tests.faults.mortals import apart
from tests.faults.prepared import Prepared
from tests.faults.trials import Cut, Moved, Trial, in_store, stretches

UNDO = ("undo", "undo from the queue")
JOBS = [*itertools.product(STORIES, ("run", "approved", "queue")), *itertools.product(("delete", "deactivate"), UNDO)]
SOME = [
    ("delete", "run"),
    ("expire", "approved"),
    ("deactivate", "queue"),
    ("derived", "run"),
    ("delete", "undo"),
    ("deactivate", "undo from the queue"),
]
"""Every kind of job, and every way to run one."""
SWEPT = {"few": {"local": SOME, "azure": SOME[:1]}, "every": {"local": JOBS, "azure": JOBS}}.get(
    ASKED, {"local": SOME, "azure": SOME}
)
EVERY = {"local": 40, "azure": 40} if FEW else {"local": 1, "azure": 1}
"""Of so many stretches one is visited."""
PARTS = 4
INSTANTS = {"local": 60, "azure": 16} if FEW else {"local": 300, "azure": 300}
"""Random instants of all parts together, at least."""
AZURE = pytest.mark.needs("azurite")
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=AZURE)]
SWEEPS = [
    pytest.param(store, *job, id=" ".join((store, *job)), marks=[AZURE] if store == "azure" else [])
    for store, jobs in SWEPT.items()
    for job in jobs
]
AROUND = {"local": (130, 45), "azure": (280, 90)}
"""How many points a process lives at most: while the plan is made, and while it is applied."""
LONGER = 1.1
"""By so much the next one lives longer, after each death: without it, a job that begins anew might never end."""


@dataclass
class Field:
    """Worlds over one Dataverse, each with a store of its own that is new, or stands where the job is to be undone."""

    world: World
    folder: Path
    store: str
    account: Account | None
    expected: dict[tuple[str, bool], Left]
    done: dict[str, Prepared] = field(default_factory=dict)

    def new(self) -> Moved:
        """A world with a new store."""
        name = f"t{uuid.uuid4().hex}"
        if self.account is None:
            return in_store(self.world, self.folder / name, {})
        environ = {"DYNSYNC_STATE_SECRET": "the-store", "DYNSYNC_SECRET_THE_STORE": self.account.connection}
        return in_store(self.world, self.folder / name, environ, name)

    def trial(self, name: str, mode: str) -> Trial:
        """A job of this story that is about to begin; nothing kills it yet."""
        world = self.new()
        if mode not in UNDO:
            STORIES[name].begin(world)
        else:
            if name not in self.done:
                done = self.trial(name, "run")
                done.run()
                self.done[name] = Prepared.of(done.world)
            self.done[name].again(world)
        return Trial(world, mode, apart)

    def clean(self, name: str, mode: str, found: Left | None = None) -> Left:
        """What one run leaves that nothing disturbs, whatever the store and the way: this one, or one made now."""
        which = name, mode in UNDO
        if which not in self.expected:
            found = found or self.ended(self.trial(name, "undo" if mode in UNDO else "run"), name)
            self.expected[which] = sound(found, mode)
        return self.expected[which]

    def ended(self, trial: Trial, name: str) -> Left:
        """What a trial leaves in the end."""
        job = trial.run()
        return left(trial.world, STORIES[name], job)


def sound(found: Left, mode: str) -> Left:
    """The same, if it is what the story is about."""
    if mode in UNDO:
        assert found.rows["A1"][0] == "old 1"
    else:
        assert (found.source.created, found.source.updated, found.source.rejected) == (3, 3, 1)
        assert found.destination.dropped == 3
    return found


@pytest.fixture(scope="session")
def expected() -> dict[tuple[str, bool], Left]:
    """What clean runs leave, by story and whether they are undone."""
    return {}


@pytest.fixture(params=STORES)
def ground(
    request: pytest.FixtureRequest, world: World, tmp_path: Path, expected: dict[tuple[str, bool], Left]
) -> Iterator[Field]:
    """A field of worlds over one kind of store."""
    account: Account | None = request.getfixturevalue("storage") if request.param == "azure" else None
    found = Field(world, tmp_path, request.param, account, expected)
    yield found
    for done in found.done.values():
        done.close()


def once_at(cut_at: int, trial: Trial) -> Callable[[], Cut | None]:
    """Dies once: at one point of all that the job passes, whichever process that is."""
    return lambda: Cut(cut_at - len(trial.passed)) if not trial.deaths and cut_at > len(trial.passed) else None


def anywhere(chance: random.Random, around: tuple[int, int], trial: Trial) -> Cut:
    """At a point, or at some moment after it; the more have died, the longer the next one lives, so that it ends."""
    applying = any("Multiple" in name or "v9.2/$batch" in name for name in trial.passed)
    at = chance.randrange(1, round(around[applying] * LONGER ** len(trial.deaths)))
    return Cut(at, chance.choice([None, chance.uniform(0, 0.04)]))


@dataclass
class Sometimes:
    """Ends slices, here and there."""

    chance: random.Random
    share: float

    def __call__(self) -> bool:
        return self.chance.random() < self.share


def sometimes(chance: random.Random, trial: Trial) -> Sometimes:
    """For the next process, its own; the more have died, the longer its slices are."""
    return Sometimes(random.Random(chance.random()), 0.2 / LONGER ** len(trial.deaths))


@pytest.mark.parametrize(("ground", "name", "mode"), SWEEPS, indirect=["ground"])
def test_a_death_at_any_point_changes_nothing(ground: Field, name: str, mode: str) -> None:
    """Before and after every write to the store and every request: rows, balances and rejects are those of one run."""
    chance, visited = random.Random(f"{name} {mode}"), 0
    whole = ground.trial(name, mode)
    found = ground.ended(whole, name)
    expected = ground.clean(name, mode, found)
    assert found == expected
    every = EVERY[ground.store]
    for stretch in itertools.islice(stretches(whole.passed), chance.randrange(every), None, every):
        for cut_at in stretch if ASKED == "every" else [chance.choice(stretch)]:
            trial = ground.trial(name, mode)
            trial.next_cut = once_at(cut_at, trial)
            found = ground.ended(trial, name)
            assert len(trial.deaths) == 1, cut_at
            assert found == expected, f"died at point {cut_at}: {trial.deaths}"
            visited += 1
    print(f"{ground.store}, {name}, {mode}: {visited} deaths, {len(whole.passed)} points")  # noqa: T201


@pytest.mark.parametrize("part", range(PARTS))
def test_deaths_at_random_instants_change_nothing(ground: Field, part: int) -> None:
    """A job that dies again and again, wherever: its slices too may end anywhere."""
    deaths, seed = 0, part * 1000
    while deaths < INSTANTS[ground.store] / PARTS:
        seed += 1
        chance = random.Random(seed)
        name, mode = JOBS[(seed * 7 + part * 4) % len(JOBS)]  # each in its turn
        expected, trial = ground.clean(name, mode), ground.trial(name, mode)
        trial.next_cut = partial(anywhere, chance, AROUND[ground.store], trial)
        if mode.endswith("queue"):
            trial.next_stopping = partial(sometimes, random.Random(seed), trial)
        found = ground.ended(trial, name)
        told = f"{ground.store}, seed {seed}, {name}, {mode}; died {len(trial.deaths)} times: {trial.deaths}"
        print(told)  # noqa: T201 - the seeds of a run are part of its record
        assert found == expected, told
        deaths += len(trial.deaths)
