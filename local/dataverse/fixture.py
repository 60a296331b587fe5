"""pytest: `pytest_plugins = ["local.dataverse.fixture"]` gives `local_dataverse`, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.dataverse.server import LocalDataverse


@pytest.fixture
def local_dataverse() -> Iterator[LocalDataverse]:
    """A running local Dataverse with its first rows, of this test only."""
    with LocalDataverse() as server:
        yield server
