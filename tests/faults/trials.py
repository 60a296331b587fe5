"""Jobs whose processes die, one after the other, until one of them has come to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest

from shared.state import azure
from shared.values.jobs import Job, JobState
from shared.wiring import LocalApp
from tests.e2e.conftest import World
from tests.faults.kill_stories import ENDED, go_on
from tests.faults.powercut import LONGEST_WAIT_S, Clocks, Power, PowerCutError, born, buried

MOST_DEATHS = 300
AT_WORK = (JobState.QUEUED, JobState.RUNNING, JobState.AWAITING_APPROVAL)


def never() -> bool:
    """A slice that goes on."""
    return False


@dataclass(frozen=True)
class Place:
    """Where definitions and the store are: all that a process has to know. `table`: the store's name in Azure."""

    state: Path
    syncs: Path
    environ: Mapping[str, str]
    table: str = ""

    def app(self) -> LocalApp:
        """The app of a new process."""
        opened = azure.opened
        with pytest.MonkeyPatch.context() as patch:
            if self.table:
                named = lambda given: opened(replace(given, table=self.table, container=self.table))  # noqa: E731
                patch.setattr(azure, "opened", named)
            return LocalApp(state=self.state, syncs=self.syncs, environ=self.environ)


@dataclass
class Moved(World):
    """A world with another store."""

    place: Place

    @property
    def app(self) -> LocalApp:
        return self.place.app()


def in_store(world: World, folder: Path, environ: Mapping[str, str], table: str = "") -> Moved:
    """The same world with another store."""
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    whole = world.environ | environ
    place = Place(state, world.folder / "syncs", whole, table)
    return Moved(world.dataverse, world.folder, whole, place)


@dataclass(frozen=True)
class Cut:
    """Where a process dies: at its `at`th point, or `after_s` seconds later, wherever it is by then."""

    at: int
    after_s: float | None = None


@dataclass(frozen=True)
class End:
    """What became of a process: the points that it passed, and the job; None when it died."""

    passed: Sequence[str]
    ahead_s: float
    job: Job | None = None


@dataclass(frozen=True)
class Life:
    """What one process is to do: bring the newest job on. `ahead_s`: its clocks, as `Clocks`."""

    place: Place
    mode: str
    ahead_s: float
    cut: Cut | None
    stopping: Callable[[], bool]


class Lives(Protocol):
    """Lives one life to its end."""

    def __call__(self, life: Life) -> End:
        """What became of it."""


@dataclass
class Trial:
    """One job that dies again and again, at points that `next_cut` names, until it has come to its end.

    `next_stopping` gives what ends the slices of the next process: a copy of it reaches that process.
    `passed` names the points that its processes passed, `deaths` those at which they died.
    """

    world: Moved
    mode: str
    lives: Lives
    next_cut: Callable[[], Cut | None] = lambda: None
    next_stopping: Callable[[], Callable[[], bool]] = lambda: never
    clocks: Clocks = field(default_factory=Clocks)
    deaths: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)

    def run(self) -> Job:
        """To the end."""
        while len(self.deaths) < MOST_DEATHS:
            cut, stopping = self.next_cut(), self.next_stopping()
            end = self.lives(Life(self.world.place, self.mode, self.clocks.ahead_s, cut, stopping))
            self.passed += end.passed
            self.clocks.ahead_s = end.ahead_s
            if end.job is None:
                self.deaths.append(end.passed[-1])
                self.clocks.ahead_s += LONGEST_WAIT_S
            elif end.job.state in ENDED:
                return end.job
            else:
                assert end.job.state in AT_WORK, (end.job.state, end.job.error, self.deaths)
        raise AssertionError(f"it did not end after {MOST_DEATHS} deaths: {self.deaths}")


@dataclass(frozen=True)
class Within:
    """Lives within this process, over its power. `while_asleep`: as in `Clocks`."""

    power: Power
    while_asleep: Callable[[], object] = lambda: None

    def __call__(self, life: Life) -> End:
        """One life; what it would have held is free afterwards."""
        clocks = Clocks(life.ahead_s, while_asleep=self.while_asleep)
        job = None
        try:
            with self.power.flows(life.cut.at if life.cut else None):
                job = go_on(born(life.place.app(), clocks), life.mode, life.stopping)
        except PowerCutError:
            buried()
        return End(tuple(self.power.passed), clocks.ahead_s, job)


def stretches(passed: Sequence[str]) -> Iterator[range]:
    """Points (from 1) between two writes: whoever dies at any of one stretch leaves the same behind.

    A request that only reads, or signs in, changes nothing outside the process.
    """
    first = 1
    for number, name in enumerate(passed, 1):
        if name.startswith("after ") and not name.startswith("after GET") and not name.endswith("/token"):
            yield range(first, number)
            first = number
    yield range(first, len(passed) + 1)
