"""Queue triggers of the local host: settled, renewed, concurrent and dead-lettered as the real trigger does."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSubQueue

from local.servicebus import LocalServiceBus, NamespaceSettings
from tests.contract.host.conftest import QUEUES, Running, Start

Send = Callable[..., None]


@pytest.fixture(scope="module")
def host(start: Start) -> Running:
    return start()


def test_a_message_arrives_with_its_properties_and_is_completed(
    host: Running, send: Send, bus: LocalServiceBus
) -> None:
    """Body, id, properties and content type reach the function; when it returns, the message is gone."""
    send("jobs", "hello", message_id="m1", application_properties={"tenant": "a"}, content_type="text/plain")
    host.child.said('SEEN .*"body": "hello"')
    (seen,) = [one for one in host.seen("consume") if one["body"] == "hello"]
    assert (seen["id"], seen["properties"], seen["type"], seen["count"]) == ("m1", {"tenant": "a"}, "text/plain", 1)


def test_a_failure_comes_again_at_once_and_ends_with_the_dead_letters(
    host: Running, send: Send, client: ServiceBusClient
) -> None:
    """The function is called as often as the queue allows, with a rising count; then the message is set aside."""
    send("jobs", "poison")
    host.child.said('SEEN .*"body": "poison"', times=3)
    counts = [one["count"] for one in host.seen("consume") if one["body"] == "poison"]
    with client.get_queue_receiver("jobs", sub_queue=ServiceBusSubQueue.DEAD_LETTER, max_wait_time=20) as receiver:
        (letter,) = receiver.receive_messages(1)
        receiver.complete_message(letter)
    assert counts == [1, 2, 3]
    assert letter.dead_letter_reason == "MaxDeliveryCountExceeded"


def test_no_more_calls_at_once_than_allowed(host: Running, send: Send) -> None:
    """Four messages that take long run two at a time: `maxConcurrentCalls`; none comes twice."""
    names = [f"hold-{number}" for number in range(4)]
    send("jobs", *names)
    host.child.said('SEEN .*"body": "hold-', times=2)
    for name in names:
        host.open_gate(name)
    host.child.said('SEEN .*"body": "hold-', times=4)
    held = [one for one in host.seen("consume") if str(one["body"]).startswith("hold-")]
    assert sorted(str(one["body"]) for one in held) == names
    assert max(int(str(one["at_once"])) for one in held) == 2


def test_a_lock_is_renewed_while_the_function_runs(host: Running, send: Send) -> None:
    """A call longer than the lock keeps its message: it is delivered once and completed."""
    send("jobs", "hold-renewed")
    host.child.said("lock.renewed queue=jobs", times=2)
    host.open_gate("hold-renewed")
    host.child.said("function.returned name=consume", times=1)
    assert [one["count"] for one in host.seen("consume") if one["body"] == "hold-renewed"] == [1]


def test_a_lock_is_renewed_as_long_as_the_setting_says(host: Running, send: Send) -> None:
    """A call longer than lock and `maxAutoLockRenewalDuration` together loses its message, which then comes again."""
    send("jobs", "hold-long")
    host.child.said('SEEN .*"body": "hold-long"', times=2)
    counts = [one["count"] for one in host.seen("consume") if one["body"] == "hold-long"]
    host.open_gate("hold-long")
    host.child.said("message.unsettled queue=jobs")
    assert counts == [1, 2]


def test_a_cut_connection_loses_no_message(start: Start) -> None:
    """While a function runs, its connection is cut: the message comes again when its lock has ended, and is done."""
    with LocalServiceBus(NamespaceSettings(QUEUES)) as bus:
        host = start(line=bus.connection_string)
        _sent(bus, "hold-cut")
        host.child.said('SEEN .*"body": "hold-cut"')
        bus.cut()
        bus.advance(timedelta(seconds=10))
        host.child.said('SEEN .*"body": "hold-cut"', times=2)
        host.open_gate("hold-cut")
        _sent(bus, "behind")
        host.child.said('SEEN .*"body": "behind"')
        assert host.child.end() == 0
        assert (bus.counters()["jobs"].total, bus.counters()["jobs"].dead_lettered) == (0, 0)
    assert [one["count"] for one in host.seen("consume") if one["body"] == "hold-cut"] == [1, 2]


def _sent(bus: LocalServiceBus, text: str) -> None:
    client = ServiceBusClient.from_connection_string(bus.connection_string)
    with client, client.get_queue_sender("jobs") as sender:
        sender.send_messages([ServiceBusMessage(text)])


def test_a_session_keeps_its_order_and_sessions_go_side_by_side(host: Running, send: Send) -> None:
    """Each session's messages come one by one in order, a failed one again before the next."""
    for session in ("A", "B", "C"):
        send("lanes", "1", "poison" if session == "B" else "2", "3", session_id=session)
    for session in ("A", "B", "C"):
        host.child.said(f'SEEN .*"body": "3".*"session": "{session}"')
    order = {
        session: [one["body"] for one in host.seen("lane") if one["session"] == session] for session in ("A", "B", "C")
    }
    assert order == {"A": ["1", "2", "3"], "B": ["1", "poison", "poison", "poison", "3"], "C": ["1", "2", "3"]}


def test_the_end_waits_for_what_is_under_way(start: Start) -> None:
    """Told to end, the host takes nothing new, and settles the message under way before it goes."""
    with LocalServiceBus(NamespaceSettings(QUEUES)) as bus:
        host = start(line=bus.connection_string)
        _sent(bus, "hold-end")
        _ended_while_holding(host)
        assert (bus.counters()["jobs"].total, bus.counters()["jobs"].dead_lettered) == (0, 0)
    assert [one["body"] for one in host.seen("consume")] == ["hold-end"]


def _ended_while_holding(host: Running) -> None:
    host.child.said('SEEN .*"body": "hold-end"')
    host.child.tell(signal.SIGTERM)
    host.open_gate("hold-end")
    assert host.child.wait() == 0
