"""The product on one machine, behind the words of the command line."""

from __future__ import annotations

import secrets as randomness
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shared.definitions.catalogue import Catalogue
from shared.definitions.connection import DataverseConnection
from shared.definitions.permissions import Permissions
from shared.definitions.reach import load_local_reach, load_reach
from shared.definitions.resolving import resolve_variables
from shared.definitions.source import SqlSource
from shared.definitions.sync import SyncDefinition
from shared.engine.drift import drifted, gone, told_columns
from shared.engine.history import record_stories, record_story
from shared.engine.incremental import fits, put, since, watched
from shared.engine.jobs import FINISHED, JobRunner
from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.rejects import rejects
from shared.engine.surroundings import Start, Surroundings
from shared.engine.workspace import Limits
from shared.errors import (
    AuthenticationError,
    DefinitionError,
    DestinationError,
    DynsyncError,
    NotAllowedError,
    NotFoundError,
    RefuseError,
    RetryError,
    SourceError,
    UnknownTableError,
)
from shared.ports import ProgressListener, Source
from shared.sources import Remote, Storage, open_source, sample_table
from shared.values.changes import Action
from shared.values.jobs import Job, JobState
from shared.values.looks import SourceSample
from shared.values.plans import PlannedChange
from shared.values.problems import Problem
from shared.values.records import Reject
from shared.values.secrets import SecretEntry
from shared.values.stories import RecordStory
from shared.values.tables import Table
from shared.values.watermarks import Watermark
from shared.wiring.columns import missing_columns
from shared.wiring.connections import Connector, utc_now
from shared.wiring.secrets import SecretDesk, open_secrets
from shared.wiring.settings import Settings
from shared.wiring.states import open_stores


