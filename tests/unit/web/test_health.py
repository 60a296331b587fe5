"""How the app does, for strangers and for those who may know."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import AuthenticationError
from shared.wiring.health import KEPT_S, HealthDesk
from tests.unit.web.conftest import Api, Opener


class Bus:
    """A Service Bus with dead letters."""

    def dead_letters(self, queue: str, *, limit: int) -> list[int]:
        return [1, 2]


def parts(api: Api) -> dict[str, tuple[bool, str]]:
    return {part["name"]: (part["up"], part["note"]) for part in api.get("/api/health")["parts"]}


def test_every_part_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken definitions, missing secrets, no bus: each by name; no job is hindered, so the app is up."""
    monkeypatch.setattr(api.hosted.app.checker.connector.__class__, "connect", refuse)
    found = parts(api)
    assert found["definitions"] == (True, "broken: broken")
    assert found["store"] == (True, "")
    assert found["vault"] == (True, "")
    assert not found["bus"][0]
    assert found["destination contoso.crm4.dynamics.com"] == (False, "the vault said no")


def refuse(*_: Any) -> None:
    raise AuthenticationError("the vault said no")


def test_dead_letters_are_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has to look at them."""
    monkeypatch.setattr(api.hosted.app.checker.connector.__class__, "connect", refuse)
    api.hosted.nudges._bus = Bus()  # type: ignore[assignment]
    assert parts(api)["bus"] == (True, "2 dead letters in sync-jobs")


def test_other_systems_are_asked_once_a_minute(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody looks."""
    asked: list[int] = []
    now = [100.0]
    desk = HealthDesk(api.hosted.app, api.hosted.nudges, lambda: now[0])
    monkeypatch.setattr(api.hosted.app.checker.connector.__class__, "connect", lambda *_: asked.append(1) or refuse())
    for _ in range(3):
        desk.all()
    assert len(asked) == 1
    now[0] += KEPT_S + 1
    desk.all()
    assert len(asked) == 2


def test_strangers_learn_up_or_down_and_ask_nobody_else(open_api: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what there is, and no call to another system."""
    api = open_api()
    monkeypatch.setattr(api.hosted.app.checker.connector.__class__, "connect", lambda *_: pytest.fail("asked"))
    assert api.get("/api/health") == {"status": "up", "parts": None}
