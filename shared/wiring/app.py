"""The product on one machine, behind the words of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shared.definitions.catalogue import Catalogue, Edit, definition_hash
from shared.definitions.connection import DataverseConnection
from shared.definitions.permissions import Permissions
from shared.definitions.reach import load_local_reach, load_reach
from shared.definitions.source import SqlSource
from shared.definitions.sync import SyncDefinition
from shared.engine.cases import open_cases
from shared.engine.incremental import fits, put, watched
from shared.engine.jobs import JobRunner
from shared.engine.surroundings import Start, Surroundings
from shared.engine.workspace import Limits
from shared.errors import DefinitionError, NotFoundError, RefuseError
from shared.ports import ProgressListener
from shared.sources import Storage, sample_table
from shared.values.cases import ANY, Case, Choice
from shared.values.jobs import Job, JobState
from shared.values.looks import SourceSample
from shared.values.problems import Problem
from shared.values.rights import Finding, Role
from shared.values.schedules import Upcoming
from shared.values.secrets import SecretEntry
from shared.values.tables import Table
from shared.values.watermarks import Watermark
from shared.wiring import doctor
from shared.wiring.buses import bus_of
from shared.wiring.checking import Checker, Sources
from shared.wiring.connections import Connector, utc_now
from shared.wiring.continuing import Continuing
from shared.wiring.definitions import DefinitionDesk
from shared.wiring.events import EventDesk
from shared.wiring.job_ids import new_job_id
from shared.wiring.listening import Listening
from shared.wiring.lookback import LookBack
from shared.wiring.rotation import Reached, once_more
from shared.wiring.schedules import ScheduleDesk
from shared.wiring.secrets import SecretDesk, open_secrets
from shared.wiring.settings import Settings
from shared.wiring.states import Stores, open_stores
from shared.wiring.steps import step_taker


class LocalApp(LookBack):
    """The product on one machine: definitions in a folder, edited or not, state in a folder, secrets by setting.

    `local`: a developer's machine, which is itself within reach, with the files beside the definitions.
    """

    def __init__(self, *, state: Path, syncs: Path, environ: Mapping[str, str], local: bool = True) -> None:
        settings = Settings.from_environment(environ)
        self.syncs_folder = syncs
        self._base = syncs.resolve().parent
        self._reach = load_local_reach(syncs) if local else load_reach(syncs / "reach.yaml")
        verify = str(settings.ca_file) if settings.ca_file else True
        self._secrets = open_secrets(settings, environ, verify=verify)
        self._stores = open_stores(settings, state, self._secrets, verify=verify)
        self._catalogue = Catalogue(syncs, self._reach, local=local, edited=self._stores.definitions)
        super().__init__(self._stores.state)
        self._continuing = Continuing(self._catalogue, self._state)
        self._desk = SecretDesk(self._secrets, self._catalogue, self._reach)
        self._connector = Connector(self._secrets, self._reach, local=local, verify=verify)
        storage = Storage(settings.source_storage, settings.source_identity)
        self._sources = Sources(self._state, self._secrets, self._reach, storage, self._base, environ)
        self._max_slice_s = settings.max_slice_s
        self.listening = Listening(self._stores, self._catalogue, self._connector, self._sources)
        self.events = EventDesk(self.listening, self._catalogue, bus_of(settings), lanes=settings.lanes)
        limits = Limits(settings.memory_mb, settings.threads, settings.disk_mb)
        self._runner = JobRunner(
            Surroundings(
                state=self._state,
                open_source=self._sources.open,
                connect=self._connector.connect,
                clock=utc_now,
                new_job_id=new_job_id,
                limits=limits,
                retention_days=settings.retention_days,
                steps=step_taker(
                    self._connector, base=self._base, identity=settings.source_identity, queue=self._queue_chained
                ),
                app_url=settings.app_url,
                ledger=self._stores.ledger,
            )
        )
        self.checker = Checker(self._catalogue, self._sources, self._connector, self._runner)
        self.definitions = DefinitionDesk(self._stores.definitions, self._catalogue, self.checker.look, utc_now)
        self.schedules = ScheduleDesk(
            self._catalogue, self._stores, self._runner, self._sources, settings.retention_days
        )

    @property
    def stores(self) -> Stores:
        """Every kind of memory."""
        return self._stores

    def definition(self, sync: str) -> SyncDefinition:
        """One sound definition. Raises `NotFoundError`, `DefinitionError`."""
        return self._catalogue.get(sync)

    def recent(self, sync: str) -> SyncDefinition:
        """As `definition`, of at most 5 seconds ago: for what asks often and starts nothing."""
        return self._catalogue.recent(sync)

    def recent_names(self) -> list[str]:
        """As `sync_names`, of at most 5 seconds ago."""
        return self._catalogue.recent_names()

    def _queue_chained(self, sync: str, variables: Mapping[str, str], started_by: str, chain: tuple[str, ...]) -> Job:
        definition = self._catalogue.get(sync)
        start = replace(self._started(definition, variables, {}, started_by), chain=chain)
        return self._runner.queue(definition, start, apply=True)

    def sync_names(self) -> list[str]:
        """The names of all definitions, broken ones too."""
        return self._catalogue.all_names()

    def broken(self) -> Mapping[str, DefinitionError]:
        """Definitions that cannot be used, and why."""
        return self._catalogue.broken()

    def edited(self) -> Mapping[str, Edit]:
        """The syncs that are edited in the app, and whether their files have changed since."""
        return self._catalogue.edited()

    def permissions(self, sync: str) -> Permissions | None:
        """Who may do what with a sync; None when there is none, or its definition is broken. At most 5 seconds old."""
        try:
            return self._catalogue.recent(sync).permissions
        except (DefinitionError, NotFoundError):
            return None

    def check(self, sync: str) -> list[Problem]:
        """The definition held against reach, source and Dataverse's metadata; errors and warnings."""
        return self.checker.check(sync)

    def findings(self, sync: str) -> list[Finding]:
        """What stands in the way of the sync in its environment, each with its fix."""
        of_edit = doctor.of_edit(self._catalogue.edited().get(sync))
        return [*of_edit, *doctor.findings(self._catalogue.recent(sync), self._connector)]

    def roles(self, syncs: Sequence[str], *, undo: bool) -> list[Role]:
        """The least-privilege security role of each environment that the syncs write to; none named: all of them."""
        return doctor.roles(self._catalogue, self._connector, syncs, undo=undo)

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
        if not apply:
            return self._runner.plan(definition, start)
        return self._with_chain(self._runner.run(definition, start), progress)

    def _with_chain(self, job: Job, progress: ProgressListener) -> Job:
        """The job, once those that its steps started have been carried out as well."""
        for chained in self.started_by(job):
            start = Start(chained.variables, chained.started_by, progress=progress)
            self._with_chain(self._runner.apply(self._continuing.definition(chained), chained.id, start), progress)
        return job

    def _started(
        self, definition: SyncDefinition, variables: Mapping[str, str], files: Mapping[str, Path | str], started_by: str
    ) -> Start:
        given = self._sources.variables(definition, variables, files)
        return Start(given, started_by, tuple(path.resolve() for path in files.values() if isinstance(path, Path)))

    def queue(
        self,
        sync: str,
        *,
        variables: Mapping[str, str],
        files: Mapping[str, Path | str],
        started_by: str,
        apply: bool,
        job_id: str | None = None,
        at: datetime | None = None,
    ) -> Job:
        """A new job that waits for its turn, with copies of its files; `slice` works on it, on any machine.

        A file may be the address of a blob within reach. `job_id`: the id that the job is to have, from `new_job_id`;
        `at`: when it is made then, the same for every try.
        """
        definition = self._catalogue.get(sync)
        self._sources.refuse_outside([file for file in files.values() if isinstance(file, str)])
        start = self._started(definition, variables, files, started_by)
        return self._runner.queue(definition, start, apply=apply, job_id=job_id, at=at)

    def slice(self, job_id: str, *, progress: ProgressListener, stopping: Callable[[], bool] = lambda: False) -> Job:
        """Work on a queued job for one slice (`DYNSYNC_MAX_SLICE_S`); see `JobRunner.slice`."""
        job = self.job(job_id)
        definition = self._continuing.definition(job)
        length = self._max_slice_s
        return self._runner.slice(job, definition, max_slice_s=length, progress=progress, stopping=stopping)

    def waiting(self, sync: str | None = None) -> list[Job]:
        """The queued jobs that need a slice, the oldest first."""
        found = self._state.list(sync=sync, states=(JobState.QUEUED, JobState.RUNNING), limit=1000)
        return [job for job in reversed(found) if job.slices is not None]

    def started_by(self, job: Job) -> list[Job]:
        """The jobs that the steps after a job have started."""
        return [self._state.get(step.started) for step in job.steps if step.started is not None]

    def queue_apply(self, job_id: str, *, by: str) -> Job:
        """Let `slice` carry out the plan of a job that waits for approval, or go on with one that was stopped."""
        job = self.job(job_id)
        return self._runner.queue_apply(self._continuing.definition(job), job.id, by=by)

    def keeps_its_definition(self, job: Job) -> bool:
        """Whether a job would go on with the definition that it has, not be refused since that means something else."""
        try:
            return definition_hash(self._continuing.definition(job)) == job.definition_hash
        except (DefinitionError, RefuseError):
            return False

    def apply(self, job_id: str, *, started_by: str, progress: ProgressListener) -> Job:
        """Carry out the plan of a job that waits, or go on with one that was stopped."""
        job = self.job(job_id)
        definition = self._continuing.definition(job)
        start = Start(job.variables, started_by, progress=progress)
        return self._with_chain(self._runner.apply(definition, job.id, start), progress)

    def undo(self, job_id: str, *, started_by: str, progress: ProgressListener, apply: bool) -> Job:
        """A plan that takes a job's changes back; with `apply`, also carried out."""
        job = self.job(job_id)
        start = Start(job.variables, started_by, progress=progress)
        return self._runner.undo(self._catalogue.get(job.sync), job.id, start, apply=apply)

    def queue_undo(self, job_id: str, *, by: str, apply: bool) -> Job:
        """A queued job that takes another one's changes back; `slice` works on it."""
        job = self.job(job_id)
        definition = self._catalogue.get(job.sync)
        return self._runner.queue(definition, Start(job.variables, by), apply=apply, undoes=job.id)

    def replay(self, target: str, choice: Choice, *, started_by: str, progress: ProgressListener, apply: bool) -> Job:
        """Open rejects of a sync, or of a job, run again through the definition as it is now."""
        sync, job_id = self._target(target)
        start = Start({}, started_by, progress=progress)
        job = self._runner.replay(self._catalogue.get(sync), replace(choice, job=job_id), start, apply=apply)
        return self._with_chain(job, progress)

    def queue_replay(self, target: str, choice: Choice, *, by: str, apply: bool) -> Job:
        """A queued replay; `slice` works on it."""
        sync, job_id = self._target(target)
        choice = replace(choice, job=job_id)
        return self._runner.queue_replay(self._catalogue.get(sync), choice, Start({}, by), apply=apply)

    def open_rejects(self, target: str, choice: Choice = ANY) -> Iterator[Case]:
        """The open rejects of a sync, or those that a job set aside."""
        sync, job_id = self._target(target)
        return (case for case in open_cases(self._state, sync, choice.keys) if replace(choice, job=job_id).suits(case))

    def _target(self, target: str) -> tuple[str, str | None]:
        """A sync by its name, or a job by its id or a beginning of it; as (sync, job)."""
        if target in self.sync_names():
            return target, None
        job = self.job(target)
        return job.sync, job.id

    def cancel(self, job_id: str, *, by: str) -> Job:
        """Stop a job: a running one stops within one batch, one that waits is cancelled at once."""
        return self._runner.cancel(self.job(job_id).id, by=by)

    def watermark(self, sync: str) -> Watermark | None:
        """How far an incremental sync has read its source; None: the next run reads all."""
        column, kept = watched(self._catalogue.get(sync)), self._state.watermark(sync)
        return kept if column is not None and kept is not None and fits(column, kept) else None

    def set_watermark(self, sync: str, text: str | None, *, dry: bool = False) -> Watermark | None:
        """Put the watermark there; None takes it away. `dry`: only say what it would be."""
        return put(self._catalogue.get(sync), self._state, text, dry=dry)

    def upcoming(self, of: Callable[[str], bool] = lambda _: True) -> list[Upcoming]:
        """Every sync that has a schedule, with its next times; those that are asked for."""
        return self.schedules.upcoming(utc_now(), of=of)

    def secret_place(self) -> str:
        """Where secrets are kept, for people."""
        return self._secrets.place

    def secret_entries(self) -> list[SecretEntry]:
        """The secrets that syncs name or may name: whether each is set, never its value."""
        return self._desk.entries()

    def set_secret(self, name: str, read: Callable[[], str]) -> None:
        """Keep a secret that some sync may name; `read` gives the value, once it is known that it is wanted."""
        self._desk.put(name, read)

    def table(self, sync: str, destination: Mapping[str, object]) -> Table:
        """The table that the `destination:` (as in YAML) of a definition of that name leads to."""
        connection = DataverseConnection.model_validate({k: v for k, v in destination.items() if k != "type"})
        with self._connector.open(sync, connection) as client:
            return client.table(connection.entity)

    def sample(self, sync: str, source: Mapping[str, object]) -> SourceSample:
        """A first look at the table that the `source:` (as in YAML, without a schema) of a definition leads to."""
        definition = SqlSource.model_validate({**source, "schema": [{"name": "any"}]})
        return once_more(
            Reached(self._secrets, self._reach, sync),
            lambda secrets: sample_table(
                definition, base=self._base, allows_path=self._reach.allows_path, secrets=secrets
            ),
        )
