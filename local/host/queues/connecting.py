"""Where a trigger's `connection` leads: the setting of that name, or the group `NAME__fullyQualifiedNamespace`.

Source: Microsoft Learn, "Azure Service Bus bindings", connections and identity-based connections (2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local.host.refusals import HostError

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusClient

_LOOPBACK = ("localhost", "127.0.0.1")


def check(connection: str, environ: Mapping[str, str]) -> None:
    """Whether the settings are there. Raises `HostError`."""
    if not (environ.get(connection) or environ.get(f"{connection}__fullyQualifiedNamespace")):
        raise HostError(
            f"connection {connection!r} needs the setting {connection} (a connection string) or "
            f"{connection}__fullyQualifiedNamespace (a host, entered by identity); neither is set"
        )


def connect(connection: str, environ: Mapping[str, str]) -> ServiceBusClient:
    """A client of the namespace; nothing is sent yet.

    Raises:
        HostError: the settings are not there, or the connection string is none.
    """
    from azure.servicebus import ServiceBusClient

    check(connection, environ)
    if text := environ.get(connection):
        try:
            return ServiceBusClient.from_connection_string(text)
        except ValueError:
            raise HostError(f"setting {connection} is no connection string of Service Bus") from None
    from azure.identity import DefaultAzureCredential

    namespace = environ[f"{connection}__fullyQualifiedNamespace"]
    local = namespace.rpartition(":")[0] in _LOOPBACK
    chosen = environ.get(f"{connection}__clientId")
    credential = DefaultAzureCredential(managed_identity_client_id=chosen) if chosen else DefaultAzureCredential()
    return ServiceBusClient(namespace, credential, use_tls=not local)
