"""Messages through the functions themselves: Microsoft's own engine calls `apply_events`, as in Azure."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.children import Child, python, python_path
from local.servicebus import LocalServiceBus
from shared.wiring import LocalApp
from shared.wiring.listening import QUEUE
from tests.e2e.conftest import World
from tests.e2e.events import ACCOUNT, delete, put
from tests.e2e.stories import column
from tests.e2e.test_queue_story import documents, settled, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bus() -> Iterator[LocalServiceBus]:
    """The queues of Dynamics Sync."""
    with LocalServiceBus() as running:
        yield running


@pytest.fixture
def app(world: World, bus: LocalServiceBus) -> Iterator[LocalApp]:
    """The definition, and who publishes for it."""
    ACCOUNT.define(world)
    world.environ["DYNSYNC_BUS"] = bus.connection_string
    opened = world.app
    yield opened
    opened.events.close()


def hosted(world: World) -> Child:
    """The function app in a host of its own."""
    settings = world.folder / "local.settings.json"
    values = {
        **world.environ,
        "DYNSYNC_SYNCS": str(world.folder / "syncs"),
        "DYNSYNC_STATE": str(world.folder / "state"),
        "DYNSYNC_DEVELOPER": "true",
        "DYNSYNC_KEY_SYNCS": "story",
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    words = ("--port", "0", "--kept", world.folder / "host", "--settings", settings)
    outside_azure = {"CONTAINER_NAME": "", "WEBSITE_SITE_NAME": ""}  # wherever the tests run
    environ = python_path() | outside_azure
    return Child("host", python("local.host", ROOT, *words), folder=world.folder, environ=environ)


def test_messages_reach_dataverse_through_the_functions(world: World, bus: LocalServiceBus, app: LocalApp) -> None:
    """From the webhook's door and the command to rows; a host that is killed in between loses and doubles nothing."""
    host = hosted(world)
    try:
        address = host.said(r"(http://127\.0\.0\.1:\d+)")[1]
        app.events.publish("story", documents(*(put(f"A{n}", name=f"n{n}") for n in range(10))))
        reply = requests.post(
            f"{address}/api/webhooks/story", json=put("A0", name="hooked"), timeout=60,
            headers={"x-functions-key": "local-function-key"},
        )  # fmt: skip
        assert (reply.status_code, reply.json()) == (202, {"sent": 1}), reply.text
        assert requests.post(f"{address}/api/webhooks/story", json=put("A0"), timeout=60).status_code == 401
        until(lambda: len(column(world, "name")) >= 3)
    finally:
        host.kill()
    app.events.publish("story", documents(put("A1", name="after"), delete("A2")))
    host = hosted(world)
    try:
        until(lambda: settled(bus))
        host.tell(signal.SIGTERM)
        host.wait()
    finally:
        host.end()
    expected = {f"A{n}": f"n{n}" for n in range(10) if n != 2} | {"A0": "hooked", "A1": "after"}
    assert column(world, "name") == expected
    assert bus.counters()[QUEUE].dead_lettered == 0
