"""Builds the product from its settings: the only place that reads settings and makes real things."""

from __future__ import annotations

import os
import secrets as randomness
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared.dataverse.auth import DEFAULT_AUTHORITY, ClientSecretTokens
from shared.dataverse.client import DataverseClient
from shared.dataverse.transport import Transport
from shared.dataverse.writing import Writer
from shared.definitions.catalogue import Catalogue
from shared.definitions.connection import DataverseConnection
from shared.definitions.reach import Reach, load_reach
from shared.definitions.resolving import resolve_variables
from shared.definitions.sync import SyncDefinition
from shared.engine.jobs import JobRunner, Start, Surroundings
from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.rejects import rejects
from shared.engine.workspace import Limits
from shared.errors import DefinitionError, NotAllowedError, NotBuiltError, NotFoundError, RefuseError
from shared.ports import ProgressListener, Secrets, Source
from shared.secrets import EnvironmentSecrets
from shared.sources import open_source
from shared.state import LocalState
from shared.values.changes import Action
from shared.values.jobs import Job
from shared.values.plans import PlannedChange
from shared.values.problems import Problem
from shared.values.records import Reject
from shared.values.tables import Table


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Each is an environment variable; see docs/local.md.

    `memory_mb`, `threads` and `disk_mb` bound one job's working memory. `ca_file` is a PEM bundle of authorities that
    Dataverse's certificate is verified against instead of the public ones (a proxy that opens TLS, a test server).
    """

    memory_mb: int
    threads: int
    disk_mb: int
    ca_file: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `DYNSYNC_MEMORY_MB`, `DYNSYNC_THREADS`, `DYNSYNC_DISK_MB` and `DYNSYNC_CA_FILE`.

        Raises:
            RefuseError: a setting is no whole number, out of range, or no file.
        """
        return cls(
            memory_mb=_whole(environ, "DYNSYNC_MEMORY_MB", 256, least=64),
            threads=_whole(environ, "DYNSYNC_THREADS", 2, least=1),
            disk_mb=_whole(environ, "DYNSYNC_DISK_MB", 20_000, least=100),
            ca_file=_file(environ, "DYNSYNC_CA_FILE"),
        )


def _whole(environ: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise RefuseError(f"setting {name} is {text[:40]!r}; it must be a whole number, at least {least}")
    return int(text)


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name, "").strip()
    if text and not Path(text).is_file():
        raise RefuseError(f"setting {name} is {text[:200]!r}, which is no file; give the path of a PEM bundle")
    return Path(text) if text else None


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection to one environment, as the engine wants it."""

    client: DataverseClient
    batch_size: int

    def writer(self, table: Table) -> Writer:
        """Writes rows of a table."""
        return Writer(self.client.transport, table, batch_size=self.batch_size)


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections to Dataverse with the credentials that a definition names. `verify` is what requests takes."""

    secrets: Secrets
    reach: Reach
    local: bool
    verify: bool | str = True

    @contextmanager
    def connect(self, definition: SyncDefinition) -> Iterator[Connected]:
        """A connection to the definition's destination, closed afterwards."""
        destination = definition.destination
        with self.open(definition.name, destination) as client:
            yield Connected(client, destination.batch_size or 1000)

    @contextmanager
    def open(self, sync: str, connection: DataverseConnection) -> Iterator[DataverseClient]:
        """A client for an environment.

        Raises:
            NotAllowedError: address, authority or a secret is outside the operator's reach.
            NotBuiltError: the way to sign in does not run yet.
        """
        if not self.reach.allows_destination(connection.service_url, local=self.local):
            raise NotAllowedError(
                f"destination {connection.service_url!r} is outside the reach; "
                "an operator may add its host to `destinations` in syncs/reach.yaml"
            )
        tokens = self._tokens(sync, connection)
        with Transport(connection.service_url, tokens, timeout_s=connection.timeout_s, verify=self.verify) as line:
            yield DataverseClient(line)

    def _tokens(self, sync: str, connection: DataverseConnection) -> ClientSecretTokens:
        if connection.auth_kind != "client_secret" or len(connection.sign_ins) != 1:
            raise NotBuiltError("signing in works with one client_id and client_secret for now")
        (credential,) = connection.sign_ins
        if credential.client_secret is None:
            raise NotBuiltError("signing in works with a client_secret for now")
        authority = connection.authority or DEFAULT_AUTHORITY
        allowed = [authority] if self.reach.allows_authority(authority, local=self.local) else []
        return ClientSecretTokens(
            self._secret(sync, connection.tenant_id.secret) if connection.tenant_id else None,
            self._secret(sync, credential.client_id.secret),
            self._secret(sync, credential.client_secret.secret),
            connection.service_url,
            authority,
            clock=_now,
            allowed_authorities=allowed,
            verify=self.verify,
        )

    def _secret(self, sync: str, name: str) -> str:
        if not self.reach.allows_secret(sync, name):
            raise NotAllowedError(
                f"sync {sync!r} may not name the secret {name!r}; it may name {sync}--…, "
                "and what an operator adds under `secrets` in syncs/reach.yaml"
            )
        return self.secrets.get(name)


def _now() -> datetime:
    return datetime.now(UTC)


def _job_id(now: datetime) -> str:
    """A job's id: the time it began and four random digits, so that ids sort and can be spoken."""
    return f"{now:%Y%m%d-%H%M%S}-{randomness.token_hex(2)}"


