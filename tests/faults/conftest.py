"""The world of the whole stories, for those in which something breaks; and what keeps these small and quick."""

from __future__ import annotations

import functools

import pytest

from shared.dataverse.transport import Transport
from shared.engine.applying import Applier
from tests.e2e.conftest import world
from tests.faults.kill_stories import SMALL
from tests.faults.powercut import power

__all__ = ["power", "world"]


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a service that asks for it."""
    monkeypatch.setattr(Transport, "wait", lambda _self, _seconds, **_: None)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes are sent together."""
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=2))


@pytest.fixture
def single_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change is sent alone."""
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=1))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the stories that are killed."""
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)
