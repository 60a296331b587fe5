"""Looks back: jobs, their plans and rejects, and what became of records. Part of `LocalApp`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.engine.history import record_stories, record_story
from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.rejects import rejects
from shared.errors import NotFoundError
from shared.ports import State
from shared.values.changes import Action
from shared.values.jobs import Job
from shared.values.plans import PlannedChange
from shared.values.records import Reject
from shared.values.stories import RecordStory


class LookBack:
    """What is kept of jobs. Job ids may be shortened to a unique beginning."""

    def __init__(self, state: State) -> None:
        self._state = state

    def jobs(self, *, sync: str | None = None, limit: int = 20) -> list[Job]:
        """The newest first."""
        return self._state.list(sync=sync, limit=limit)

    def job(self, job_id: str) -> Job:
        """One job, by its id or a beginning that only it has.

        Raises:
            NotFoundError: there is none, or several begin so.
        """
        try:
            return self._state.get(job_id)
        except NotFoundError:
            alike = self._state.find(job_id) if job_id else []
            if len(alike) == 1:
                return self._state.get(alike[0])
            if not alike:
                raise
        names = ", ".join(alike[:5]) + (" …" if len(alike) > 5 else "")
        raise NotFoundError(f"several jobs begin with {job_id!r}: {names}; give more of the id")

    def plan_sample(
        self, job_id: str, *, limit: int, actions: Sequence[Action] | None = None, key: str | None = None
    ) -> list[PlannedChange]:
        """Changes of the plan; of some actions, or of one key, when asked."""
        with self._plan(job_id) as plan:
            return plan.sample(limit=limit, actions=actions or (), key=key)

    def export_plan(self, job_id: str, path: Path) -> int:
        """Write the whole plan to a CSV, JSON lines or Parquet file, by its suffix; returns the changes written."""
        with self._plan(job_id) as plan:
            return plan.export(path)

    def _plan(self, job_id: str) -> PlanFile:
        job = self.job(job_id)
        return PlanFile(self._state.path(job.id, ROWS), self._state.path(job.id, MANIFEST))

    def rejects(self, job_id: str, *, limit: int | None = None) -> Iterator[Reject]:
        """The job's rejects, by row."""
        for number, reject in enumerate(rejects(self._state, self.job(job_id).id)):
            if limit is not None and number >= limit:
                return
            yield reject

    def stories(
        self, key: str, *, job_id: str | None = None, sync: str | None = None, limit: int = 20
    ) -> list[RecordStory]:
        """What a job did to the record with a key, or what the last jobs did to it, the newest first."""
        if job_id is not None:
            return [record_story(self._state, self.job(job_id), key)]
        return list(record_stories(self._state, key, sync=sync, limit=limit))
