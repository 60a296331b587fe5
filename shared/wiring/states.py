"""Chooses where jobs are kept: a folder, or a storage account."""

from __future__ import annotations

from pathlib import Path

from shared.ports import Secrets, State
from shared.state import LocalState
from shared.wiring.settings import Settings


def open_state(settings: Settings, folder: Path, secrets: Secrets, *, verify: bool | str) -> State:
    """The store that the settings ask for; without any, the folder.

    Raises:
        StateError, AuthenticationError, RefuseError: it cannot be opened.
    """
    if not settings.state_in_azure:
        return LocalState(folder)
    from shared.state.azure import Account, connect  # dear to start

    secret = settings.state_secret
    return connect(
        Account(
            tables=settings.state_tables or "",
            blobs=settings.state_blobs or "",
            identity=settings.state_identity,
            connection=(lambda: secrets.get(secret)) if secret else None,
            verify=verify,
        )
    )
