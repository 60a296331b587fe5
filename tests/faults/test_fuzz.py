"""Whatever is sent to the local Dataverse, it answers as the service would: never with a 5xx that nobody asked for.

Runs 2,000 requests; DYNSYNC_FUZZ=10000 (or any number) runs so many. Each is made from a seed that a failure names.
"""

from __future__ import annotations

import os

import pytest

from local.dataverse.application import Application
from tests.faults import fuzzing

REQUESTS = int(os.environ.get("DYNSYNC_FUZZ", "2000"))
PARTS = 4


@pytest.fixture
def application() -> Application:
    return fuzzing.environment()


@pytest.mark.parametrize("part", range(PARTS))
def test_fuzzed_requests_break_nothing(part: int, application: Application) -> None:
    """No 5xx, no broken reply, and a refused request has changed no row."""
    for seed in range(part, REQUESTS, PARTS):
        fuzzing.check(application, seed)
