"""One sync's line: a warm connection and a warm working memory in which its batches are applied."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from shared.definitions.sync import SyncDefinition
from shared.engine import preparing
from shared.engine.identity import growing_id
from shared.engine.plan import Manifest
from shared.engine.planning import Rules, create_id
from shared.engine.preparing import Filters
from shared.engine.readback import ReadBack
from shared.engine.realtime.hearing import Hearing
from shared.engine.realtime.sending import Moment, Sender
from shared.engine.realtime.statements import Statements, statements_of, typed_pair
from shared.engine.realtime.warm import WarmWorkspace
from shared.engine.ruling import ids_of, planned_columns, rules_of
from shared.engine.surroundings import Destination
from shared.engine.workspace import Limits, workspace_folder
from shared.errors import UnavailableError
from shared.mapping.build import Metadata, Prepared
from shared.ports import Clock, Ledger
from shared.values.jobs import DestinationBalance, SourceBalance


class TooLateError(UnavailableError):
    """The locks of a batch's messages could run out; that is not the destination's fault."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What real time stands on: ways to connect, the ledger, the clock, ids for batches, bounds of working memory."""

    connect: Callable[[SyncDefinition], AbstractContextManager[Destination]]
    ledger: Ledger
    clock: Clock
    new_id: Callable[[], str]
    limits: Limits
    workspaces: Path | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One sync, ready to apply batches one after another; not for several threads at once.

    `upserting` is `prepared` for turns without a delete. `growing`: ids of new rows take `$job` and `$start`.
    """

    ground: Ground
    hearing: Hearing
    destination: Destination
    metadata: Metadata
    prepared: Prepared
    upserting: Prepared
    statements: Statements
    workspace: WarmWorkspace
    sender: Sender
    rules: Rules
    opened_at: datetime
    owned: str | None
    growing: bool
    _open: ExitStack

    @classmethod
    def open(cls, ground: Ground, hearing: Hearing) -> Line:
        """Connect, read the metadata and compose the definition's SQL.

        Raises:
            FailError: the definition does not fit, or Dataverse refuses.
            RetryError: Dataverse does not answer.
        """
        with ExitStack() as stack:
            destination = stack.enter_context(ground.connect(hearing.definition))
            metadata = preparing.gather(hearing.definition, destination.client)
            upserts, deletes = typed_pair(hearing)
            prepared = hearing.prepared(metadata, upserts)
            folder = stack.enter_context(workspace_folder(ground.workspaces))
            workspace = stack.enter_context(WarmWorkspace(folder, limits=ground.limits))
            workspace.seal()
            readback = ReadBack(destination.client, metadata.table, Moment(_manifest(prepared, metadata)), folder)
            stack.callback(readback.close)
            ids = ids_of(prepared, metadata.table)
            sender = Sender(destination.writer(metadata.table), readback, ids == "derived")
            filters = Filters(hearing.variables)
            return cls(
                ground,
                hearing,
                destination,
                metadata,
                prepared,
                replace(prepared, mapping=replace(prepared.mapping, action=None)),
                statements_of(hearing, prepared, upserts, deletes, _new_id(ids, prepared, metadata)),
                workspace,
                sender,
                rules_of(hearing.definition, prepared, hearing.variables),
                ground.clock(),
                filters.bound(hearing.definition.destination.filter, metadata.table),
                ids == "growing",
                stack.pop_all(),
            )

    def close(self) -> None:
        """Give the connection and the memory back."""
        self._open.close()

    @property
    def filters(self) -> Filters:
        """Binds the definition's variables into filters."""
        return Filters(self.hearing.variables)

    def owned_rows(self) -> int:
        """How many rows the sync owns, at the least."""
        return self.destination.client.at_least(self.metadata.table, self.owned)

    def until(self, deadline: datetime) -> None:
        """From now on no request starts after `deadline`."""

        def in_time() -> None:
            if self.ground.clock() >= deadline:
                raise TooLateError(
                    "the batch took longer than the locks of its messages last; nothing more of it was sent"
                )

        self.destination.client.transport.starting = in_time


def _new_id(ids: str, prepared: Prepared, metadata: Metadata) -> str:
    """SQL of a new row's id, the same for every batch: what differs is a parameter."""
    if ids == "growing":
        return growing_id(job="CAST($job AS VARCHAR)", start="CAST($start AS BIGINT)")
    organization = metadata.environment.organization_id
    return create_id(prepared, environment=organization, table=metadata.table.name, job="", sequence_start=None)


def _manifest(prepared: Prepared, metadata: Metadata) -> Manifest:
    return Manifest(
        job="",
        sync="",
        organization=metadata.environment.organization_id,
        table=metadata.table.name,
        key=prepared.mapping.key,
        ids=ids_of(prepared, metadata.table),
        accent_sensitive=prepared.mapping.accent_sensitive,
        columns=planned_columns(prepared),
        counts={},
        source=SourceBalance(),
        destination=DestinationBalance(),
        reported=0,
    )
