"""Where the namespace is, and as whom it is entered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.bus.queues import ServiceBus
from shared.errors import AuthenticationError, NotAllowedError
from shared.ports import Secrets

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BusAddress:
    """One of the two: `namespace` (a host, entered by identity), or `secret` (the name of a connection string).

    `client_id` picks a user-assigned identity.

    Raises:
        NotAllowedError: none or both are given.
    """

    namespace: str | None = None
    secret: str | None = None
    client_id: str | None = None

    def __post_init__(self) -> None:
        if (self.namespace is None) == (self.secret is None):
            raise NotAllowedError(
                "a Service Bus is named either by its namespace (contoso.servicebus.windows.net, entered by identity) "
                "or by the name of the secret that holds its connection string; give one of the two"
            )


def connect(address: BusAddress, secrets: Secrets, credential: TokenCredential | None = None) -> ServiceBus:
    """A namespace's queues; nothing is sent yet. `credential` defaults to the machine's own identity.

    Raises:
        AuthenticationError: the secret is not there, or holds no connection string (its value is not shown).
    """
    from azure.servicebus import ServiceBusClient

    if address.secret is not None:
        try:
            return ServiceBus(ServiceBusClient.from_connection_string(secrets.get(address.secret)))
        except ValueError:
            raise AuthenticationError(
                f"secret {address.secret!r} holds no connection string of Service Bus: wanted is "
                "Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…"
            ) from None
    namespace = str(address.namespace)
    local = namespace.rpartition(":")[0] in _LOOPBACK
    return ServiceBus(ServiceBusClient(namespace, credential or _own(address.client_id), use_tls=not local))


def _own(client_id: str | None) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id) if client_id else DefaultAzureCredential()
