"""One suite for every implementation of the memory of schedules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.ports import Schedules
from shared.state.azure import Account, opened
from shared.state.azure.schedules import AzureSchedules
from shared.state.events import open_database
from shared.state.schedules import LocalSchedules
from shared.values.schedules import Mark
from tests import azurite

MARK = Mark("0 */5 * * * *", "Europe/Amsterdam", datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC))
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]
Opener = Callable[[Path], Schedules]


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the memory of a folder; twice the same folder is twice the same memory."""
    if request.param == "local":
        return lambda folder: LocalSchedules(open_database(folder))
    account: azurite.Account = request.getfixturevalue("storage")

    def azure(folder: Path) -> Schedules:
        name = f"t{hashlib.sha256(str(folder).encode()).hexdigest()[:40]}"
        rows, _ = opened(Account(connection=lambda: account.connection, table=name, container=name))
        return AzureSchedules(rows)

    return azure


def test_a_mark_comes_back_exactly(opener: Opener, tmp_path: Path) -> None:
    """Also from another process's store, to the microsecond, by any sync's name."""
    first, second = opener(tmp_path), opener(tmp_path)
    assert first.mark("accounts") is None
    for name in ("accounts", "Ünïcode/with#signs?", "a" * 300):
        assert first.change(name, lambda _: MARK) == MARK
        assert second.mark(name) == MARK
    assert second.mark("cities") is None


def test_a_change_sees_what_stands_there(opener: Opener, tmp_path: Path) -> None:
    """Threads with stores of their own add minutes at once: none is lost."""
    opener(tmp_path).change("accounts", lambda _: MARK)

    def later(mark: Mark | None) -> Mark:
        assert mark is not None
        return replace(mark, dealt_with=mark.dealt_with + timedelta(minutes=1))

    def add(_: int) -> None:
        store = opener(tmp_path)
        for _ in range(3):
            store.change("accounts", later)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(4)))
    found = opener(tmp_path).mark("accounts")
    assert found is not None
    assert found.dealt_with == MARK.dealt_with + timedelta(minutes=12)
