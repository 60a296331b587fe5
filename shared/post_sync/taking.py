"""Takes a step after a job, whatever its kind, with what the app gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from shared.dataverse.client import DataverseClient
from shared.definitions.post_sync import Chain, HttpCall, PostSyncStep, SqlStatement
from shared.definitions.sync import SyncDefinition
from shared.errors import NotAllowedError, RefuseError
from shared.ports import Clock
from shared.post_sync import dataverse, http, sql
from shared.post_sync.texts import filled
from shared.values.changes import Action
from shared.values.jobs import Job
from shared.values.steps import Ended, Said

_ACTIONS = {"created": (Action.CREATE,), "updated": (Action.UPDATE, Action.REVIVE)}


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways out of the app. `connect` opens a definition's destination with a time-out in seconds; `secret` gives a
    secret that a sync may name; `queue` starts a sync for somebody, after the syncs of a chain. `base` is where paths
    begin, `identity` the client id with which SQL Server is signed in to where its secret names none.
    """

    connect: Callable[[SyncDefinition, int], AbstractContextManager[DataverseClient]]
    secret: Callable[[str, str], str]
    queue: Callable[[str, Mapping[str, str], str, tuple[str, ...]], Job]
    allows_outbound: Callable[[str], bool]
    allows_path: Callable[[Path], bool]
    base: Path
    local: bool
    clock: Clock
    verify: bool | str = True
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes steps by the ways it was given."""

    ways: Ways

    def take(self, definition: SyncDefinition, step: PostSyncStep, ended: Ended) -> Said:
        """Take one step, once.

        Raises:
            RetryError: it failed for a passing reason.
            DynsyncError: it failed.
        """
        if step.http is not None:
            return self._call(definition, step, step.http, ended)
        if step.sql is not None:
            return sql.take(step.sql, ended.variables, self._database(definition, step, step.sql))
        if step.sync is not None:
            return self._start(step.sync, ended)
        return self._in_dataverse(definition, step, ended)

    def _call(self, definition: SyncDefinition, step: PostSyncStep, call: HttpCall, ended: Ended) -> Said:
        return http.take(
            step,
            call,
            ended,
            secret=lambda name: self.ways.secret(definition.name, name),
            allows=self.ways.allows_outbound,
            local=self.ways.local,
            verify=self.ways.verify,
            now=self.ways.clock(),
        )

    def _database(self, definition: SyncDefinition, step: PostSyncStep, statement: SqlStatement) -> sql.Database:
        name = statement.connection.secret
        shown = f"the {statement.dialect} database of the secret {name!r}"
        connection = self.ways.secret(definition.name, name)
        if statement.dialect == "sqlite":
            path = self.ways.base / connection
            if not self.ways.allows_path(path):
                raise NotAllowedError(f"{shown} does not lie within the operator's reach")
            connection = str(path)
        return sql.Database(connection, shown, step.timeout_s, self.ways.identity)

    def _in_dataverse(self, definition: SyncDefinition, step: PostSyncStep, ended: Ended) -> Said:
        with self.ways.connect(definition, step.timeout_s) as client:
            if step.action is not None:
                return dataverse.act(client, step.action, step.parameters, ended.variables)
            if step.function is not None:
                return dataverse.ask(client, step.function, step.parameters, ended.variables)
            if step.workflow is not None:
                rows = _written(ended, step.workflow.rows)
                return dataverse.start_workflow(client, step.workflow, rows, within_s=step.timeout_s)
        raise RefuseError(f"the step {step.name!r} has no kind")

    def _start(self, chain: Chain, ended: Ended) -> Said:
        job = ended.job
        syncs = (*job.chain, job.sync)
        if chain.name in syncs:
            raise RefuseError(f"the syncs start each other in a circle: {' → '.join((*syncs, chain.name))}")
        variables = {name: filled(text, ended.variables) for name, text in chain.variables.items()}
        started = self.ways.queue(chain.name, variables, f"job {job.id}", syncs)
        return Said(f"started job {started.id}", started.id)


def _written(ended: Ended, rows: tuple[str, ...]) -> Iterator[str]:
    for kind in rows:
        for action in _ACTIONS[kind]:
            yield from ended.rows(action)
