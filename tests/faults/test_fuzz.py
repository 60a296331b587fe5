"""Whatever is sent to the local Dataverse, it answers as the service would: never with a 5xx that nobody asked for.

Runs 10,000 requests; DYNSYNC_FUZZ=1000 (or any number) runs so many. Each is made from a seed that a failure names.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from local.dataverse.application import Application
from tests.faults import fuzzing

REQUESTS = int(os.environ.get("DYNSYNC_FUZZ", "10000"))
PARTS = 4


@pytest.fixture
def application() -> Application:
    return fuzzing.environment()


@pytest.mark.parametrize("part", range(PARTS))
def test_fuzzed_requests_break_nothing(part: int, application: Application) -> None:
    """No 5xx, no broken reply, and a refused request has changed no row."""
    with asyncio.Runner() as loop:
        for seed in range(part, REQUESTS, PARTS):
            fuzzing.check(application, seed, loop)


def test_what_is_sent_is_fuzzed_everywhere() -> None:
    """Of the requests at least a tenth has a body, a tenth a query, a tenth is a batch, a third has odd headers."""
    made = [fuzzing.request(random.Random(seed), ["x"]) for seed in range(500)]
    assert sum(bool(one.body) for one in made) > 50
    assert sum("=" in one.query for one in made) > 50
    assert sum(one.path.endswith("$batch") for one in made) > 50
    assert sum(bool(one.headers.keys() & fuzzing.HEADERS.keys()) for one in made) > 166
    assert {name for one in made for name in one.headers} >= fuzzing.HEADERS.keys()
