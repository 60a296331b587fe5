"""Opens the store in Azure: by the app's identity, or by a connection string from a secret."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared import temporary
from shared.errors import RefuseError
from shared.state.azure.blobs import Blobs
from shared.state.azure.state import AzureState
from shared.state.azure.tables import Rows

if TYPE_CHECKING:
    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient

TABLE = "dynsyncstate"
CONTAINER = "dynsync-state"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Account:
    """Where the state is kept: the addresses of a storage account's tables and blobs, and who signs in.

    `identity`: client id of a managed identity; without it, the machine's own. `connection`: gives a connection string
    from a secret instead of the addresses. `verify` is what requests takes; `table` and `container` are the names.
    """

    tables: str = ""
    blobs: str = ""
    identity: str | None = None
    connection: Callable[[], str] | None = None
    verify: bool | str = True
    table: str = TABLE
    container: str = CONTAINER


def connect(account: Account) -> AzureState:
    """The store of an account; makes its table and its container when they are not there.

    Raises:
        RefuseError: the connection string is none, or carries an account key to a host that is not this machine.
        AuthenticationError: the identity may not use the account.
        StateError: the account does not answer.
    """
    return AzureState(*opened(account))


def opened(account: Account) -> tuple[Rows, Blobs]:
    """The rows and blobs that all stores of an account are made of. Raises as `connect`."""
    cache = temporary.made("state")
    client, container = _clients(account)
    blobs, rows = Blobs(container, cache), Rows(client)
    weakref.finalize(blobs, shutil.rmtree, cache, ignore_errors=True)
    weakref.finalize(blobs, container.close)
    weakref.finalize(rows, client.close)
    rows.create_table()
    blobs.create_container()
    return rows, blobs


def _clients(account: Account) -> tuple[TableClient, ContainerClient]:
    from azure.data.tables import TableClient
    from azure.storage.blob import ContainerClient

    how: dict[str, Any] = {"connection_verify": account.verify}
    if account.connection is not None:
        text = _checked(account.connection().strip())
        try:
            rows = TableClient.from_connection_string(text, account.table, **how)
            return rows, ContainerClient.from_connection_string(text, account.container, **how)
        except ValueError:
            raise _no_connection_string() from None
    credential = _credential(account.identity)
    rows = TableClient(account.tables, account.table, credential=credential, **how)
    return rows, ContainerClient(account.blobs, account.container, credential=credential, **how)


def _credential(identity: str | None) -> Any:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=identity) if identity else DefaultAzureCredential()


def _checked(text: str) -> str:
    """A connection string whose key, if it has one, goes to this machine only."""
    pairs = dict(part.partition("=")[::2] for part in text.split(";") if part)
    endpoints = [pairs.get("TableEndpoint", ""), pairs.get("BlobEndpoint", "")]
    if not all(endpoints):
        raise _no_connection_string()
    local = all(urlsplit(endpoint).hostname in _LOOPBACK for endpoint in endpoints)
    if not local and ("AccountKey" in pairs or any(urlsplit(endpoint).scheme != "https" for endpoint in endpoints)):
        raise RefuseError(
            "the connection string of the job store carries an account key, or does not use https; account keys are "
            "for a storage on this machine. Sign in with an identity (DYNSYNC_STATE_TABLES, DYNSYNC_STATE_BLOBS), or "
            "use a shared access signature"
        )
    return text


def _no_connection_string() -> RefuseError:
    return RefuseError(
        "the secret named by DYNSYNC_STATE_SECRET is no connection string with TableEndpoint=…;BlobEndpoint=…; "
        "write it so, or sign in with an identity"
    )
