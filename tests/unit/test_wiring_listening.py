"""Listeners give up early: their messages are locked while an answer is waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.dataverse.auth import EntraTokens
from shared.dataverse.connection import Connection, NoAnswerError
from shared.definitions.catalogue import Catalogue
from shared.definitions.loading import parse_sync
from shared.definitions.reach import Reach
from shared.errors import UnavailableError
from shared.ports import Secrets
from shared.wiring.checking import Sources
from shared.wiring.connections import Connector
from shared.wiring.listening import Listening
from shared.wiring.states import Stores
from tests.unit.definitions.test_cases import BASE

LISTENER_S = 60.0
"""How long one request of a listener may take at most."""


class Time:
    """A clock that moves when somebody sleeps, or waits for an answer."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def connector(time: Time) -> Connector:
    secrets = cast(Secrets, SimpleNamespace(get=lambda _: "11111111-0000-4000-8000-000000000001"))
    return Connector(secrets, Reach(), local=True, clock=time, sleep=time.sleep)


def listening(time: Time) -> Listening:
    """The listeners of a process, over stores that nobody asks."""
    stores = cast(Stores, SimpleNamespace(**dict.fromkeys(Stores.__annotations__)))
    return Listening(stores, cast(Catalogue, None), connector(time), cast(Sources, None))


@pytest.mark.parametrize(
    ("hangs_s", "of_listener", "of_job"),
    [(LISTENER_S, 1, 6), (15.0, 1, 6), (1.0, 4, 6)],
    ids=["as long as it may", "as long as is tried", "shortly"],
)
def test_what_hangs_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, hangs_s: float, of_listener: int, of_job: int
) -> None:
    """A request of a listener that had no answer for 15 s is given up at once; a job's is tried as often as ever."""
    time, tries = Time(), []

    def hangs(*_: Any) -> None:
        tries.append(hangs_s)
        time.sleep(hangs_s)
        raise NoAnswerError("no reply in time", sent=True)

    monkeypatch.setattr(EntraTokens, "token", lambda _: "a token")
    monkeypatch.setattr(Connection, "exchange", hangs)
    definition = parse_sync(BASE, name="base")
    for connect, times in ((listening(time)._ground.connect, of_listener), (connector(time).connect, of_job)):
        tries.clear()
        with connect(definition) as connected, pytest.raises(UnavailableError, match=f"after {times} attempt"):
            connected.client.who_am_i()
        assert len(tries) == times