class LocalApp:
    """The product on one machine: definitions in a folder, state in a folder, secrets by setting.

    `local`: a developer's machine, which is itself within reach, with the files beside the definitions.
    """

    def __init__(self, *, state: Path, syncs: Path, environ: Mapping[str, str], local: bool = True) -> None:
        settings = Settings.from_environment(environ)
        self._environ = environ
        self._base = syncs.resolve().parent
        self._reach = load_local_reach(syncs) if local else load_reach(syncs / "reach.yaml")
        self._catalogue = Catalogue(syncs, self._reach, local=local)
        verify = str(settings.ca_file) if settings.ca_file else True
        self._secrets = open_secrets(settings, environ, verify=verify)
        self._stores = open_stores(settings, state, self._secrets, verify=verify)
        self._state = self._stores.state
        self._desk = SecretDesk(self._secrets, self._catalogue, self._reach)
        self._connector = Connector(self._secrets, self._reach, local=local, verify=verify)
        self._storage = Storage(settings.source_storage, settings.source_identity)
        self._max_slice_s = settings.max_slice_s
        limits = Limits(settings.memory_mb, settings.threads, settings.disk_mb)
        self._runner = JobRunner(
            Surroundings(
                state=self._state,
                open_source=self._open_source,
                connect=self._connector.connect,
                clock=utc_now,
                new_job_id=_job_id,
                limits=limits,
                retention_days=settings.retention_days,
            )
        )

    def sync_names(self) -> list[str]:
        """The names of all definitions, broken ones too."""
        return sorted({*self._catalogue.names(), *self._catalogue.broken()})

    def broken(self) -> Mapping[str, DefinitionError]:
        """Definitions that cannot be used, and why."""
        return self._catalogue.broken()

    def permissions(self, sync: str) -> Permissions | None:
        """Who may do what with a sync; None when there is none, or its definition cannot be read."""
        try:
            return self._catalogue.get(sync).permissions
        except (DefinitionError, NotFoundError):
            return None

    def check(self, sync: str) -> list[Problem]:
        """The definition held against reach, source and Dataverse's metadata; errors and warnings."""
        try:
            definition = self._catalogue.get(sync)
        except DefinitionError as error:
            return list(error.problems)
        return [
            *self._catalogue.advice(sync),
            *self._source_problems(definition),
            *self._destination_problems(definition),
        ]

    def _source_problems(self, definition: SyncDefinition) -> list[Problem]:
        """The source's columns against the schema, where the source can be opened without a start's variables."""
        if any(variable.required for variable in definition.variables.values()):
            return []
        try:
            start = Start(self._variables(definition, {}, {}), "")
        except RefuseError as error:
            return [_problem("variables", error)]
        try:
            with tempfile.TemporaryDirectory(prefix="dynsync-") as spool:
                source = self._open_source(definition, start, Path(spool))
                told = told_columns(definition, source)
                present = told or source.column_types()
        except (SourceError, NotAllowedError, NotFoundError) as error:
            return [_problem("source.path", error)]
        except (AuthenticationError, RetryError) as error:
            return [_problem("source", error)]
        wanted = [column.name for column in definition.source.columns if not column.calculated]
        drift = drifted(definition, told, self._state.list(sync=definition.name, states=FINISHED, limit=5))
        wanted = [name for name in wanted if gone(name) not in {problem.found for problem in drift}]
        return [*drift, *missing_columns(wanted, list(present), steps=definition.source.type == "json")]

    def _destination_problems(self, definition: SyncDefinition) -> list[Problem]:
        try:
            return self._runner.check(definition)
        except UnknownTableError as error:
            return [_problem("destination.entity", error)]
        except (AuthenticationError, DestinationError, NotAllowedError, RetryError) as error:
            return [_problem("destination", error)]

    def start(
        self,
        sync: str,
        *,
        variables: Mapping[str, str],
        files: Mapping[str, Path],
        started_by: str,
        progress: ProgressListener,
        apply: bool,
    ) -> Job:
        """A new job: its plan, which waits; with `apply`, also carried out, unless a brake or an approval holds it."""
        definition = self._catalogue.get(sync)
        start = replace(self._started(definition, variables, files, started_by), progress=progress)
        return self._runner.run(definition, start) if apply else self._runner.plan(definition, start)

    def _started(
        self, definition: SyncDefinition, variables: Mapping[str, str], files: Mapping[str, Path], started_by: str
    ) -> Start:
        given = self._variables(definition, variables, files)
        return Start(given, started_by, tuple(path.resolve() for path in files.values()))

    def queue(
        self, sync: str, *, variables: Mapping[str, str], files: Mapping[str, Path], started_by: str, apply: bool
    ) -> Job:
        """A new job that waits for its turn, with copies of its files; `slice` works on it, on any machine."""
        definition = self._catalogue.get(sync)
        start = self._started(definition, variables, files, started_by)
        return self._runner.queue(definition, start, apply=apply)

    def slice(self, job_id: str, *, progress: ProgressListener, stopping: Callable[[], bool] = lambda: False) -> Job:
        """Work on a queued job for one slice (`DYNSYNC_MAX_SLICE_S`); see `JobRunner.slice`."""
        job = self.job(job_id)
        definition = self._catalogue.get(job.sync)
        length = self._max_slice_s
        return self._runner.slice(job.id, definition, max_slice_s=length, progress=progress, stopping=stopping)

    def waiting(self, sync: str | None = None) -> list[Job]:
        """The queued jobs that need a slice, the oldest first."""
        found = self._state.list(sync=sync, states=(JobState.QUEUED, JobState.RUNNING), limit=1000)
        return [job for job in reversed(found) if job.slices is not None]

    def queue_apply(self, job_id: str, *, by: str) -> Job:
        """Let `slice` carry out the plan of a job that waits for approval, or go on with one that was stopped."""
        job = self.job(job_id)
        return self._runner.queue_apply(self._catalogue.get(job.sync), job.id, by=by)

    def apply(self, job_id: str, *, started_by: str, progress: ProgressListener) -> Job:
        """Carry out the plan of a job that waits, or go on with one that was stopped."""
        job = self.job(job_id)
        definition = self._catalogue.get(job.sync)
        return self._runner.apply(definition, job.id, Start(job.variables, started_by, progress=progress))

    def cancel(self, job_id: str, *, by: str) -> Job:
        """Stop a job: a running one stops within one batch, one that waits is cancelled at once."""
        return self._runner.cancel(self.job(job_id).id, by=by)

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

    def watermark(self, sync: str) -> Watermark | None:
        """How far an incremental sync has read its source; None: the next run reads all."""
        column, kept = watched(self._catalogue.get(sync)), self._state.watermark(sync)
        return kept if column is not None and kept is not None and fits(column, kept) else None

    def set_watermark(self, sync: str, text: str | None) -> Watermark | None:
        """Put the watermark there; None takes it away."""
        return put(self._catalogue.get(sync), self._state, text)

    def secret_place(self) -> str:
        """Where secrets are kept, for people."""
        return self._secrets.place

    def secret_entries(self) -> list[SecretEntry]:
        """The secrets that syncs name or may name: whether each is set, never its value."""
        return self._desk.entries()

    def set_secret(self, name: str, read: Callable[[], str]) -> None:
        """Keep a secret that some sync may name; `read` gives the value, once it is known that it is wanted."""
        self._desk.put(name, read)

    def stories(
        self, key: str, *, job_id: str | None = None, sync: str | None = None, limit: int = 20
    ) -> list[RecordStory]:
        """What a job did to the record with a key, or what the last jobs did to it, the newest first."""
        if job_id is not None:
            return [record_story(self._state, self.job(job_id), key)]
        return list(record_stories(self._state, key, sync=sync, limit=limit))

    def table(self, destination: Mapping[str, object]) -> Table:
        """The table that a definition's `destination:` (as in YAML) leads to."""
        connection = DataverseConnection.model_validate({k: v for k, v in destination.items() if k != "type"})
        with self._connector.open(_sync_of(connection), connection) as client:
            return client.table(connection.entity)

    def sample(self, source: Mapping[str, object]) -> SourceSample:
        """A first look at the table that a definition's `source:` (as in YAML, without a schema) leads to."""
        definition = SqlSource.model_validate({**source, "schema": [{"name": "any"}]})
        return sample_table(definition, base=self._base, allows_path=self._reach.allows_path, secrets=self._secrets)

    def _variables(
        self, definition: SyncDefinition, given: Mapping[str, str], files: Mapping[str, Path]
    ) -> dict[str, str]:
        return resolve_variables(
            definition, given=given, files=files, environ=self._environ, new_guid=lambda: str(uuid.uuid4())
        )

    def _open_source(self, definition: SyncDefinition, start: Start, spool: Path) -> Source:
        def allows(path: Path) -> bool:
            return path.resolve() in start.handed_over or self._reach.allows_path(path)

        return open_source(
            definition.source,
            variables=start.variables,
            base=self._base,
            allows_path=allows,
            secrets=self._secrets,
            spool=spool,
            remote=self._remote(definition),
            since=since(definition, self._state),
        )

    def _remote(self, definition: SyncDefinition) -> Remote:
        read = self._state.files_read(definition.name) if definition.only_new_files else frozenset()
        return Remote(self._reach.allows_blob, self._storage, read)


def _sync_of(connection: DataverseConnection) -> str:
    """The sync to which the connection's secrets belong by name: `<sync>--client-id`."""
    client_id = connection.sign_ins[0].client_id if connection.sign_ins else connection.client_id
    return client_id.secret.partition("--")[0] if client_id else ""


def _problem(path: str, error: DynsyncError) -> Problem:
    return Problem(path, error.found, error.remedy)


def _job_id(now: datetime) -> str:
    """A job's id: the time it began and four random digits, so that ids sort and can be spoken."""
    return f"{now:%Y%m%d-%H%M%S}-{randomness.token_hex(2)}"
