"""One role for each environment, whatever its address looks like."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.definitions.catalogue import Catalogue
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
