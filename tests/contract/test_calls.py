"""One suite for every implementation of `CallMemory`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.ports import CallMemory
from shared.state.azure import Account, opened
from shared.state.azure.calls import AzureCalls
from shared.state.calls import LocalCalls
from shared.state.database import Database
from shared.values.calls import RememberedCall
from tests import azurite

NOW = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]
CALL = RememberedCall("nia/ü 🌍/?#", "d1", "20250301-120000-aaaa", NOW)
Opener = Callable[[], CallMemory]


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    if request.param == "local":
        return lambda: LocalCalls(Database(tmp_path / "state.db", busy_timeout_s=30))
    account: azurite.Account = request.getfixturevalue("storage")
    name = f"t{uuid.uuid4().hex}"
    return lambda: AzureCalls(opened(Account(connection=lambda: account.connection, table=name, container=name))[0])


def test_the_first_call_of_a_key_stays(opener: Opener) -> None:
    """Whoever comes second gets what the first one left, also after a restart."""
    assert opener().remember(CALL) == CALL
    later = replace(CALL, digest="d2", job_id="20250301-130000-bbbb", at=NOW + timedelta(hours=1))
    assert opener().remember(later) == CALL
    assert opener().remember(replace(later, key="nia/other")) == replace(later, key="nia/other")


def test_of_many_at_once_one_is_kept(opener: Opener) -> None:
    """All get the same answer."""
    memory = opener()
    calls = [replace(CALL, job_id=f"20250301-120000-{number:04}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(memory.remember, calls))
    assert len(kept) == 1
    assert kept <= set(calls)


def test_calls_are_forgotten(opener: Opener) -> None:
    """One by its key; and those from before a time."""
    memory = opener()
    memory.remember(CALL)
    memory.remember(replace(CALL, key="old", at=NOW - timedelta(days=8)))
    memory.forget_before(NOW - timedelta(days=7))
    new = replace(CALL, digest="d3", at=NOW + timedelta(days=1))
    assert memory.remember(new) == CALL
    assert memory.remember(replace(new, key="old")) == replace(new, key="old")
    memory.forget(CALL.key)
    memory.forget(CALL.key)
    assert memory.remember(new) == new
