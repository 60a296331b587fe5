"""Starts jobs for callers from outside: queued, nudged, and once for each key of a caller's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.errors import DefinitionError, NotFoundError, RefuseError, RequestError, StateError
from shared.ports import CallMemory
from shared.values.calls import RememberedCall
from shared.values.jobs import Job, JobState
from shared.wiring.app import LocalApp
from shared.wiring.job_ids import new_job_id
from shared.wiring.nudges import Nudges


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A start that somebody asks for. `files` by variable: a path on this machine, or the address of a blob."""

    sync: str
    variables: Mapping[str, str]
    files: Mapping[str, Path | str]
    started_by: str
    apply: bool

    def digest(self) -> str:
        """The same for two starts that ask for the same; files count by their name and what they hold."""
        files = {name: _content(file) for name, file in self.files.items()}
        told = json.dumps([self.sync, dict(self.variables), files, self.apply], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


def _content(file: Path | str) -> list[str]:
    if isinstance(file, str):
        return [file]
    with file.open("rb") as stream:
        return [file.name, hashlib.file_digest(stream, "sha256").hexdigest()]


@dataclass(frozen=True, slots=True)
class Starter:
    """Queues jobs and nudges them."""

    app: LocalApp
    calls: CallMemory
    nudges: Nudges
    clock: Callable[[], datetime]

    def start(self, wanted: Wanted, *, key: str | None = None) -> Job:
        """The job that is asked for, queued; with a key that is known, the job that the key led to before.

        Raises:
            RequestError: the key came before with another start.
            RefuseError, DefinitionError: it cannot be started so; the key is free again.
        """
        job = self._queued(wanted, None) if key is None else self._once(wanted, key)
        if job.state is JobState.QUEUED:
            self.nudges.first(job)
        return job

    def _once(self, wanted: Wanted, key: str) -> Job:
        now = self.clock()
        told = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        kept = self.calls.remember(RememberedCall(told, wanted.digest(), new_job_id(now), now))
        if kept.digest != wanted.digest():
            raise RequestError(
                "this Idempotency-Key came before with another call",
                status=422,
                remedy="send a new one with a new call",
            )
        found = self._found(kept.job_id)
        if found is not None:
            return found
        try:
            return self._queued(wanted, kept)
        except StateError:
            found = self._found(kept.job_id)  # the same call came twice at once, and the other was faster
            if found is None:
                raise
            return found
        except (RefuseError, DefinitionError):
            self.calls.forget(told)
            raise

    def _found(self, job_id: str) -> Job | None:
        try:
            return self.app.job(job_id)
        except NotFoundError:
            return None

    def _queued(self, wanted: Wanted, kept: RememberedCall | None) -> Job:
        return self.app.queue(
            wanted.sync,
            variables=wanted.variables,
            files=wanted.files,
            started_by=wanted.started_by,
            apply=wanted.apply,
            job_id=kept.job_id if kept else None,
            at=kept.at if kept else None,
        )
