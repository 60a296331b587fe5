"""The files of every job, in a folder for each."""

from __future__ import annotations

from pathlib import Path

from shared.state.artifacts import Artifacts
from shared.state.local.right import RightToWrite


class LocalFiles(RightToWrite):
    """Files that appear whole or not at all, while their job may be written."""

    _artifacts: Artifacts

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Keep the file at `path` under `name` (whole or not at all); `path` is consumed."""
        with self._artifacts.staged(job_id, name, path) as into_place, self._writing_job(job_id):
            into_place()

    def path(self, job_id: str, name: str) -> Path:
        """A local, readable copy. Raises `NotFoundError`."""
        return self._artifacts.path(job_id, name)

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job."""
        return self._artifacts.names(job_id)

    def drop(self, job_id: str, name: str) -> None:
        """Remove one of them; nothing happens when it is not there."""
        with self._writing_job(job_id):
            self._artifacts.drop(job_id, name)
