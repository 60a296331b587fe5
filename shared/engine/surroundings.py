"""What the engine is given: a store, ways to open sources and destinations, and who starts a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.dataverse.client import DataverseClient
from shared.definitions.post_sync import PostSyncStep
from shared.definitions.sync import SyncDefinition
from shared.engine.creating import RowWriter
from shared.engine.workspace import Limits
from shared.ports import Clock, Ledger, ProgressListener, Source, State
from shared.values.steps import Ended, Said
from shared.values.tables import Table


class Destination(Protocol):
    """A connection to one environment."""

    @property
    def client(self) -> DataverseClient:
        """Reads tables and rows."""

    def writer(self, table: Table) -> RowWriter:
        """Writes rows of a table."""


@dataclass(frozen=True, slots=True)
class Start:
    """Who starts a job, with which variables (resolved), and who watches it.

    `handed_over` are the files that came with the start; they may be read wherever they are. `chain` names the syncs
    whose jobs led to this start.
    """

    variables: Mapping[str, str]
    started_by: str
    handed_over: tuple[Path, ...] = ()
    chain: tuple[str, ...] = ()
    progress: ProgressListener = lambda _: None
    cancelled: Callable[[], bool] = lambda: False


class StepTaker(Protocol):
    """Takes steps after jobs."""

    def take(self, definition: SyncDefinition, step: PostSyncStep, ended: Ended) -> Said:
        """Take one step, once.

        Raises:
            RetryError: it failed for a passing reason.
            DynsyncError: it failed.
        """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the engine is given: the store, and how sources and destinations are opened.

    `open_source` takes a definition, the start and a spool folder; `connect` a definition. Finished jobs are kept for
    `retention_days`; None: for good. `app_url` is where people and steps find the app, without a slash at its end.
    `ledger` is what listeners have applied.
    """

    state: State
    open_source: Callable[[SyncDefinition, Start, Path], Source]
    connect: Callable[[SyncDefinition], AbstractContextManager[Destination]]
    clock: Clock
    new_job_id: Callable[[datetime], str]
    limits: Limits
    workspaces: Path | None = None
    retention_days: int | None = None
    steps: StepTaker | None = None
    app_url: str | None = None
    ledger: Ledger | None = None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
