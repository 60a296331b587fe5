"""One measured run with a store that keeps nothing. Usage: as `bench.engine.ours`, which it is otherwise.

Jobs stand in memory, files of a job are only moved, no lease is kept, and what is sent is not noted: a job that is
killed could not be gone on with. The difference to the product's own run is what its safety costs.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bench.engine import ours
from shared.engine.jobs import JobRunner
from shared.state import LocalState
from shared.values.changes import ChunkOutcome
from shared.values.jobs import Job, JobState, Lease
from shared.wiring import LocalApp


class ForgetfulState(LocalState):
    """A store in which nothing is safe."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder
        self._known: dict[str, Job] = {}

    def save(self, job: Job) -> None:
        """In memory."""
        self._known[job.id] = job

    def add(self, job: Job, files: Mapping[str, Path]) -> None:
        """In memory."""
        self._known[job.id] = job

    def get(self, job_id: str) -> Job:
        """From memory."""
        return self._known[job_id]

    def list(
        self,
        *,
        sync: str | None = None,
        states: Iterable[JobState] = (),
        before: datetime | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """From memory; the run is the only one."""
        wanted = set(states)
        return [job for job in self._known.values() if before is None and (not wanted or job.state in wanted)]

    def acquire(self, sync: str, job_id: str, *, now: datetime, seconds: float) -> Lease:
        """A lease that nobody else knows of."""
        return Lease(sync, job_id, 1, now + timedelta(seconds=seconds))

    def renew(self, lease: Lease, *, now: datetime, seconds: float) -> Lease:
        """The same, longer."""
        return replace(lease, until=now + timedelta(seconds=seconds))

    def release(self, lease: Lease) -> None:
        """Nothing to give back."""

    def under(self, lease: Lease) -> LocalState:
        """No write is conditional."""
        return self

    def cancel_asked(self, job_id: str) -> str | None:
        """Nobody can ask."""
        return None

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Not noted."""

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Not noted."""

    def note_files(self, job: Job) -> None:
        """Not noted."""

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Moved, and not waited for."""
        target = self._folder / job_id
        target.mkdir(exist_ok=True)
        shutil.move(path, target / name)

    def path(self, job_id: str, name: str) -> Path:
        """Where it was moved to."""
        return self._folder / job_id / name

    def names(self, job_id: str) -> list[str]:
        """None is kept for later."""
        return []

    def drop(self, job_id: str, name: str) -> None:
        """None is kept."""


class UnsafeApp(LocalApp):
    """The product over that store."""

    def __init__(self, *, state: Path, syncs: Path, environ: Mapping[str, str]) -> None:
        super().__init__(state=state, syncs=syncs, environ=environ)
        self._runner = JobRunner(replace(self._runner._around, state=ForgetfulState(state)))


if __name__ == "__main__":
    ours.LocalApp = UnsafeApp  # type: ignore[misc]
    ours.main(*map(Path, sys.argv[1:4]))
