"""Queues without sessions, by the unmodified SDK."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    ServiceBusError,
)

from local.servicebus import LocalServiceBus

Send = Callable[..., None]


def take(receiver: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    """So many messages, however many calls it needs."""
    got: list[ServiceBusReceivedMessage] = []
    while len(got) < count and (more := receiver.receive_messages(count - len(got))):
        got += more
    return got


def texts(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]


def dead_letters(client: ServiceBusClient, queue: str, count: int = 1) -> list[ServiceBusReceivedMessage]:
    with client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER, max_wait_time=5) as receiver:
        got = take(receiver, count)
        for message in got:
            receiver.complete_message(message)
        return got


def test_messages_arrive_whole_and_in_order(
    bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """Single messages and batches arrive in the order of sending, with every property, number and time."""
    sent = ServiceBusMessage(
        b"\x00\xff",
        application_properties={"n": 1, "t": "ü", "u": uuid.UUID(int=7), "f": 0.5, "b": True},
        message_id="m1",
        correlation_id="c1",
        content_type="application/json",
        subject="s",
        to="t",
        reply_to="r",
        time_to_live=timedelta(hours=1),
    )
    sender.send_messages(sent)
    batch = sender.create_message_batch()
    for number in range(5):
        batch.add_message(ServiceBusMessage(f"b{number}"))
    sender.send_messages(batch)
    first, *others = got = take(receiver, 6)
    assert bytes(next(iter(first.body))) == b"\x00\xff"
    assert first.application_properties == {b"n": 1, b"t": "ü".encode(), b"u": uuid.UUID(int=7), b"f": 0.5, b"b": True}
    assert (first.message_id, first.correlation_id, first.content_type) == ("m1", "c1", "application/json")
    assert (first.subject, first.to, first.reply_to, first.delivery_count) == ("s", "t", "r", 0)
    assert first.expires_at_utc - first.enqueued_time_utc == timedelta(hours=1)
    assert first.locked_until_utc > first.enqueued_time_utc
    assert texts(others) == ["b0", "b1", "b2", "b3", "b4"]
    numbers = [message.sequence_number for message in got]
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert bus.counters()["plain"].locked == 6
    for message in got:
        receiver.complete_message(message)
    assert bus.counters()["plain"].total == 0


def test_the_limit_is_the_delivery_count(
    sender: ServiceBusSender, receiver: ServiceBusReceiver, client: ServiceBusClient
) -> None:
    """An abandoned message comes again at once with its count; after the last delivery it is a dead letter."""
    sender.send_messages(ServiceBusMessage("x"))
    for count in range(3):
        (message,) = take(receiver, 1)
        assert message.delivery_count == count
        receiver.abandon_message(message)
    (dead,) = dead_letters(client, "plain")
    assert (dead.dead_letter_reason, dead.delivery_count) == ("MaxDeliveryCountExceeded", 3)


def test_a_dead_letter_says_why_and_whence(
    sender: ServiceBusSender, receiver: ServiceBusReceiver, client: ServiceBusClient
) -> None:
    """Reason, explanation and queue are told; what the sender wrote is as it was."""
    sender.send_messages(ServiceBusMessage("bad", application_properties={"k": "v"}, message_id="m"))
    (message,) = take(receiver, 1)
    receiver.dead_letter_message(message, reason="Poison", error_description="cannot be read")
    (dead,) = dead_letters(client, "plain")
    assert (str(dead), dead.message_id, dead.application_properties[b"k"]) == ("bad", "m", b"v")
    assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("Poison", "cannot be read")
    assert (dead.dead_letter_source, dead.sequence_number) == ("plain", message.sequence_number)


def test_a_dead_letter_cannot_die_again(sender: ServiceBusSender, client: ServiceBusClient, send: Send) -> None:
    """Of a dead-letter queue nothing is dead-lettered, and nothing is sent there."""
    sender.send_messages(ServiceBusMessage("x"))
    with client.get_queue_receiver("plain", max_wait_time=5) as receiver:
        receiver.dead_letter_message(take(receiver, 1)[0])
    with client.get_queue_receiver("plain", sub_queue="deadletter", max_wait_time=5) as dead:
        (message,) = take(dead, 1)
        with pytest.raises(ServiceBusError, match="cannot be dead-lettered"):
            dead.dead_letter_message(message)
    with pytest.raises(ServiceBusError, match="dead-letter queue"):
        send("plain/$deadletterqueue", "x")


def test_a_lock_that_ran_out_is_no_lock(
    bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """The message comes again with its count; the old lock settles nothing."""
    sender.send_messages(ServiceBusMessage("x"))
    (first,) = take(receiver, 1)
    bus.advance(timedelta(seconds=61))
    (second,) = take(receiver, 1)
    assert (second.delivery_count, second.sequence_number) == (1, first.sequence_number)
    assert second.lock_token != first.lock_token
    with pytest.raises(MessageLockLostError):
        receiver.complete_message(first)
    receiver.complete_message(second)


def test_a_renewed_lock_holds(bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    """Renewal begins the lock's time anew; what is gone cannot be renewed."""
    sender.send_messages(ServiceBusMessage("x"))
    (message,) = take(receiver, 1)
    for _ in range(3):
        bus.advance(timedelta(seconds=40))
        assert receiver.renew_message_lock(message) > message.enqueued_time_utc + timedelta(seconds=60)
    receiver.complete_message(message)
    assert bus.counters()["plain"].total == 0
    sender.send_messages(ServiceBusMessage("y"))
    (message,) = take(receiver, 1)
    bus.advance(timedelta(seconds=61))
    with pytest.raises(MessageLockLostError):
        receiver.renew_message_lock(message)


