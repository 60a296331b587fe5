"""Applies that end at a note of the store, as if their process had been killed there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count, cycle, product

import pytest

from shared.state import LocalState
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World
from tests.faults.asked import FEW

OPEN_STATES = (JobState.AWAITING_APPROVAL, JobState.RUNNING, JobState.FAILED)
NOTES = ("record", "mark_sent")
EVERY = 2 if FEW else 1
"""Of so many notes a process dies at one."""


class Killed(BaseException):
    """The process ends here."""


def kills(world: World, job: Job, notes: Iterable[str] = NOTES) -> Iterator[tuple[str, bool]]:
    """Moments to die at, in turn, until the job has come to its end: a note, and whether before it."""
    for moment in cycle(product(notes, (True, False))):
        if world.app.job(job.id).state not in OPEN_STATES:
            return
        yield moment


def dying(method: Callable[..., None], *, before: bool, nth: int = 1) -> Callable[..., None]:
    """The same function, at whose `nth` call the process ends."""
    calls = count(1)

    def called(*arguments: object) -> None:
        if next(calls) < nth:
            method(*arguments)
            return
        if before:
            raise Killed
        method(*arguments)
        raise Killed

    return called


def apply_and_die(world: World, job: Job, method: str, *, before: bool, nth: int = 1) -> bool:
    """Apply, and end the process at the `nth` call of the store's `method`; the job stands as running, as it would.

    Whether it died: a job that comes to its end before does not.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalState, method, dying(getattr(LocalState, method), before=before, nth=nth))
        try:
            world.apply(job)
        except Killed:
            state = LocalState(world.folder / "state")
            state.save(replace(state.get(job.id), state=JobState.RUNNING, error=None))
            return True
    return False


def killed_again_and_again(world: World, job: Job, notes: Iterable[str] = NOTES, *, every: int = EVERY) -> int:
    """Apply a job, dying at one of so many notes, in turn, until it has come to its end; how often it died."""
    deaths = 0
    for method, before in kills(world, job, notes):
        deaths += apply_and_die(world, job, method, before=before, nth=every)
        assert deaths < 60, "it does not come to its end"
    return deaths
