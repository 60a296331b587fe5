"""From a queue to rows: the local Service Bus with the unmodified SDK, the command line, and what can go wrong."""

from __future__ import annotations

import contextlib
import gc
import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.exceptions import ServiceBusError
from click.testing import CliRunner

from bench.realtime.receivers import receiving
from local.servicebus import LocalServiceBus, NamespaceSettings, QueueSettings
from shared.cli.root import dynsync
from shared.errors import RefuseError, RequestError, StateError
from shared.lanes import lane_of
from shared.values.events import Hold, ListenerState
from shared.values.messages import OutgoingMessage
from shared.wiring import LocalApp
from shared.wiring.listening import QUEUE
from tests import service_bus_sdk
from tests.e2e.conftest import World
from tests.e2e.events import ACCOUNT, delete, put
from tests.e2e.stories import column

STORY = "story"
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
"""Microsoft's SDK leaves the sockets of connections that were cut to the garbage collector."""


@pytest.fixture(scope="module", autouse=True)
def prompt() -> Iterator[None]:
    """Closing a connection takes no second."""
    with service_bus_sdk.prompt():
        yield


@pytest.fixture
def bus() -> Iterator[LocalServiceBus]:
    queue = QueueSettings(sessions=True, lock_s=30, max_delivery_count=3)
    with LocalServiceBus(NamespaceSettings({QUEUE: queue})) as running:
        yield running
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def app(world: World, bus: LocalServiceBus) -> Iterator[LocalApp]:
    """A running app over the world and the bus."""
    ACCOUNT.define(world)
    world.environ["DYNSYNC_BUS"] = bus.connection_string
    opened = world.app
    yield opened
    opened.events.close()


