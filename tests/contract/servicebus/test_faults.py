"""What the unmodified SDK goes through when things go wrong, and what the queue holds afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiver,
    ServiceBusSender,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    ServiceBusAuthenticationError,
    ServiceBusConnectionError,
    ServiceBusError,
    ServiceBusServerBusyError,
)

from local.servicebus import CannotListenError, DocumentError, Entry, Fault, LocalServiceBus, NamespaceSettings
from tests.contract.servicebus.conftest import QUEUES


def hasty(bus: LocalServiceBus, **options: object) -> ServiceBusClient:
    options = {"retry_total": 0, "retry_backoff_factor": 0.05, **options}
    return ServiceBusClient.from_connection_string(bus.connection_string, **options)


def test_a_sender_survives_a_cut(bus: LocalServiceBus, sender: ServiceBusSender) -> None:
    """After the connection is cut, the next send goes through."""
    sender.send_messages(ServiceBusMessage("a"))
    bus.cut()
    sender.send_messages(ServiceBusMessage("b"))
    assert bus.counters()["plain"].active == 2


def test_a_receiver_survives_a_cut_with_its_locks(
    bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """Locks of single messages outlive the connection: the old one still settles, over a new connection."""
    sender.send_messages(ServiceBusMessage("a"))
    (message,) = receiver.receive_messages(1)
    bus.cut()
    assert bus.counters()["plain"].locked == 1
    receiver.complete_message(message)
    assert bus.counters()["plain"].total == 0


@pytest.mark.parametrize(("queue", "held"), [("plain", 2), ("unique", 1)])
def test_a_lost_answer_sends_twice(bus: LocalServiceBus, client: ServiceBusClient, queue: str, held: int) -> None:
    """When the answer to a send is lost, the SDK sends again; only duplicate detection keeps the queue clean."""
    with client.get_queue_sender(queue) as sender:
        bus.inject(Fault(at="sent", queue=queue))
        sender.send_messages(ServiceBusMessage("x", message_id="1"))
    assert bus.counters()[queue].active == held


@pytest.mark.parametrize(("at", "left"), [("settle", 1), ("settled", 0)])
def test_a_lost_settlement(bus: LocalServiceBus, at: str, left: int) -> None:
    """Cut before the settlement, the message is there as before; cut after it, it is gone, whatever the SDK says."""
    with hasty(bus) as client, client.get_queue_sender("plain") as sender:
        sender.send_messages(ServiceBusMessage("x"))
        with client.get_queue_receiver("plain", max_wait_time=5) as receiver:
            (message,) = receiver.receive_messages(1)
            bus.inject(Fault(at=at, queue="plain"), Fault(at="manage", queue="plain", times=9))  # type: ignore[arg-type]
            with pytest.raises(ServiceBusError):
                receiver.complete_message(message)
    assert bus.counters()["plain"].total == left


def test_a_busy_server_is_asked_again(bus: LocalServiceBus, client: ServiceBusClient) -> None:
    """The SDK waits and tries again, and tells when it has had enough."""
    with client.get_queue_sender("plain") as sender:
        bus.inject(Fault(at="send", action="busy"))
        sender.send_messages(ServiceBusMessage("x"))
    with hasty(bus) as impatient, impatient.get_queue_sender("plain") as sender:
        bus.inject(Fault(at="send", action="busy"))
        with pytest.raises(ServiceBusServerBusyError):
            sender.send_messages(ServiceBusMessage("y"))
    assert bus.counters()["plain"].active == 1


def test_refusals_reach_the_caller(bus: LocalServiceBus) -> None:
    """A refused attach or send ends with the condition that was ordered."""
    with hasty(bus) as client:
        bus.inject(Fault(at="attach", action="refuse", queue="plain", condition="com.microsoft:entity-disabled"))
        with pytest.raises(ServiceBusError, match="entity-disabled"), client.get_queue_sender("plain") as sender:
            sender.send_messages(ServiceBusMessage("x"))
        bus.inject(Fault(at="send", action="refuse", condition="amqp:resource-limit-exceeded"))
        with pytest.raises(ServiceBusError, match="resource-limit"), client.get_queue_sender("plain") as sender:
            sender.send_messages(ServiceBusMessage("x"))
    assert bus.counters()["plain"].total == 0


def test_late_answers_arrive(bus: LocalServiceBus, sender: ServiceBusSender) -> None:
    """A delay keeps the answer back; the message is in the queue already, once."""
    bus.inject(Fault(at="sent", action="delay", delay_s=0.2))
    sender.send_messages(ServiceBusMessage("x"))
    assert bus.counters()["plain"].active == 1


def test_a_cut_frees_sessions(bus: LocalServiceBus, client: ServiceBusClient) -> None:
    """With its connection a receiver loses its session; the next one gets it at once, without a failed delivery."""
    with client.get_queue_sender("lanes") as sender:
        sender.send_messages([ServiceBusMessage(text, session_id="A") for text in "ab"])
    with hasty(bus) as first, first.get_queue_receiver("lanes", session_id="A", max_wait_time=5) as receiver:
        (message,) = receiver.receive_messages(1)
        bus.cut()
        with pytest.raises(ServiceBusError):
            receiver.complete_message(message)
    with client.get_queue_receiver("lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5) as receiver:
        (message,) = receiver.receive_messages(1)
        assert (str(message), message.delivery_count) == ("a", 0)


def test_wrong_keys_open_nothing(bus: LocalServiceBus) -> None:
    """A wrong key, or a key's name that is not known, is refused before any queue is reached."""
    for right, wrong in (("SAS_KEY_VALUE", "other"), ("RootManageSharedAccessKey", "Nobody")):
        text = bus.connection_string.replace(right, wrong)
        with (
            ServiceBusClient.from_connection_string(text, retry_total=0) as client,
            pytest.raises(ServiceBusAuthenticationError),
            client.get_queue_sender("plain") as sender,
        ):
            sender.send_messages(ServiceBusMessage("x"))
    assert bus.counters()["plain"].total == 0


