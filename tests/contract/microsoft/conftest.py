"""Microsoft's own client, unmodified, at a stand-in of the test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
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


class Credential:
    """The stand-in's token, as a credential of azure-core."""

    def __init__(self, server: LocalDataverse) -> None:
        self._server = server

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._server.client_id,
            "client_secret": self._server.client_secret,
            "scope": scopes[0].replace("https://", "http://"),
        }
        endpoint = f"{self._server.authority}{self._server.tenant_id}/oauth2/v2.0/token"
        token = requests.post(endpoint, data=form, timeout=10).json()
        return AccessToken(token["access_token"], int(token["expires_in"]))


@pytest.fixture
def clock() -> Clock:
    """The stand-in's clock."""
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[LocalDataverse]:
    """A stand-in of this test only."""
    with LocalDataverse(clock=clock) as running:
        yield running


@pytest.fixture
def client(server: LocalDataverse, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataverseClient]:
    """Microsoft's client. It insists on https, which the stand-in on this machine does not speak: the connection leaves
    it out, the client is as it comes."""
    send = requests.adapters.HTTPAdapter.send

    def plainly(adapter: requests.adapters.HTTPAdapter, request: requests.PreparedRequest, **more: Any) -> Any:
        assert request.url is not None
        request.url = request.url.replace("https://127.0.0.1", "http://127.0.0.1", 1)
        return send(adapter, request, **more)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", plainly)
    with DataverseClient(server.authority.replace("http://", "https://"), Credential(server)) as connected:
        yield connected
