"""pytest: `pytest_plugins = ["local.servicebus.fixture"]` gives `local_servicebus`, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.servicebus.server import LocalServiceBus


@pytest.fixture
def local_servicebus() -> Iterator[LocalServiceBus]:
    """A running local Service Bus with the queues of Dynamics Sync, of this test only."""
    with LocalServiceBus() as bus:
        yield bus