def test_messages_survive_a_restart(tmp_path: Path) -> None:
    """With a file, messages, counts, dead letters, session states and seen ids are kept; locks are not."""
    file = tmp_path / "bus.db"
    queues = NamespaceSettings(QUEUES)
    with LocalServiceBus(queues, file) as bus, hasty(bus) as client:
        port = int(bus.host.rpartition(":")[2])
        with client.get_queue_sender("plain") as sender:
            sender.send_messages([ServiceBusMessage(text) for text in ("locked", "deferred", "dead", "failed", "done")])
            sender.send_messages(ServiceBusMessage("far", time_to_live=timedelta(days=1)))
        with client.get_queue_receiver("plain", max_wait_time=5) as receiver:
            got = {str(message): message for message in receiver.receive_messages(5)}
            receiver.defer_message(got["deferred"])
            receiver.dead_letter_message(got["dead"], reason="R")
            receiver.complete_message(got["done"])
            receiver.abandon_message(got["failed"])
        with client.get_queue_receiver("lanes", session_id="A", max_wait_time=1) as session:
            session.session.set_state(b"kept")
        with client.get_queue_sender("unique") as sender:
            sender.send_messages(ServiceBusMessage("x", message_id="1"))
        before = bus.counters()["plain"]
    with LocalServiceBus(queues, file, entry=Entry(port=port)) as bus, hasty(bus) as client:
        after = bus.counters()["plain"]
        assert (after.locked, after.active, after.deferred, after.dead_lettered) == (0, 3, 1, 1)
        assert (before.active, before.deferred, before.dead_lettered) == (3, 1, 1)
        with client.get_queue_receiver("plain", max_wait_time=5) as receiver:
            again = [(str(message), message.delivery_count) for message in receiver.receive_messages(3)]
            assert again == [("locked", 0), ("failed", 1), ("far", 0)]
            (deferred,) = receiver.receive_deferred_messages(got["deferred"].sequence_number)
            receiver.complete_message(deferred)
        with client.get_queue_receiver("lanes", session_id="A", max_wait_time=1) as session:
            assert bytes(session.session.get_state()) == b"kept"
        with client.get_queue_sender("unique") as sender:
            sender.send_messages(ServiceBusMessage("x", message_id="1"))
        assert bus.counters()["unique"].active == 1
        with client.get_queue_sender("plain") as sender:
            sender.send_messages(ServiceBusMessage("new"))
        with client.get_queue_receiver("plain") as receiver:
            assert receiver.peek_messages(9)[-1].sequence_number == 7


def test_an_outage_is_bridged(tmp_path: Path) -> None:
    """While nobody listens a send fails; the same sender works again afterwards, and locks are gone."""
    with LocalServiceBus(NamespaceSettings(QUEUES), tmp_path / "bus.db") as bus, hasty(bus, retry_total=2) as client:
        with (
            client.get_queue_sender("plain") as sender,
            client.get_queue_receiver("plain", max_wait_time=5) as receiver,
        ):
            sender.send_messages(ServiceBusMessage("a"))
            (message,) = receiver.receive_messages(1)
            bus.stop()
            with pytest.raises(ServiceBusConnectionError):
                sender.send_messages(ServiceBusMessage("b"))
            bus.start()
            sender.send_messages(ServiceBusMessage("c"))
            with pytest.raises(MessageLockLostError):
                receiver.complete_message(message)
        assert bus.counters()["plain"].active == 2


def test_what_cannot_start_says_why(bus: LocalServiceBus, tmp_path: Path) -> None:
    """A taken port and a file that is no store are told, and nothing is left behind."""
    port = int(bus.host.rpartition(":")[2])
    with pytest.raises(CannotListenError, match=f"port {port} cannot be listened at"):
        LocalServiceBus(entry=Entry(port=port)).start()
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(DocumentError, match="cannot be used as the store"):
        LocalServiceBus(file=tmp_path / "text").start()
    with LocalServiceBus(file=tmp_path / "busy.db"), pytest.raises(DocumentError, match="end the process"):
        LocalServiceBus(file=tmp_path / "busy.db").start()
