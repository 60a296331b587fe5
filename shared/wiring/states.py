"""Chooses where the product's memory is kept: a folder, or a storage account."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.ports import (
    CallMemory,
    DefinitionStore,
    Ledger,
    Listeners,
    Park,
    ProgressMemory,
    RejectedEvents,
    Schedules,
    Secrets,
    State,
)
from shared.state import LocalState
from shared.state.calls import LocalCalls
from shared.state.definitions import LocalDefinitions
from shared.state.events import (
    PARKED,
    REJECTED,
    LocalLedger,
    LocalListeners,
    LocalShelf,
    ShelvedPark,
    ShelvedRejects,
    open_database,
)
from shared.state.progress import LocalProgress
from shared.state.schedules import LocalSchedules
from shared.wiring.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Every kind of memory, each behind a seam of its own."""

    state: State
    ledger: Ledger
    park: Park
    rejected_events: RejectedEvents
    listeners: Listeners
    calls: CallMemory
    schedules: Schedules
    progress: ProgressMemory
    definitions: DefinitionStore


def open_stores(settings: Settings, folder: Path, secrets: Secrets, *, verify: bool | str) -> Stores:
    """The stores that the settings ask for; without any, those of the folder.

    Raises:
        StateError, AuthenticationError, RefuseError: they cannot be opened.
    """
    if settings.state_in_azure:
        return _in_azure(settings, secrets, verify=verify)
    database = open_database(folder)
    return Stores(
        LocalState(folder),
        LocalLedger(database),
        ShelvedPark(LocalShelf(database, PARKED)),
        ShelvedRejects(LocalShelf(database, REJECTED)),
        LocalListeners(database),
        LocalCalls(database),
        LocalSchedules(database),
        LocalProgress(database),
        LocalDefinitions(database),
    )


def _in_azure(settings: Settings, secrets: Secrets, *, verify: bool | str) -> Stores:
    from shared.state.azure import Account, AzureState, opened  # dear to start
    from shared.state.azure.calls import AzureCalls
    from shared.state.azure.definitions import AzureDefinitions
    from shared.state.azure.events import AzureLedger, AzureListeners, AzureShelf
    from shared.state.azure.progress import AzureProgress
    from shared.state.azure.schedules import AzureSchedules

    secret = settings.state_secret
    rows, blobs = opened(
        Account(
            tables=settings.state_tables or "",
            blobs=settings.state_blobs or "",
            identity=settings.state_identity,
            connection=(lambda: secrets.get(secret)) if secret else None,
            verify=verify,
        )
    )
    return Stores(
        AzureState(rows, blobs),
        AzureLedger(rows),
        ShelvedPark(AzureShelf(rows, blobs, PARKED)),
        ShelvedRejects(AzureShelf(rows, blobs, REJECTED)),
        AzureListeners(rows),
        AzureCalls(rows),
        AzureSchedules(rows),
        AzureProgress(rows),
        AzureDefinitions(rows, blobs),
    )
