"""A clock that tests move, the stand-ins, and Microsoft's clients to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from local.identity import LocalIdentity
from local.identity.fixture import local_identity

__all__ = ["local_identity"]


class Time:
    """The wall's clock, with an offset."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_by(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def azure(time: Time) -> Iterator[LocalIdentity]:
    with LocalIdentity(clock=time) as running:
        yield running


@pytest.fixture
def credential(azure: LocalIdentity) -> Iterator[Callable[..., ClientSecretCredential]]:
    """Makes credentials that trust the stand-in's certificate."""

    def make(
        secret: str = azure.client_secret, tenant: str = azure.tenant_id, client: str = azure.client_id, **more: Any
    ):
        settings = {"authority": azure.authority, "disable_instance_discovery": True, "retry_total": 0, **more}
        opened.append(ClientSecretCredential(tenant, client, secret, connection_verify=str(azure.ca_file), **settings))
        return opened[-1]

    opened: list[ClientSecretCredential] = []
    yield make
    for one in opened:
        one.close()


@pytest.fixture
def client(azure: LocalIdentity, credential: Callable[..., Any]) -> Iterator[Callable[..., SecretClient]]:
    """Makes clients of the vault."""

    def make(who: Any = None, **more: Any) -> SecretClient:
        settings = {"retry_total": 0, "connection_verify": str(azure.ca_file), **more}
        opened.append(SecretClient(azure.vault_url, who or credential(), **settings))
        return opened[-1]

    opened: list[SecretClient] = []
    yield make
    for one in opened:
        one.close()
