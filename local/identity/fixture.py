"""pytest: `pytest_plugins = ["local.identity.fixture"]` gives `local_identity`, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.identity.server import LocalIdentity


@pytest.fixture
def local_identity() -> Iterator[LocalIdentity]:
    """Running stand-ins of Entra, the managed identity endpoint and Key Vault, of this test only."""
    with LocalIdentity() as running:
        yield running
