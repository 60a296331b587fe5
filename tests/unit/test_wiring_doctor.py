"""One role for each environment, whatever its address looks like."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.definitions.catalogue import Catalogue, Edit
from shared.values.revisions import Revision
from shared.values.rights import Grade
from shared.wiring import doctor
from shared.wiring.connections import Connector

ADDRESSES = {
    "a": "https://org.crm4.dynamics.com",
    "b": "https://ORG.crm4.dynamics.com/api/data/v9.2/",
    "c": "https://other.crm4.dynamics.com/",
    "d": "https://org.crm4.dynamics.com:443/api/data/v9.1",
}


class Definitions:
    """A catalogue that knows nothing but names and addresses."""

    def names(self) -> list[str]:
        return list(ADDRESSES)

    def get(self, name: str) -> Any:
        return SimpleNamespace(name=name, destination=SimpleNamespace(service_url=ADDRESSES[name]))


class Clients:
    """Notes whose credentials were used."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, sync: str, _: object) -> AbstractContextManager[str]:
        self.opened.append(sync)
        return nullcontext(sync)


def role_of(definitions: Sequence[Any], client: str, *, undo: bool) -> Any:
    return [one.name for one in definitions], client, undo


def roles(monkeypatch: pytest.MonkeyPatch, clients: Clients, *syncs: str) -> list[Any]:
    monkeypatch.setattr(doctor, "role_of", role_of)
    return doctor.roles(cast(Catalogue, Definitions()), cast(Connector, clients), syncs, undo=True)


def test_an_environment_written_in_several_ways_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case, path, version and the usual port say nothing; each environment is entered once."""
    clients = Clients()
    assert roles(monkeypatch, clients) == [(["a", "b", "d"], "a", True), (["c"], "c", True)]
    assert clients.opened == ["a", "c"]


def test_only_the_syncs_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' needs are no part of it."""
    assert roles(monkeypatch, Clients(), "b", "c") == [(["b"], "b", True), (["c"], "c", True)]


def test_an_edited_sync_is_told() -> None:
    """A note that it is edited and by whom; a warning, with its fix, when its file is another one by now."""
    assert doctor.of_edit(None) == []
    revision = Revision("a", 3, "Ann", datetime(2026, 3, 4, 9, 30, tzinfo=UTC), base="x")
    (only,) = doctor.of_edit(Edit(revision, True, "x"))
    assert (only.grade, only.found) == (Grade.NOTE, "edited in the app by Ann on 2026-03-04 09:30 UTC (revision 3)")
    _, changed = doctor.of_edit(Edit(revision, True, "y"))
    assert (changed.grade, "definition drop a" in changed.fix) == (Grade.WARNING, True)
