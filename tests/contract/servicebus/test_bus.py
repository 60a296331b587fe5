"""The product's own adapter, against the local Service Bus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from azure.core.credentials import AccessToken
from azure.servicebus import ServiceBusClient

from local.servicebus import Fault, LocalServiceBus
from shared.bus import BusAddress, ServiceBus, connect
from shared.errors import (
    AuthenticationError,
    FailError,
    NotAllowedError,
    NotFoundError,
    RejectError,
    ThrottledError,
    UnavailableError,
)
from shared.secrets import EnvironmentSecrets, variable_for
from shared.values.messages import DeadLetter, OutgoingMessage


def outgoing(number: int, **given: object) -> OutgoingMessage:
    body = f"body {number}".encode()
    return OutgoingMessage(**{"body": body, "message_id": f"m{number}", **given})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def queues(bus: LocalServiceBus) -> Iterator[ServiceBus]:
    secrets = EnvironmentSecrets({variable_for("bus"): bus.connection_string})
    with connect(BusAddress(secret="bus"), secrets) as opened:
        yield opened


def bury(client: ServiceBusClient, queue: str, how_many: int) -> None:
    """Lets a receiver dead-letter what is there."""
    session = {"session_id": "A"} if queue == "lanes" else {}
    with client.get_queue_receiver(queue, max_wait_time=5, **session) as receiver:  # type: ignore[arg-type]
        done = 0
        while done < how_many:
            for message in receiver.receive_messages(how_many - done):
                receiver.dead_letter_message(message, reason="Poison", error_description="said so")
                done += 1


def test_messages_are_sent_in_order_and_batches(bus: LocalServiceBus, queues: ServiceBus) -> None:
    """More than one batch holds arrives whole and in order, with lane, subject, properties and due time."""
    queues.send("plain", [outgoing(number, body=bytes(90_000)) for number in range(5)])
    due = datetime.now(UTC) + timedelta(days=1)
    queues.send(
        "lanes",
        [outgoing(9, session="A", subject="s", properties={"n": 1, "t": "x"}), outgoing(8, session="B", due=due)],
    )
    queues.send("plain", [])
    held = bus.call(lambda broker: [each.message for each in broker.namespace.find("plain").messages.values()])
    assert [message.message_id for message in held] == [f"m{number}" for number in range(5)]
    (first, _) = bus.call(lambda broker: [each.message for each in broker.namespace.find("lanes").messages.values()])
    assert (first.session_id, first.application()) == ("A", {"n": 1, "t": "x"})
    assert bus.counters()["lanes"].scheduled == 1


def test_dead_letters_are_looked_at(client: ServiceBusClient, queues: ServiceBus) -> None:
    """In pages, from a number on, with reason and body; nothing is taken."""
    queues.send("lanes", [outgoing(number, session="A", properties={"k": "v"}) for number in range(3)])
    bury(client, "lanes", 3)
    found = queues.dead_letters("lanes", limit=2)
    (last,) = queues.dead_letters("lanes", after=found[-1].number)
    assert [letter.body for letter in [*found, last]] == [b"body 0", b"body 1", b"body 2"]
    assert isinstance(last, DeadLetter)
    assert (last.reason, last.explanation, last.session, last.properties) == ("Poison", "said so", "A", {"k": "v"})
    assert (last.first_number, last.message_id) == (last.number, "m2")
    assert queues.dead_letters("lanes", after=last.number) == []


def test_redriven_messages_keep_their_first_number(
    bus: LocalServiceBus, client: ServiceBusClient, queues: ServiceBus
) -> None:
    """Each goes back with a fresh id, its lane and its first number, however often; those not picked stay."""
    fresh = (f"fresh{number}" for number in count())
    queues.send("lanes", [outgoing(number, session="A") for number in range(3)])
    bury(client, "lanes", 3)
    first, second, third = queues.dead_letters("lanes")
    assert queues.redrive("lanes", lambda: next(fresh), numbers=[second.number]) == 1
    assert [letter.number for letter in queues.dead_letters("lanes")] == [first.number, third.number]
    bury(client, "lanes", 1)
    again = queues.dead_letters("lanes")[-1]
    assert (again.first_number, again.message_id, again.body) == (second.number, "fresh0", b"body 1")
    assert queues.redrive("lanes", lambda: next(fresh)) == 3
    held = bus.call(lambda broker: [each.message for each in broker.namespace.find("lanes").messages.values()])
    told = [message.application() for message in held]
    assert [each["dynsync-first-number"] for each in told] == [first.number, third.number, second.number]
    assert all("DeadLetterReason" not in each for each in told)
    assert bus.counters()["lanes"].dead_lettered == 0


def test_errors_say_what_to_do(bus: LocalServiceBus, queues: ServiceBus) -> None:
    """Each kind of failure is the house's error of that kind, and names the queue."""
    with pytest.raises(RejectError, match="'plain': a message is larger"):
        queues.send("plain", [outgoing(1, body=bytes(300_000))])
    with pytest.raises(NotFoundError, match="'nowhere' is not in the namespace"):
        queues.send("nowhere", [outgoing(1)])
    assert bus.counters()["plain"].total == 0


@pytest.mark.parametrize(
    ("condition", "error", "told"),
    [
        ("com.microsoft:server-busy", ThrottledError, "try again"),
        ("amqp:internal-error", UnavailableError, "try again"),
        ("com.microsoft:entity-disabled", FailError, "enable or empty it"),
        ("amqp:resource-limit-exceeded", FailError, "enable or empty it"),
    ],
)
def test_refusals_are_told_by_what_helps(
    bus: LocalServiceBus, condition: str, error: type[Exception], told: str
) -> None:
    """When the SDK's own tries are used up, the error says whether waiting helps or somebody has to act."""
    hasty = ServiceBus(ServiceBusClient.from_connection_string(bus.connection_string, retry_total=0))
    with hasty:
        bus.inject(Fault(at="send", action="refuse", condition=condition))
        with pytest.raises(error, match=told):
            hasty.send("plain", [outgoing(1)])


def test_addresses_are_one_of_two(bus: LocalServiceBus) -> None:
    """A namespace or a secret; a secret that holds something else is told without its value."""
    for wrong in ({}, {"namespace": "n", "secret": "s"}):
        with pytest.raises(NotAllowedError, match="give one of the two"):
            BusAddress(**wrong)
    with pytest.raises(AuthenticationError, match="'bus' holds no connection string") as problem:
        connect(BusAddress(secret="bus"), EnvironmentSecrets({variable_for("bus"): "hunter2"}))
    assert "hunter2" not in str(problem.value)


def test_a_refused_key_is_told(bus: LocalServiceBus) -> None:
    """A wrong key is an authentication error that names the roles."""
    wrong = bus.connection_string.replace("SAS_KEY_VALUE", "other")
    hasty = ServiceBus(ServiceBusClient.from_connection_string(wrong, retry_total=0))
    with hasty as queues, pytest.raises(AuthenticationError, match="Data Sender"):
        queues.send("plain", [outgoing(1)])


class _Identity:
    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("a token", int(time.time()) + 3600)


def test_an_identity_enters_by_namespace(bus: LocalServiceBus) -> None:
    """Named by its host, a namespace is entered with a credential's token; on this machine without TLS."""
    with connect(BusAddress(namespace=bus.host), EnvironmentSecrets({}), _Identity()) as queues:
        queues.send("plain", [outgoing(1)])
    assert bus.counters()["plain"].active == 1
