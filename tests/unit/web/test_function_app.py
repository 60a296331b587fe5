"""The folder that Azure Functions runs: functions, host.json, the sample of settings."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from shared.errors import DynsyncError
from shared.permissions import APP_ROLES
from shared.values.messages import first_number
from shared.web.functions import Doors
from shared.web.routes import described

ROOT = Path(__file__).parents[3]
KEY = [{"key": []}]


def functions() -> dict[str, dict[str, Any]]:
    """Every function's trigger, by name, as the host is told of it."""
    app = runpy.run_path(str(ROOT / "function_app.py"))["app"]  # its functions can be asked for once
    found = {each.get_function_name(): each for each in app.get_functions()}
    return {name: each.get_trigger().get_dict_repr() for name, each in found.items()}


@pytest.fixture(scope="module")
def triggers() -> dict[str, dict[str, Any]]:
    return functions()


def as_json(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / name).read_text("utf-8")))


def get(doors: Doors, path: str) -> func.HttpResponse:
    return doors.answer(func.HttpRequest("GET", f"http://127.0.0.1:7071{path}", headers={}, body=b""))


def test_the_functions_are_those_of_the_design(triggers: dict[str, dict[str, Any]]) -> None:
    """Timer, queues, and three HTTP doors; the one that takes every path is matched last, by its name."""
    kinds = {name: trigger["type"] for name, trigger in triggers.items()}
    assert kinds["scheduled_syncs"] == "timerTrigger"
    assert kinds["run_job"] == "serviceBusTrigger"
    assert kinds["apply_events"] == "serviceBusTrigger"
    assert triggers["apply_events"]["isSessionsEnabled"] is True
    assert "cardinality" not in triggers["apply_events"]  # one message a call: a batch would be settled as a whole
    doors = sorted(name for name, kind in kinds.items() if kind == "httpTrigger")
    assert doors == ["receive_events", "start_job", "web"]
    assert doors[-1] == "web"


def test_every_function_takes_its_trigger_by_name() -> None:
    """The engine in Azure gives the argument by the trigger's name, and loads no app in which one does not fit."""
    app = runpy.run_path(str(ROOT / "function_app.py"))["app"]
    for each in app.get_functions():
        assert each.get_trigger().name in inspect.signature(each.get_user_function()).parameters, each


def test_only_the_platform_opens_the_door_of_machines(triggers: dict[str, dict[str, Any]]) -> None:
    """`start_job` and `receive_events` need a function key, which the host checks; `web` decides by itself."""
    start, web, events = triggers["start_job"], triggers["web"], triggers["receive_events"]
    assert (str(events["authLevel"].value).lower(), events["route"]) == ("function", "api/webhooks/{sync}")
    assert (str(start["authLevel"].value).lower(), start["route"]) == ("function", "api/jobs")
    assert [method.value for method in start["methods"]] == ["POST"]
    assert (str(web["authLevel"].value).lower(), web["route"]) == ("anonymous", "{*path}")


def test_the_document_tells_which_doors_take_a_key(triggers: dict[str, dict[str, Any]]) -> None:
    """A function key for those that the host opens with one, and for them alone."""
    paths = described()["paths"]
    keyed = {
        (path, method) for path, ways in paths.items() for method, way in ways.items() if way.get("security") == KEY
    }
    opened = [one for one in triggers.values() if one["type"] == "httpTrigger" and one["route"] != "{*path}"]
    assert keyed == {(f"/{one['route']}", method.value.lower()) for one in opened for method in one["methods"]}
    assert all({"403", "404"} <= paths[path][method]["responses"].keys() for path, method in keyed)


def test_the_host_keeps_the_rules_of_the_design() -> None:
    """One slice at a time on an instance, locks that outlast a slice, paths as the routes write them."""
    host = as_json("host.json")
    bus = host["extensions"]["serviceBus"]
    assert bus["maxConcurrentCalls"] == 1
    assert bus["maxAutoLockRenewalDuration"] > host["functionTimeout"] > "00:08:00"
    assert host["extensions"]["http"]["routePrefix"] == ""


def test_the_sample_names_every_setting_and_says_what_it_means() -> None:
    """Exactly the settings that wiring reads, and the host's own two."""
    sample = as_json("local.settings.sample.json")
    read = set(re.findall(r'"(DYNSYNC_[A-Za-z_]+)"', (ROOT / "shared/wiring/settings.py").read_text("utf-8")))
    values = sample["Values"]
    assert values.keys() == read | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
    assert sample["_meaning"].keys() == values.keys()
    assert all(isinstance(value, str) for value in values.values())


def test_the_deployment_sets_what_is_read_and_nothing_else() -> None:
    """Every setting of the app in infra is one that wiring reads, or the Functions host does."""
    read = set(re.findall(r'"(DYNSYNC_[A-Za-z_]+)"', (ROOT / "shared/wiring/settings.py").read_text("utf-8")))
    bicep = (ROOT / "infra/modules/app.bicep").read_text("utf-8")
    given = set(re.findall(r"^  (DYNSYNC_[A-Za-z_]+):", bicep, re.MULTILINE))
    assert given
    assert given <= read | {"DYNSYNC_BUS__credential"}
    roles = {role["value"] for role in json.loads((ROOT / "infra/app-roles.json").read_text("utf-8"))}
    assert roles == set(APP_ROLES)


