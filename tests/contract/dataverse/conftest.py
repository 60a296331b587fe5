"""A caller with a token for the stand-in of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from local.dataverse import LocalDataverse
from local.dataverse.fixture import local_dataverse

__all__ = ["caller", "local_dataverse"]


@pytest.fixture
def caller(local_dataverse: LocalDataverse) -> Iterator[requests.Session]:
    """A session whose requests carry a token."""
    form = {
        "grant_type": "client_credentials",
        "client_id": local_dataverse.client_id,
        "client_secret": local_dataverse.client_secret,
        "scope": f"{local_dataverse.authority}.default",
    }
    endpoint = f"{local_dataverse.authority}{local_dataverse.tenant_id}/oauth2/v2.0/token"
    token = requests.post(endpoint, data=form, timeout=10).json()["access_token"]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        session.headers["Content-Type"] = "application/json; charset=utf-8"
        yield session
