"""Applies that end at a note of the store, as if their process had been killed there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle, product

import pytest

from shared.state import LocalState
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World

OPEN_STATES = (JobState.AWAITING_APPROVAL, JobState.RUNNING, JobState.FAILED)
NOTES = ("record", "mark_sent")


class Killed(BaseException):
    """The process ends here."""


def kills(world: World, job: Job, notes: Iterable[str] = NOTES) -> Iterator[tuple[str, bool]]:
    """Moments to die at, in turn, until the job has come to its end: a note, and whether before it."""
    for moment in cycle(product(notes, (True, False))):
        if world.app.job(job.id).state not in OPEN_STATES:
            return
        yield moment


def dying(method: Callable[..., None], *, before: bool) -> Callable[..., None]:
    """The same function, at which the process ends."""

    def called(*arguments: object) -> None:
        if before:
            raise Killed
        method(*arguments)
        raise Killed

    return called


def apply_and_die(world: World, job: Job, method: str, *, before: bool) -> bool:
    """Apply, and end the process at the next call of the store's `method`; the job stands as running, as it would.

    Whether it died: a job that comes to its end before does not.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalState, method, dying(getattr(LocalState, method), before=before))
        try:
            world.apply(job)
        except Killed:
            state = LocalState(world.folder / "state")
            state.save(replace(state.get(job.id), state=JobState.RUNNING, error=None))
            return True
    return False


def killed_again_and_again(world: World, job: Job, notes: Iterable[str] = NOTES) -> int:
    """Apply a job, dying at every note in turn, until it has come to its end; how often it died."""
    deaths = 0
    for method, before in kills(world, job, notes):
        deaths += apply_and_die(world, job, method, before=before)
        assert deaths < 60, "it does not come to its end"
    return deaths