class LocalApp:
    """The product on one machine: definitions in a folder, state in a folder, secrets from the environment."""

    def __init__(self, *, state: Path, syncs: Path, environ: Mapping[str, str]) -> None:
        settings = Settings.from_environment(environ)
        self._environ = environ
        self._base = syncs.resolve().parent
        self._reach = _local_reach(load_reach(syncs / "reach.yaml"), self._base)
        self._catalogue = Catalogue(syncs, self._reach, local=True)
        self._state = LocalState(state)
        self._secrets = EnvironmentSecrets(environ)
        verify = str(settings.ca_file) if settings.ca_file else True
        self._connector = Connector(self._secrets, self._reach, local=True, verify=verify)
        limits = Limits(settings.memory_mb, settings.threads, settings.disk_mb)
        self._runner = JobRunner(
            Surroundings(
                state=self._state,
                open_source=self._open_source,
                connect=self._connector.connect,
                clock=_now,
                new_job_id=_job_id,
                limits=limits,
            )
        )

    def sync_names(self) -> list[str]:
        """The names of all definitions, broken ones too."""
        return sorted({*self._catalogue.names(), *self._catalogue.broken()})

    def broken(self) -> Mapping[str, DefinitionError]:
        """Definitions that cannot be used, and why."""
        return self._catalogue.broken()

    def check(self, sync: str) -> list[Problem]:
        """The definition held against reach, source and Dataverse's metadata; errors and warnings."""
        try:
            definition = self._catalogue.get(sync)
        except DefinitionError as error:
            return list(error.problems)
        return [*self._source_problems(definition), *self._runner.check(definition)]

    def _source_problems(self, definition: SyncDefinition) -> list[Problem]:
        """The source's columns against the schema, where the source can be opened without a start's variables."""
        if any(variable.default is None for variable in definition.variables.values()):
            return []
        with tempfile.TemporaryDirectory(prefix="dynsync-") as spool:
            source = self._open_source(definition, Start(self._variables(definition, {}, {}), ""), Path(spool))
            present = source.column_types()
        wanted = [column.name for column in definition.source.columns if not column.calculated]
        return [
            Problem("source.schema", f"the source has no column {name!r}", f"it has {', '.join(present)}")
            for name in wanted
            if name not in present
        ]

    def plan(
        self,
        sync: str,
        *,
        variables: Mapping[str, str],
        files: Mapping[str, Path],
        started_by: str,
        progress: ProgressListener,
    ) -> Job:
        """A job that waits with its plan, or has ended where there is nothing to do."""
        definition = self._catalogue.get(sync)
        return self._runner.plan(definition, self._start(definition, variables, files, started_by, progress))

    def run(
        self,
        sync: str,
        *,
        variables: Mapping[str, str],
        files: Mapping[str, Path],
        started_by: str,
        progress: ProgressListener,
    ) -> Job:
        """A job, planned and applied; held with its plan by a brake or where approval is required."""
        definition = self._catalogue.get(sync)
        return self._runner.run(definition, self._start(definition, variables, files, started_by, progress))

    def apply(self, job_id: str, *, started_by: str, progress: ProgressListener) -> Job:
        """Carry out the plan of a job that waits, or go on with one that was stopped."""
        job = self.job(job_id)
        definition = self._catalogue.get(job.sync)
        return self._runner.apply(definition, job.id, Start(job.variables, started_by, progress=progress))

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
            alike = [job for job in self._state.list(limit=10_000) if job_id and job.id.startswith(job_id)]
            if len(alike) == 1:
                return alike[0]
            if not alike:
                raise
        names = ", ".join(job.id for job in alike[:5])
        raise NotFoundError(f"{len(alike)} jobs begin with {job_id!r}: {names}; give more of the id")

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

    def table(self, destination: Mapping[str, object]) -> Table:
        """The table that a definition's `destination:` (as in YAML) leads to."""
        connection = DataverseConnection.model_validate({k: v for k, v in destination.items() if k != "type"})
        with self._connector.open(_sync_of(connection), connection) as client:
            return client.table(connection.entity)

    def _variables(
        self, definition: SyncDefinition, given: Mapping[str, str], files: Mapping[str, Path]
    ) -> dict[str, str]:
        return resolve_variables(
            definition, given=given, files=files, environ=self._environ, new_guid=lambda: str(uuid.uuid4())
        )

    def _start(
        self,
        definition: SyncDefinition,
        given: Mapping[str, str],
        files: Mapping[str, Path],
        started_by: str,
        progress: ProgressListener,
    ) -> Start:
        variables = self._variables(definition, given, files)
        return Start(variables, started_by, tuple(path.resolve() for path in files.values()), progress)

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
        )


def _local_reach(reach: Reach, base: Path) -> Reach:
    """On one's own machine files below the folder that holds the definitions' folder may be read as well."""
    return reach.model_copy(update={"folders": (*reach.folders, str(base))})


def _sync_of(connection: DataverseConnection) -> str:
    """The sync to which the connection's secrets belong by name: `<sync>--client-id`."""
    credential = connection.sign_ins[0] if connection.sign_ins else None
    return credential.client_id.secret.partition("--")[0] if credential else ""


def open_app(*, state: Path, syncs: Path) -> LocalApp:
    """The product on this machine, with this process's environment."""
    return LocalApp(state=state, syncs=syncs, environ=os.environ)
