"""How the app does, for strangers and for those who may know."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import AuthenticationError, StateError
from shared.wiring.health import KEPT_S, NEAR_KEPT_S, HealthDesk, PartHealth
from tests.unit.web.conftest import Api, Opener, principal


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
    assert not found["definitions"][0]
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


def test_a_broken_definition_is_told_with_its_reason(
    api: Api, open_api: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To those who may see; the app goes on with the others, so a platform that asks must not take it down."""
    monkeypatch.setattr(api.hosted.app.checker.connector.__class__, "connect", refuse)
    told = api.get("/api/health")
    up, note = parts(api)["definitions"]
    assert (told["status"], up) == ("degraded", False)
    assert note.startswith("4 sound, 1 broken; broken: ")
    assert "source" in note
    assert open_api().get("/api/health") == {"status": "up", "parts": None}
    (api.folder / "syncs" / "broken.yaml").unlink()
    desk = HealthDesk(api.hosted.app, api.hosted.nudges, lambda: 0.0)
    assert desk.near()[0] == PartHealth("definitions", True, "4 sound")


def test_edited_syncs_and_changed_files_are_told(api: Api) -> None:
    """So that whoever deploys a new file knows that it does not count; no reason to call the app unwell."""
    app, syncs = api.hosted.app, api.folder / "syncs"
    (syncs / "broken.yaml").unlink()
    text = (syncs / "accounts.yaml").read_text()
    app.definitions.save("accounts", text.replace("A sync", "Edited"), expected=0, by="Nia")
    app.definitions.save("made", text.replace("accounts", "made"), expected=0, by="Nia")
    look = lambda: HealthDesk(app, api.hosted.nudges, lambda: 0.0).near()[0]  # noqa: E731
    assert look() == PartHealth("definitions", True, "5 sound; 2 edited in the app: accounts, made (it has no file)")
    (syncs / "accounts.yaml").write_text(text.replace("A sync", "Of a later deployment"))
    assert "accounts (its file has changed since), made" in look().note


def test_a_store_without_definitions_takes_the_app_down(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what a sync means, so nothing is started and no right is known: 503, not a wrong 404."""

    def newest(*_: object) -> None:
        raise StateError("the disk is gone")

    monkeypatch.setattr(type(api.hosted.app.stores.definitions), "newest", newest)
    answer = api.call("GET", "/api/health")
    assert (answer.status, json.loads(answer.body)["parts"][0]["note"]) == (503, "the disk is gone")
    for method, path in (("GET", "/api/syncs/accounts"), ("GET", "/api/syncs"), ("POST", "/api/syncs/accounts/jobs")):
        body = {"mode": "plan"} if method == "POST" else None
        assert api.call(method, path, json_body=body).status == 503, path


def test_definitions_that_cannot_be_looked_at_take_the_app_down(open_api: Opener) -> None:
    """A folder that is not there is no folder without syncs: nothing could be started."""
    api = open_api(principal("dynsync.admin"), DYNSYNC_SYNCS="elsewhere")
    answer = api.call("GET", "/api/health")
    told = json.loads(answer.body)
    assert (answer.status, told["status"], told["parts"][0]["up"]) == (503, "down", False)
    assert "no folder" in told["parts"][0]["note"]
    assert "elsewhere" not in open_api(DYNSYNC_SYNCS="elsewhere").call("GET", "/api/health").body.decode()


def test_strangers_make_no_work(open_api: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often they ask, the store and the folder are looked at once in a few seconds; a fault does not stay."""
    app, now, looks = open_api().hosted.app, [100.0], list[int]()
    desk = HealthDesk(app, open_api().hosted.nudges, lambda: now[0])

    def look(**_: Any) -> list[Any]:
        looks.append(1)
        if len(looks) == 1:
            raise StateError("the disk is gone")
        return []

    monkeypatch.setattr(app, "jobs", look)
    for _ in range(5):
        assert not desk.near()[1].up
    now[0] += NEAR_KEPT_S + 0.1
    for _ in range(5):
        assert desk.near()[1].up
    assert len(looks) == 2