def test_scheduled_messages_come_when_due(
    bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """Scheduled by request or by property; one that is taken back never comes."""
    far = datetime.now(UTC) + timedelta(days=20)
    later, never = sender.schedule_messages([ServiceBusMessage("later"), ServiceBusMessage("never")], far)
    sender.send_messages(ServiceBusMessage("by property", scheduled_enqueue_time_utc=far))
    assert bus.counters()["plain"].scheduled == 3
    assert [message.state for message in receiver.peek_messages(9)] == [2, 2, 2]
    sender.cancel_scheduled_messages(never)
    with pytest.raises(MessageNotFoundError):
        sender.cancel_scheduled_messages([never])
    bus.advance(timedelta(days=21))
    got = take(receiver, 2)
    assert texts(got) == ["later", "by property"]
    assert all(message.sequence_number > later for message in got)
    for message in got:
        receiver.complete_message(message)


def test_peeking_takes_nothing(bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    """Messages are seen in order, from a number on, locked ones too, and stay as they are."""
    sender.send_messages([ServiceBusMessage(text) for text in "abc"])
    seen = receiver.peek_messages(10, sequence_number=1)
    assert texts(seen) == ["a", "b", "c"]
    (locked,) = take(receiver, 1)
    assert texts(receiver.peek_messages(1, sequence_number=1)) == ["a"]
    assert texts(receiver.peek_messages(10, sequence_number=seen[1].sequence_number)) == ["b", "c"]
    assert receiver.peek_messages(10, sequence_number=seen[2].sequence_number + 1) == []
    receiver.complete_message(locked)
    assert bus.counters()["plain"].active == 2


def test_deferred_messages_come_by_number(
    bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """A deferred message comes only to who asks for its number, and is settled like any other."""
    sender.send_messages([ServiceBusMessage(text) for text in "ab"])
    first, second = take(receiver, 2)
    receiver.defer_message(first)
    receiver.complete_message(second)
    assert bus.counters()["plain"].deferred == 1
    with pytest.raises(MessageNotFoundError):
        receiver.receive_deferred_messages(second.sequence_number)
    (again,) = receiver.receive_deferred_messages(first.sequence_number)
    assert (str(again), again.delivery_count) == ("a", 1)
    receiver.abandon_message(again)
    (again,) = receiver.receive_deferred_messages(first.sequence_number)
    receiver.complete_message(again)
    assert bus.counters()["plain"].total == 0


def test_lives_end(bus: LocalServiceBus, send: Send, client: ServiceBusClient) -> None:
    """The shorter of the message's and the queue's time to live counts; what expired is a dead letter, or gone."""
    send("short-lived", "own", time_to_live=timedelta(seconds=5))
    send("short-lived", "queue's", time_to_live=timedelta(hours=5))
    send("plain", "gone", time_to_live=timedelta(seconds=5))
    bus.advance(timedelta(seconds=6))
    assert (bus.counters()["short-lived"].active, bus.counters()["plain"].total) == (1, 0)
    bus.advance(timedelta(seconds=25))
    dead = dead_letters(client, "short-lived", 2)
    assert {(str(each), each.dead_letter_reason) for each in dead} == {
        ("own", "TTLExpiredException"),
        ("queue's", "TTLExpiredException"),
    }


def test_duplicates_are_dropped(bus: LocalServiceBus, send: Send) -> None:
    """Within the window a message id counts once, also inside one batch; after it, it counts anew."""
    send("unique", "x", "x", message_id="1")
    send("unique", "x", message_id="1")
    send("unique", "y", message_id="2")
    assert bus.counters()["unique"].active == 2
    bus.advance(timedelta(seconds=61))
    send("unique", "x", message_id="1")
    assert bus.counters()["unique"].active == 3


def test_receiving_can_delete(bus: LocalServiceBus, client: ServiceBusClient, sender: ServiceBusSender) -> None:
    """Receive-and-delete leaves nothing to settle."""
    sender.send_messages([ServiceBusMessage(str(number)) for number in range(20)])
    with client.get_queue_receiver(
        "plain", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE, max_wait_time=5
    ) as receiver:
        assert len(take(receiver, 20)) == 20
    assert bus.counters()["plain"].total == 0


def test_prefetch_and_iteration(bus: LocalServiceBus, client: ServiceBusClient, sender: ServiceBusSender) -> None:
    """With prefetch every message comes once; what was fetched and not taken is not lost."""
    sender.send_messages([ServiceBusMessage(str(number)) for number in range(30)])
    seen = []
    with client.get_queue_receiver("plain", prefetch_count=7, max_wait_time=5) as receiver:
        for message in receiver:
            seen.append(str(message))
            receiver.complete_message(message)
            if len(seen) == 20:
                break
    assert seen == [str(number) for number in range(20)]
    bus.advance(timedelta(seconds=61))
    assert (bus.counters()["plain"].active, bus.counters()["plain"].locked) == (10, 0)


def test_large_messages_and_too_large_ones(
    bus: LocalServiceBus, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    """200 KB pass in several frames; what is over 256 KB is refused as the service refuses it."""
    body = "z" * 200_000
    sender.send_messages(ServiceBusMessage(body))
    (message,) = take(receiver, 1)
    assert str(message) == body
    receiver.complete_message(message)
    with pytest.raises(MessageSizeExceededError):
        sender.send_messages(ServiceBusMessage("z" * 300_000))
    with pytest.raises(MessageSizeExceededError):
        sender.send_messages([ServiceBusMessage("z" * 90_000) for _ in range(3)])
    assert bus.counters()["plain"].total == 0


def test_the_batch_limit_is_told(sender: ServiceBusSender) -> None:
    """A batch is full at the queue's size."""
    batch = sender.create_message_batch()
    assert batch.max_size_in_bytes == 256 * 1024


def test_unknown_queues_are_refused(send: Send, client: ServiceBusClient) -> None:
    """Sending to or receiving from a queue that is not there says so."""
    with pytest.raises(MessagingEntityNotFoundError):
        send("nowhere", "x")
    with pytest.raises(MessagingEntityNotFoundError), client.get_queue_receiver("nowhere") as receiver:
        receiver.receive_messages(1, max_wait_time=1)