def test_the_sample_s_numbers_are_the_defaults(tmp_path: Path) -> None:
    """Who copies the sample changes nothing but what makes this machine a developer's."""
    from shared.wiring.settings import Settings

    values = as_json("local.settings.sample.json")["Values"]
    given = Settings.from_environment(values)
    changed = {
        name for name in Settings.__slots__ if getattr(given, name) != getattr(Settings.from_environment({}), name)
    }
    assert changed == {"bus", "developer", "key_syncs"}


def test_a_message_is_held_back_while_the_store_fails(tmp_path: Path) -> None:
    """Longer each time it comes, for what fails comes again at once: a store that is away for minutes kills nothing."""
    (tmp_path / "state").write_text("no folder", "utf-8")
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    doors = Doors({"DYNSYNC_STATE": "state"}, base=tmp_path, sleep=sleep)
    for deliveries in range(1, 11):
        with pytest.raises(DynsyncError):
            asyncio.run(doors.apply_event(SimpleNamespace(delivery_count=deliveries)))  # type: ignore[arg-type]
    assert paused == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]
    assert max(paused) < 12 * 60, "the host ends a function after functionTimeout"


@pytest.mark.parametrize(
    ("told", "number", "first"),
    [(None, 9, 9), (5, 9, 5), (9, 9, 9), (10, 9, 9), (2**62, 9, 9), (2**70, 9, 9), (-1, 9, 9), (0, 9, 9), (True, 9, 9),
     ("5", 9, 9)],
)  # fmt: skip
def test_only_an_earlier_number_can_be_a_first_one(told: object, number: int, first: int) -> None:
    """Whoever may send may write the property: a number ahead of all others would make every later event stale."""
    assert first_number(told, number) == first


def test_nothing_local_is_deployed() -> None:
    """What tests, local cloud and settings of this machine are stays here; what the app needs goes."""
    ignored = set((ROOT / ".funcignore").read_text("utf-8").split())
    assert {"local/", "tests/", "local.settings.json", ".venv/", "requirements-dev.txt"} <= ignored
    needed = {"function_app.py", "host.json", "requirements.txt", "constraints.txt", "shared/", "syncs/"}
    assert not needed & ignored


def test_health_is_answered_through_the_function(tmp_path: Path) -> None:
    """A stranger learns that the app is up, and no more."""
    (tmp_path / "syncs").mkdir()
    answer = get(Doors({}, base=tmp_path), "/api/health")
    assert answer.status_code == 200
    assert json.loads(answer.get_body()) == {"status": "up", "parts": None}
    assert answer.mimetype == "application/json"


def test_a_developer_on_this_machine_sees_the_parts(tmp_path: Path) -> None:
    """By the setting, and by this machine's own name."""
    doors = Doors({"DYNSYNC_DEVELOPER": "unchecked"}, base=tmp_path)
    parts = json.loads(get(doors, "/api/health").get_body())["parts"]
    assert [part["name"] for part in parts][:2] == ["definitions", "store"]
    foreign = doors.answer(func.HttpRequest("GET", "http://evil.example/api/health", headers={}, body=b""))
    assert json.loads(foreign.get_body())["parts"] is None


def test_garbage_on_the_queue_is_noted_and_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A message that no retry mends does not come again."""
    doors = Doors({}, base=tmp_path)
    told = (
        b"\xff", b"", b"[]", b"{}", b"[" * 100_000, b'{"job": "20250101-000000-aaaa"}', b'{"job": "\\ud800"}',
        b'{"job": "a", "slice": 1e999}', b'{"job": "a", "slice": NaN}', b'{"job": "a", "attempt": {}}',
    )  # fmt: skip
    for message in told:
        doors.run_job(message)
    assert [line.split()[0] for line in caplog.messages] == ["nudge.refused"] * len(told)


@pytest.mark.parametrize("host", ["[", "[::1", "::1]", "[x]"])
def test_an_address_that_is_none_is_refused(host: str, tmp_path: Path) -> None:
    """400 with a problem document, whatever a caller sends as the host's name."""
    answer = Doors({}, base=tmp_path).answer(func.HttpRequest("GET", f"http://{host}/api/health", headers={}, body=b""))
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


def test_what_nobody_foresaw_at_the_start_is_told_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with a problem document; the log has its kind and not its words."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the key is 1234")

    monkeypatch.setattr("shared.wiring.hosted.open_hosted", broken)
    answer = get(Doors({}, base=tmp_path), "/api/health")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "app.broken error=ZeroDivisionError" in caplog.text
    assert "1234" not in caplog.text + answer.get_body().decode()
