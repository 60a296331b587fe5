"""Holds definitions against the world: their sources, and Dataverse's metadata."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from shared import temporary
from shared.definitions.catalogue import Catalogue
from shared.definitions.ordering import circle
from shared.definitions.reach import Reach
from shared.definitions.resolving import resolve_variables
from shared.definitions.source import FileSource, SourceBase, SqlSource
from shared.definitions.sync import SyncDefinition
from shared.engine.drift import drifted, gone, told_columns
from shared.engine.incremental import since
from shared.engine.jobs import FINISHED, JobRunner
from shared.engine.surroundings import Start
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
from shared.ports import Secrets, Source, State
from shared.sources import Remote, Storage, open_source
from shared.values.problems import Problem, Severity
from shared.values.tables import Table
from shared.wiring.columns import missing_columns
from shared.wiring.connections import Connector
from shared.wiring.rotation import Reached, RenewedSource


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens the sources of definitions, within the reach. Relative paths begin at `base`."""

    state: State
    secrets: Secrets
    reach: Reach
    storage: Storage
    base: Path
    environ: Mapping[str, str]

    def open(self, definition: SyncDefinition, start: Start, spool: Path) -> Source:
        """The source as one start sees it; `spool` is a folder for what has to be fetched first."""

        def allows(path: Path) -> bool:
            return path.resolve() in start.handed_over or self.reach.allows_path(path)

        def opened(secrets: Secrets) -> Source:
            return open_source(
                definition.source,
                variables=start.variables,
                base=self.base,
                allows_path=allows,
                secrets=secrets,
                spool=spool,
                remote=self._remote(definition),
                since=since(definition, self.state, start.variables),
            )

        secrets = Reached(self.secrets, self.reach, definition.name)
        return RenewedSource(secrets, opened) if _signs_in(definition.source) else opened(secrets)

    def _remote(self, definition: SyncDefinition) -> Remote:
        read = self.state.files_read(definition.name) if definition.only_new_files else frozenset()
        return Remote(self.reach.allows_blob, self.storage, read)

    def refuse_outside(self, addresses: Sequence[str]) -> None:
        """Raises `NotAllowedError` for an address that is none of a blob within reach."""
        if any(not self.reach.allows_blob(address) for address in addresses):
            raise NotAllowedError(
                "a file's address is none of a blob within reach",
                remedy="write blob://<container>/<name>, of a container that syncs/reach.yaml names under `containers`",
            )

    def variables(
        self, definition: SyncDefinition, given: Mapping[str, str], files: Mapping[str, Path | str]
    ) -> dict[str, str]:
        """One value for every variable; see `resolve_variables`."""
        return resolve_variables(
            definition, given=given, files=files, environ=self.environ, new_guid=lambda: str(uuid.uuid4())
        )

    @contextmanager
    def sampled(self, definition: SyncDefinition) -> Iterator[Source]:
        """The source without a start's variables.

        Raises:
            RefuseError: a variable has no value of its own.
        """
        start = Start(self.variables(definition, {}, {}), "")
        with temporary.folder("look") as spool:
            yield self.open(definition, start, spool)


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks definitions, and looks at what they lead to."""

    catalogue: Catalogue
    sources: Sources
    connector: Connector
    runner: JobRunner

    def check(self, sync: str) -> list[Problem]:
        """The definition held against reach, source and Dataverse's metadata; errors and warnings."""
        try:
            definition = self.catalogue.get(sync)
        except DefinitionError as error:
            return list(error.problems)
        return [*self.catalogue.advice(sync), *self.look(definition)]

    def look(self, definition: SyncDefinition) -> list[Problem]:
        """A sound definition held against other syncs, source and Dataverse's metadata; it need not be a sync yet."""
        return [*self._chains(definition), *self._source(definition), *self._destination(definition)]

    def _chains(self, definition: SyncDefinition) -> Iterator[Problem]:
        """Steps that start a sync which is not there or switched off, or one that leads back here."""
        syncs = self.catalogue.sound() | {definition.name: definition}
        started = {name: _started(one) for name, one in syncs.items()}
        ring = circle({definition.name: started[definition.name], **started})
        for number, step in enumerate(definition.post_sync):
            path = f"post_sync.{number}.sync.name"
            if step.sync is None:
                continue
            if step.sync.name not in started:
                near = get_close_matches(step.sync.name, started, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else "name one that `dynsync check` lists"
                yield Problem(path, f"there is no sync {step.sync.name!r}", remedy)
            elif step.sync.name in ring and definition.name in ring:
                found = f"the syncs start each other in a circle: {' → '.join(ring)}"
                yield Problem(path, found, "let the last of them start none")
            elif not syncs[step.sync.name].enabled:
                found, remedy = f"the sync {step.sync.name!r} is switched off, so the step fails", "enable it"
                yield Problem(path, found, f"{remedy}, or take the step out", Severity.WARNING)

    def source_columns(self, sync: str) -> Mapping[str, str]:
        """The source's own columns and their DuckDB types, in order.

        Raises:
            RefuseError: it can only be opened with the variables of a start.
            FailError, RetryError: it cannot be read.
        """
        with self.sources.sampled(self.catalogue.get(sync)) as source:
            return dict(source.column_types())

    def knock(self, sync: str) -> None:
        """Sign in to the destination, and no more. Raises `FailError`, `RetryError`, `NotAllowedError`."""
        with self.connector.connect(self.catalogue.get(sync)) as connected:
            connected.client.who_am_i()

    def table(self, sync: str) -> Table:
        """The destination's table. Raises `FailError`, `RetryError`, `NotAllowedError`."""
        definition = self.catalogue.get(sync)
        with self.connector.connect(definition) as connected:
            return connected.client.table(definition.destination.entity)

    def _source(self, definition: SyncDefinition) -> list[Problem]:
        """The source's columns against the schema, where the source can be opened without a start's variables."""
        if any(variable.required for variable in definition.variables.values()):
            return []
        try:
            with self.sources.sampled(definition) as source:
                told = told_columns(definition, source)
                present = told or source.column_types()
        except (SourceError, NotAllowedError, NotFoundError) as error:
            return [_problem("source.path", error)]
        except (AuthenticationError, RetryError) as error:
            return [_problem("source", error)]
        except RefuseError as error:
            return [_problem("variables", error)]
        wanted = [column.name for column in definition.source.columns if not column.calculated]
        drift = drifted(definition, told, self.sources.state.list(sync=definition.name, states=FINISHED, limit=5))
        wanted = [name for name in wanted if gone(name) not in {problem.found for problem in drift}]
        return [*drift, *missing_columns(wanted, list(present), steps=definition.source.type == "json")]

    def _destination(self, definition: SyncDefinition) -> list[Problem]:
        try:
            return self.runner.check(definition)
        except UnknownTableError as error:
            return [_problem("destination.entity", error)]
        except (AuthenticationError, DestinationError, NotAllowedError, RetryError) as error:
            return [_problem("destination", error)]


def _signs_in(source: SourceBase) -> bool:
    """Whether it names a secret."""
    sas = source.sas if isinstance(source, FileSource) else None
    return sas is not None or (isinstance(source, SqlSource) and source.connection is not None)


def _problem(path: str, error: DynsyncError) -> Problem:
    return Problem(path, error.found, error.remedy)


def _started(definition: SyncDefinition) -> list[str]:
    """The syncs that its steps start."""
    return [step.sync.name for step in definition.post_sync if step.sync is not None]
