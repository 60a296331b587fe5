"""Microsoft's own client, unmodified, at a stand-in of the test, over TLS and with Microsoft's own sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient

from local.dataverse import LocalDataverse


class Clock:
    """A clock that moves when it is told to. It begins now: the client sends the time itself when it orders a job."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    """The stand-in's clock."""
    return Clock()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Where the stand-in's certificate is written."""
    return tmp_path / "dataverse.pem"


@pytest.fixture
def server(clock: Clock, certificate: Path) -> Iterator[LocalDataverse]:
    """A stand-in of this test only."""
    with LocalDataverse(clock=clock, https=certificate) as running:
        yield running


@pytest.fixture
def credential(
    server: LocalDataverse, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClientSecretCredential]:
    """Microsoft's sign-in, as docs/local-dataverse.md shows it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    found = ClientSecretCredential(
        server.tenant_id,
        server.client_id,
        server.client_secret,
        authority=server.authority,
        disable_instance_discovery=True,
    )
    with found:
        yield found


@pytest.fixture
def client(server: LocalDataverse, credential: ClientSecretCredential) -> Iterator[DataverseClient]:
    """Microsoft's client, likewise."""
    with DataverseClient(server.authority, credential) as connected:
        yield connected
