"""How far a job is, noted beside its work."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import StateError
from shared.values.jobs import Job, JobState, Phase, Progress, ProgressNote
from shared.wiring.progress import JobProgress, Teller, standing, told

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
JOB = Job("j1", "accounts", JobState.RUNNING, "nia", NOW)


class Memory:
    """Keeps every note, or refuses them all."""

    def __init__(self, *, down: bool = False) -> None:
        self.notes: list[ProgressNote] = []
        self.down = down

    def note(self, sync: str, note: ProgressNote) -> None:
        if self.down:
            raise StateError("no answer")
        assert sync == "accounts"
        self.notes.append(note)

    def noted(self, _: str) -> ProgressNote | None:
        return self.notes[-1] if self.notes else None


class Clock:
    """Each look is a second later."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_the_last_of_many_is_noted_once() -> None:
    """With the time at which its phase began; what was noted is not noted again."""
    memory = Memory()
    teller = Teller(memory, JOB, Clock())
    teller.note()
    for done in range(1000):
        teller(Progress(Phase.READ_SOURCE, done))
    for _ in range(3):
        teller.note()
    teller(Progress(Phase.APPLY, 1, 9))
    teller.note()
    assert [(note.progress, note.since) for note in memory.notes] == [
        (Progress(Phase.READ_SOURCE, 999), NOW + timedelta(seconds=1)),
        (Progress(Phase.APPLY, 1, 9), NOW + timedelta(seconds=3)),
    ]


def test_a_store_that_does_not_answer_harms_no_job() -> None:
    """What could not be noted is noted the next time."""
    memory = Memory(down=True)
    teller = Teller(memory, JOB, Clock())
    teller(Progress(Phase.CHECK))
    teller.note()
    memory.down = False
    teller.note()
    assert [note.progress for note in memory.notes] == [Progress(Phase.CHECK)]


def test_notes_are_taken_while_the_work_goes_on() -> None:
    """From a thread of its own, which ends with the work, also when that fails."""
    memory, looked, go_on = Memory(), threading.Event(), threading.Event()

    def pauses(_: float) -> bool:
        looked.set()
        return not go_on.wait(10) or bool(memory.notes)

    with pytest.raises(ZeroDivisionError), told(memory, JOB, clock=Clock(), pauses=pauses) as tell:
        tell(Progress(Phase.PLAN, 3))
        assert looked.wait(10)
        go_on.set()
        raise ZeroDivisionError
    assert [note.progress for note in memory.notes] == [Progress(Phase.PLAN, 3)]
    assert not any(thread.name == "dynsync-progress" for thread in threading.enumerate())


def test_another_job_s_note_says_nothing() -> None:
    """Nor does one of a job that does not run."""
    note = ProgressNote("j1", Progress(Phase.APPLY, 3, 9, 1), NOW, NOW)
    assert standing(JOB, note) == JobProgress(JobState.RUNNING, Phase.APPLY, 3, 9, 1, NOW, NOW)
    assert standing(JOB, None) == JobProgress(JobState.RUNNING)
    assert standing(replace(JOB, id="j2"), note) == JobProgress(JobState.RUNNING)
    assert standing(replace(JOB, state=JobState.FAILED), note) == JobProgress(JobState.FAILED)
