"""Fixtures: a scripted service and a transport to it."""

from __future__ import annotations

import pytest

from tests.unit.dataverse.service import Script, Service, Time


@pytest.fixture
def serve():
    """Start scripted services; they end with the test."""
    started: list[Service] = []

    def start(script: Script) -> Service:
        started.append(Service(script))
        return started[-1]

    yield start
    for service in started:
        service.close()


@pytest.fixture
def time() -> Time:
    return Time()
