"""Sessions, by the unmodified SDK."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
)
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from local.servicebus import LocalServiceBus

Lanes = Callable[..., None]


def opened(client: ServiceBusClient, session: object, **options: object) -> ServiceBusReceiver:
    return client.get_queue_receiver("lanes", session_id=session, **{"max_wait_time": 5, **options})


def take(receiver: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    got: list[ServiceBusReceivedMessage] = []
    while len(got) < count and (more := receiver.receive_messages(count - len(got))):
        got += more
    return got


def test_each_session_keeps_its_order(bus: LocalServiceBus, client: ServiceBusClient, lanes: Lanes) -> None:
    """The next free session is the one that waits longest; its messages come in order, and only its own."""
    for number in range(3):
        for session in "BA":
            lanes(session, f"{session}{number}")
    seen = []
    for _ in range(2):
        with opened(client, NEXT_AVAILABLE_SESSION) as receiver:
            got = take(receiver, 3)
            seen.append((receiver.session.session_id, [str(message) for message in got]))
            for message in got:
                receiver.complete_message(message)
    assert seen == [("B", ["B0", "B1", "B2"]), ("A", ["A0", "A1", "A2"])]
    assert bus.counters()["lanes"].total == 0


def test_a_session_has_one_receiver(bus: LocalServiceBus, client: ServiceBusClient, lanes: Lanes) -> None:
    """While one holds a session, nobody else gets it, by name or as the next."""
    lanes("A", "1")
    with opened(client, "A"), ServiceBusClient.from_connection_string(bus.connection_string, retry_total=0) as hasty:
        with pytest.raises(SessionCannotBeLockedError), opened(hasty, "A"):
            pass
        with pytest.raises(OperationTimeoutError), opened(hasty, NEXT_AVAILABLE_SESSION, max_wait_time=0.2):
            pass
    with opened(client, "A") as receiver:
        assert take(receiver, 1)[0].delivery_count == 0


def test_a_closed_session_counts_no_delivery(client: ServiceBusClient, lanes: Lanes) -> None:
    """Closing frees the messages at once, in order, without a failed delivery; abandoning counts one."""
    lanes("A", "1", "2")
    with opened(client, "A") as receiver:
        first, _ = take(receiver, 2)
        receiver.abandon_message(first)
    with opened(client, "A") as receiver:
        assert [(str(each), each.delivery_count) for each in take(receiver, 2)] == [("1", 1), ("2", 0)]


def test_a_session_lock_runs_out(bus: LocalServiceBus, client: ServiceBusClient, lanes: Lanes) -> None:
    """Then the session is free for others, its messages failed once, and the old receiver is told so."""
    lanes("A", "1")
    with opened(client, "A") as receiver:
        (message,) = take(receiver, 1)
        bus.advance(timedelta(seconds=61))
        with pytest.raises(SessionLockLostError):
            receiver.complete_message(message)
        with opened(client, NEXT_AVAILABLE_SESSION) as second:
            (again,) = take(second, 1)
            assert again.delivery_count == 1
            second.complete_message(again)


def test_a_renewed_session_holds(bus: LocalServiceBus, client: ServiceBusClient, lanes: Lanes) -> None:
    """Renewing the session's lock renews those of its messages."""
    lanes("A", "1")
    with opened(client, "A") as receiver:
        (message,) = take(receiver, 1)
        for _ in range(3):
            bus.advance(timedelta(seconds=40))
            assert receiver.session.renew_lock() > datetime.now(UTC)
        receiver.complete_message(message)
    assert bus.counters()["lanes"].total == 0


def test_a_session_keeps_a_state(client: ServiceBusClient, lanes: Lanes) -> None:
    """The state outlives the receiver and the messages, and can be taken away."""
    with opened(client, "A") as receiver:
        assert receiver.session.get_state() is None
        receiver.session.set_state(b"\x01here")
    with opened(client, "A") as receiver:
        assert bytes(receiver.session.get_state()) == b"\x01here"
        receiver.session.set_state(None)
        assert receiver.session.get_state() is None


def test_a_session_can_be_peeked_deferred_and_died_in(client: ServiceBusClient, lanes: Lanes) -> None:
    """Peeking shows the session's own; deferred ones come back within it; dead letters come without session."""
    lanes("A", "1", "2")
    lanes("B", "other")
    with opened(client, "A") as receiver:
        assert [str(each) for each in receiver.peek_messages(9)] == ["1", "2"]
        first, second = take(receiver, 2)
        receiver.defer_message(first)
        receiver.dead_letter_message(second, reason="R")
        (again,) = receiver.receive_deferred_messages(first.sequence_number)
        receiver.complete_message(again)
    with client.get_queue_receiver("lanes", sub_queue="deadletter", max_wait_time=5) as dead:
        (message,) = take(dead, 1)
        assert (str(message), message.session_id, message.dead_letter_reason) == ("2", "A", "R")
        dead.complete_message(message)


def test_sessions_and_queues_must_fit(client: ServiceBusClient, lanes: Lanes) -> None:
    """No message without session id into a queue of sessions, no receiver without session, no session elsewhere."""
    with pytest.raises(ServiceBusError, match="SessionId was not set"), client.get_queue_sender("lanes") as sender:
        sender.send_messages(ServiceBusMessage("x"))
    with pytest.raises(ServiceBusError, match="non-sessionful"), client.get_queue_receiver("lanes") as receiver:
        receiver.receive_messages(1, max_wait_time=1)
    with (
        pytest.raises(ServiceBusError, match="does not require sessions"),
        client.get_queue_receiver("plain", session_id="A") as receiver,
    ):
        receiver.receive_messages(1, max_wait_time=1)


def test_who_waits_gets_the_next_session(bus: LocalServiceBus, client: ServiceBusClient, lanes: Lanes) -> None:
    """A receiver that waits for any session gets one as soon as a message brings it."""

    def receive() -> list[str]:
        with opened(client, NEXT_AVAILABLE_SESSION, max_wait_time=30) as receiver:
            (message,) = take(receiver, 1)
            receiver.complete_message(message)
            return [receiver.session.session_id, str(message)]

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(receive)
        while not waiting.done() and bus.call(lambda broker: broker.namespace.queues["lanes"].sessions.waiting) == 0:
            pass
        assert not waiting.done()
        lanes("late", "1")
        assert waiting.result(30) == ["late", "1"]


def test_sessions_are_listed(client: ServiceBusClient, lanes: Lanes) -> None:
    """Sessions with messages and sessions with a state are listed, others not; or those whose state is younger."""
    lanes("A", "1")
    start = datetime.now(UTC) - timedelta(minutes=1)
    with opened(client, "S") as receiver:
        receiver.session.set_state(b"x")
    assert list(client.list_queue_sessions("lanes")) == ["A", "S"]
    assert list(client.list_queue_sessions("lanes", state_updated_after=start)) == ["S"]
    with opened(client, "S") as receiver:
        receiver.session.set_state(None)
    assert list(client.list_queue_sessions("lanes")) == ["A"]
