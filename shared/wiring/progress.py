"""Tells people elsewhere how far a job is: noted in the store now and then, beside the work and never in its way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from shared.errors import DynsyncError
from shared.log import event
from shared.ports import Clock, ProgressListener, ProgressMemory
from shared.values.jobs import Job, JobState, Phase, Progress, ProgressNote

_log = logging.getLogger(__name__)
EVERY_S = 2.0
"""Between two notes; a job that is over before the first leaves none."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How a job stands. While it runs, as far as it was noted: the phase, how much of it, since when, and noted when.

    `done` and `total` are in rows (in seconds, of the phase `wait`); `total` is None while it is not known. `stopping`:
    somebody has asked it to stop. `before`: how many jobs of its sync come first, while it waits for its turn.
    """

    state: JobState
    phase: Phase | None = None
    done: int = 0
    total: int | None = None
    rejected: int = 0
    since: datetime | None = None
    at: datetime | None = None
    stopping: bool = False
    before: int = 0


def standing(job: Job, note: ProgressNote | None, *, stopping: bool = False, before: int = 0) -> JobProgress:
    """How a job stands, by the last note of its sync, which may be another job's."""
    if job.state is not JobState.RUNNING or note is None or note.job != job.id:
        return JobProgress(job.state, stopping=stopping, before=before)
    told = note.progress
    return JobProgress(
        job.state, told.phase, told.done, told.total, told.rejected, note.since, note.at, stopping=stopping
    )


@dataclass(slots=True)
class Teller:
    """Takes a job's progress from its thread, and notes the last of it from another."""

    memory: ProgressMemory
    job: Job
    clock: Clock
    _last: Progress | None = None
    _since: datetime | None = None
    _noted: Progress | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, progress: Progress) -> None:
        """Remember it."""
        with self._lock:
            if self._last is None or self._last.phase is not progress.phase:
                self._since = self.clock()
            self._last = progress

    def note(self) -> None:
        """Keep what was told last, unless it is kept; a store that does not answer is no harm."""
        with self._lock:
            last, since = self._last, self._since
        if last is None or since is None or last == self._noted:
            return
        try:
            self.memory.note(self.job.sync, ProgressNote(self.job.id, last, since, self.clock()))
            self._noted = last
        except DynsyncError as error:
            event(_log, "progress.lost", level=logging.DEBUG, job=self.job.id, error=type(error).__name__)


@contextmanager
def told(
    memory: ProgressMemory, job: Job, *, clock: Clock, pauses: Callable[[float], bool] | None = None
) -> Iterator[ProgressListener]:
    """While this lasts, what the listener is told is noted every two seconds.

    `pauses` waits so many seconds, and says whether it is over.
    """
    over = threading.Event()
    teller, pause = Teller(memory, job, clock), pauses or over.wait

    def note_on() -> None:
        while not pause(EVERY_S):
            teller.note()

    thread = threading.Thread(target=note_on, name="dynsync-progress", daemon=True)
    thread.start()
    try:
        yield teller
    finally:
        over.set()
        thread.join()
