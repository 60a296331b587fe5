"""Killed at any instant, on either store, and taken on by another process, a job ends as one clean run does.

Runs a few hundred instants; DYNSYNC_KILLS=n multiplies the random ones, DYNSYNC_KILLS_EVERY=1 visits every point of the
store in Azure too. A failure names its seed and the points at which the process died.
"""

from __future__ import annotations

import functools
import os
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.dataverse.transport import Transport
from shared.state import azure
from tests.azurite import Account
from tests.e2e.conftest import World
from tests.faults.kill_stories import SMALL, STORIES, Left, Story, Trial, in_store, left
from tests.faults.powercut import Power, power

__all__ = ["power"]
TIMES = int(os.environ.get("DYNSYNC_KILLS", "1"))
EVERY = int(os.environ.get("DYNSYNC_KILLS_EVERY", "96"))
INSTANTS = {"local": 120, "azure": 5}
"""Random instants of each of two parts, at least."""
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]
MODES = ["run", "approved", "queue"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)
    monkeypatch.setattr(Transport, "wait", lambda _self, _seconds, **_: None)


@pytest.fixture(params=STORES)
def stores(
    request: pytest.FixtureRequest, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Worlds over one Dataverse, each with a new store of the kind."""
    account: Account | None = request.getfixturevalue("storage") if request.param == "azure" else None
    opened = azure.opened

    def worlds() -> Iterator[World]:
        while True:
            name = f"t{uuid.uuid4().hex}"
            environ: dict[str, str] = {}
            if account is not None:
                environ = {"DYNSYNC_STATE_SECRET": "the-store", "DYNSYNC_SECRET_THE_STORE": account.connection}
                own = functools.partial(lambda name, given: opened(replace(given, table=name, container=name)), name)
                monkeypatch.setattr(azure, "opened", own)
            yield in_store(world, tmp_path / name, environ)

    return worlds()


def clean(world: World, story: Story, power: Power) -> tuple[Left, int]:
    """What one run leaves that nothing disturbs, and how many points it passes."""
    story.begin(world)
    trial = Trial(world, power, "run", lambda: None)
    job = trial.run()
    expected = left(world, story, job)
    assert (expected.source.created, expected.source.updated, expected.source.rejected) == (3, 3, 1)
    assert expected.destination.dropped == 3
    return expected, trial.points


def once_at(cut_at: int, trial: Trial) -> Callable[[], int | None]:
    """Dies once: at one point of all that the job passes, whichever process that is."""
    return lambda: cut_at - trial.points if not trial.deaths and cut_at > trial.points else None


def later_and_later(chance: random.Random, trial: Trial) -> Callable[[], int]:
    """Anywhere; the older the job, the longer its processes live, so that it comes to its end."""
    return lambda: chance.randrange(1, 90 + 20 * len(trial.deaths))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", STORIES)
def test_a_death_at_any_point_changes_nothing(stores: Iterator[World], power: Power, name: str, mode: str) -> None:
    """Before and after every write to the store and every request: rows, balances and rejects are those of one run."""
    story, world = STORIES[name], next(stores)
    expected, _ = clean(world, story, power)
    world = next(stores)
    story.begin(world)
    whole = Trial(world, power, mode, lambda: None)
    whole.run()
    every = 1 if (name, mode) == ("delete", "run") and not world.environ.get("DYNSYNC_STATE_SECRET") else EVERY
    for cut_at in range(random.Random(f"{name} {mode}").randrange(every) + 1, whole.points + 1, every):
        world = next(stores)
        story.begin(world)
        trial = Trial(world, power, mode, lambda: None)
        trial.next_cut = once_at(cut_at, trial)
        job = trial.run()
        assert len(trial.deaths) == 1, cut_at
        assert left(world, story, job) == expected, f"died at point {cut_at}: {trial.deaths}"


@pytest.mark.parametrize("mode", ["undo", "undo from the queue"])
@pytest.mark.parametrize("name", ["delete", "deactivate"])
def test_an_undo_that_dies_changes_nothing(stores: Iterator[World], power: Power, name: str, mode: str) -> None:
    """A job is taken back, by processes that die at any point: rows and balances are those of one undo."""
    story = STORIES[name]

    def undone(cut_at: int | None) -> tuple[Left, Trial]:
        world = next(stores)
        story.begin(world)
        Trial(world, power, "run", lambda: None).run()
        trial = Trial(world, power, mode, lambda: None)
        if cut_at is not None:
            trial.next_cut = once_at(cut_at, trial)
        return left(world, story, trial.run()), trial

    expected, whole = undone(None)
    assert expected.rows["A1"][0] == "old 1"
    for cut_at in range(random.Random(f"{name} {mode}").randrange(EVERY) + 1, whole.points + 1, EVERY):
        found, trial = undone(cut_at)
        assert found == expected, f"died at point {cut_at}: {trial.deaths}"


@pytest.mark.parametrize("part", range(2))
def test_deaths_at_random_instants_change_nothing(stores: Iterator[World], power: Power, part: int) -> None:
    """A job that dies again and again, wherever: its slices too may end anywhere."""
    deaths, seed = 0, 1000 * part
    least = TIMES * INSTANTS["azure" if next(stores).environ.get("DYNSYNC_STATE_SECRET") else "local"]
    expected = {name: clean(next(stores), story, power)[0] for name, story in STORIES.items()}
    while deaths < least:
        seed += 1
        chance = random.Random(seed)
        name, mode, world = chance.choice(list(STORIES)), chance.choice(MODES), next(stores)
        STORIES[name].begin(world)
        trial = Trial(world, power, mode, lambda: None)
        trial.next_cut = later_and_later(chance, trial)
        if mode == "queue":
            trial.stopping = lambda c=chance: c.random() < 0.2  # type: ignore[misc]
        job = trial.run()
        told = f"seed {seed}, {name}, {mode}; died {len(trial.deaths)} times: {trial.deaths}"
        print(told)  # noqa: T201 - the seeds of a run are part of its record
        assert left(world, STORIES[name], job) == expected[name], told
        deaths += len(trial.deaths)