def typed(world: World, *words: str) -> Any:
    """What a command says in JSON, and its exit code."""
    folders = ("--syncs", str(world.folder / "syncs"), "--state", str(world.folder / "state"), "--json")
    result = CliRunner(env=world.environ).invoke(dynsync, [*words, *folders], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other threads bring about."""
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, "it did not happen within a minute"
        time.sleep(0.02)


def settled(bus: LocalServiceBus) -> bool:
    return bus.counters()[QUEUE].active == 0


def documents(*records: object) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


def test_published_records_become_rows_on_two_instances(world: World, bus: LocalServiceBus, app: LocalApp) -> None:
    """Checked and sent by the command, gathered by two processes, each message settled by itself, some twice."""
    records = [put(f"A{n}", name=f"n{n}", staff=n) for n in range(20)]
    (world.folder / "records.json").write_text(json.dumps([*records, put("A0", name="later"), delete("A1")]))
    assert typed(world, "publish", STORY, str(world.folder / "records.json")) == (0, {"sync": STORY, "sent": 22})
    other = world.app
    lost: set[int] = set()

    def settle(message: Any) -> bool:
        """Every fifth answer is lost once: the message comes again."""
        first = message.number % 5 == 0 and message.number not in lost
        lost.add(message.number)
        return not first

    with (
        receiving(app.listening, bus.connection_string, slots=3, settle=settle),
        receiving(other.listening, bus.connection_string, slots=3, settle=settle),
    ):
        until(lambda: settled(bus))
    other.listening.close()
    assert column(world, "name") == {f"A{n}": "later" if n == 0 else f"n{n}" for n in range(20) if n != 1}
    assert bus.counters()[QUEUE].dead_lettered == 0
    code, view = typed(world, "listener", "status", STORY)
    assert (code, view[0]["parked"], view[0]["rejected"]) == (0, 0, 0)
    assert sum(view[0]["pulse"]["counts"].values()) == 22 + len([n for n in lost if n % 5 == 0])


def test_publishing_refuses_what_the_listener_would_refuse(world: World, app: LocalApp) -> None:
    """All problems in one answer, each with the number of its document; nothing is sent then."""
    ACCOUNT.but(columns={**ACCOUNT.columns, "staff": {"type": "number", "validate": True}}).define(world)
    bad = documents(
        put("A1"), put("A2", staff="many"), {"op": "burn", "no": "A3"}, put(""), put("A5", name="x" * 200_000)
    )
    with pytest.raises(RequestError) as raised:
        world.app.events.publish(STORY, bad)
    assert [problem.path for problem in raised.value.problems] == ["2.op", "3.no", "4", "1.staff"]
    with pytest.raises(RequestError) as raised:
        world.app.events.publish(STORY, documents([put("A1"), put("A2")]))
    assert [(problem.path, "different lanes" in problem.found) for problem in raised.value.problems] == [("0", True)]
    world.environ.pop("DYNSYNC_BUS")
    with pytest.raises(RefuseError, match="DYNSYNC_BUS"):
        world.app.events.publish(STORY, documents(put("A1")))


def test_poison_is_rejected_and_its_lane_goes_on(world: World, bus: LocalServiceBus, app: LocalApp) -> None:
    """What can never succeed is set aside with its reason; it burns no delivery and is no dead letter."""
    lane = lane_of(STORY, ["A1"])
    with ServiceBusClient.from_connection_string(bus.connection_string) as client, client.get_queue_sender(QUEUE) as to:
        for body, subject in ((b"\xff\xfe", STORY), (b"{}", "nobody"), (b"[[[[", STORY)):
            to.send_messages(ServiceBusMessage(body, session_id=lane, subject=subject))
        good = json.dumps(put("A1", name="good"))
        to.send_messages(ServiceBusMessage(good, session_id=lane, subject=STORY))
    with receiving(app.listening, bus.connection_string, slots=1) as receivers:
        until(lambda: settled(bus))
    assert (receivers.failed, bus.counters()[QUEUE].dead_lettered) == (0, 0)
    assert column(world, "name") == {"A1": "good"}
    assert len(app.events.rejected_events(STORY)) == 2
    assert len(app.events.rejected_events("")) == 1


def test_a_store_that_fails_leads_to_dead_letters_and_redrive_back(
    world: World, bus: LocalServiceBus, app: LocalApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listed and explained; put back behind the same ledger, so that it undoes nothing that came meanwhile."""
    app.events.publish(STORY, documents(put("A1", name="old")))
    app.events.publish(STORY, documents(put("B1", name="b")))
    with monkeypatch.context() as patched:

        def broken(*_: object) -> None:
            raise StateError("the disk is full")

        patched.setattr(app.listening.memory.ledger, "change", broken)
        patched.setattr(app.listening.memory.ledger, "entries", broken)
        patched.setattr(app.listening.memory.listeners, "wish", broken)
        with receiving(app.listening, bus.connection_string, slots=2):
            until(lambda: bus.counters()[QUEUE].dead_lettered == 2)
    app.events.publish(STORY, documents(put("A1", name="new")))
    with receiving(app.listening, bus.connection_string, slots=2):
        until(lambda: settled(bus))
        code, letters = typed(world, "redrive")
        assert (code, len(letters), letters[0]["reason"]) == (0, 2, "MaxDeliveryCountExceeded")
        assert letters[0]["sync"] == STORY
        assert "body" not in letters[0]
        code, done = typed(world, "redrive", str(letters[0]["number"]))
        assert (code, done) == (0, {"sent": 1, "left": 1})
        assert typed(world, "redrive", "--all") == (0, {"sent": 1, "left": 0})
        until(lambda: settled(bus))
    assert column(world, "name") == {"A1": "new", "B1": "b"}
    assert app.events.listener(STORY).pulse.counts["stale"] == 1


def test_a_long_outage_delivers_no_message_twice(world: World, bus: LocalServiceBus, app: LocalApp) -> None:
    """Parked messages are completed at once; when Dataverse answers again, all of them come, in order."""
    world.dataverse.inject({"kind": "status", "status": 503, "count": 10_000, "headers": {"Retry-After": "0"}})
    app.events.publish(STORY, documents(*(put(f"A{n % 4}", name=f"n{n}") for n in range(24))))
    with receiving(app.listening, bus.connection_string, slots=4) as receivers:
        until(lambda: settled(bus))
        assert receivers.failed == 0
        assert app.events.listener(STORY).parked == 24
        assert app.events.listener(STORY).state is ListenerState.PARKED
        assert app.events.parked(STORY)[0].hold is Hold.OUTAGE
        with world.dataverse.application.lock:
            world.dataverse.application.faults.clear()
        app.events.publish(STORY, documents(put("A0", name="last")))
        until(lambda: settled(bus))
        app.listening.release_all(by="timer")
    assert column(world, "name") == {"A0": "last", "A1": "n21", "A2": "n22", "A3": "n23"}
    assert app.events.listener(STORY).parked == 0


def long_column(world: World) -> str:
    """A new column of accounts for long texts."""
    label = {"LocalizedLabels": [{"Label": "Story", "LanguageCode": 1033}]}
    kind = "Microsoft.Dynamics.CRM.MemoAttributeMetadata"
    requests.post(
        f"{world.dataverse.url}EntityDefinitions(LogicalName='account')/Attributes",
        json={"@odata.type": kind, "SchemaName": "new_Story", "DisplayName": label, "MaxLength": 200_000},
        headers={"Authorization": f"Bearer {world._token()}"},
        timeout=10,
    ).raise_for_status()
    return LONG


LONG = "new_story"


def test_a_broker_that_restarts_and_a_giant_message(world: World, bus: LocalServiceBus, app: LocalApp) -> None:
    """Connections that are cut bring messages again; giants are applied whole: the largest that is published, and one
    beyond 192 KB that somebody put on the queue."""
    more = {"columns": {**ACCOUNT.columns, "more": "text"}, "maps": {**ACCOUNT.maps, "more": long_column(world)}}
    ACCOUNT.but(**more).define(world)
    giant = put("A0", name="giant", more="xy" * 90_000)
    app.events.publish(STORY, documents(giant, *(put(f"A{n}", name=f"n{n}") for n in range(1, 30))))
    (larger,) = documents(put("A30", name="larger", more="z" * 199_000))
    lane = lane_of(STORY, ["A30"])
    app.events._queues().send(QUEUE, [OutgoingMessage(body=larger, message_id="m", session=lane, subject=STORY)])
    taken = 0

    def settle(_: Any) -> bool:
        nonlocal taken
        taken += 1
        if taken in (5, 15):
            bus.cut()
        return True

    for _ in range(5):
        with contextlib.suppress(ServiceBusError), receiving(app.listening, bus.connection_string, settle=settle):
            ends = time.monotonic() + 10
            while not settled(bus) and time.monotonic() < ends:
                time.sleep(0.05)
        if settled(bus):
            break
    assert settled(bus)
    assert column(world, "name") == {"A0": "giant", "A30": "larger", **{f"A{n}": f"n{n}" for n in range(1, 30)}}
    texts = column(world, LONG)
    assert (texts["A0"], texts["A30"]) == (giant["more"], "z" * 199_000)
    assert bus.counters()[QUEUE].dead_lettered == 0
    pulse = app.events.listener(STORY).pulse
    assert pulse.rate > 0
    assert sum(n for bucket, n in pulse.counts.items() if bucket != "stale") == 31


def test_the_words_of_the_command_line(world: World, bus: LocalServiceBus, app: LocalApp) -> None:
    """Off parks, parked lists, on and release bring it back; a backlog is skipped on purpose and counted."""
    assert typed(world, "listener", "off", STORY)[1]["state"] == "off"
    app.events.publish(STORY, documents(put("A1", name="a")))
    with receiving(app.listening, bus.connection_string, slots=1):
        until(lambda: settled(bus))
        (waiting,) = typed(world, "parked", STORY)[1]
        assert (waiting["hold"], waiting["event"]["record"]["no"]) == ("paused", "A1")
        assert typed(world, "release", STORY) == (0, {})
        assert typed(world, "listener", "on", STORY)[1]["on"] is True
        assert typed(world, "release", STORY) == (0, {"created": 1})
        app.events.publish(STORY, documents(put("A2", name="old")))
        until(lambda: settled(bus))
        assert typed(world, "listener", "on", STORY, "--from", "now")[0] == 0
        late = OutgoingMessage(body=b'{"op":"upsert","no":"A3"}', message_id="m", session="lane-1", subject=STORY)
        app.events._queues().send(QUEUE, [late])
        until(lambda: settled(bus))
    assert set(column(world, "name")) == {"A1", "A2", "A3"}
    code, views = typed(world, "listener", "status")
    assert (code, views[0]["state"]) == (0, "running")
    plain = CliRunner(env=world.environ).invoke(
        dynsync,
        ["listener", "status", "--syncs", str(world.folder / "syncs"), "--state", str(world.folder / "state")],
        catch_exceptions=False,
    )
    assert "running" in plain.stdout
    assert "skips what was sent before" in plain.stdout
