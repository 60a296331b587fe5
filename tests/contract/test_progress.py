"""One suite for every implementation of the memory of progress."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.errors import StateError
from shared.ports import ProgressMemory
from shared.state.azure import Account, opened
from shared.state.azure.progress import AzureProgress
from shared.state.events import open_database
from shared.state.progress import LocalProgress, note_from_text
from shared.values.jobs import Phase, Progress, ProgressNote
from tests import azurite

NOW = datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC)
NOTE = ProgressNote("20260329-010000-aaaa", Progress(Phase.READ_DESTINATION, 5000, None, 3), NOW, NOW)
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]
Opener = Callable[[Path], ProgressMemory]


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the memory of a folder; twice the same folder is twice the same memory."""
    if request.param == "local":
        return lambda folder: LocalProgress(open_database(folder))
    account: azurite.Account = request.getfixturevalue("storage")

    def azure(folder: Path) -> ProgressMemory:
        name = f"t{hashlib.sha256(str(folder).encode()).hexdigest()[:40]}"
        rows, _ = opened(Account(connection=lambda: account.connection, table=name, container=name))
        return AzureProgress(rows)

    return azure


def test_the_last_note_comes_back(opener: Opener, tmp_path: Path) -> None:
    """From another process's store, by any sync's name; an older one is gone."""
    first, second = opener(tmp_path), opener(tmp_path)
    assert first.noted("accounts") is None
    later = replace(NOTE, progress=Progress(Phase.APPLY, 7, 9), at=NOW + timedelta(seconds=2))
    for name in ("accounts", "Ünïcode/with#signs?", "a" * 300):
        for note in (NOTE, later):
            first.note(name, note)
            assert second.noted(name) == note
    assert second.noted("cities") is None


@pytest.mark.parametrize("text", ["", "{}", '{"job": "x", "phase": "dance"}', "[]"])
def test_a_note_of_another_version_is_told(text: str) -> None:
    """In words, and as an error of the store."""
    with pytest.raises(StateError, match="cannot be read by this version"):
        note_from_text(text)
