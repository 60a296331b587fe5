"""The asynchronous client, and the ways to sign in."""

from __future__ import annotations

import asyncio
import time

import pytest
from azure.core.credentials import AccessToken
from azure.servicebus import NEXT_AVAILABLE_SESSION, AutoLockRenewer, ServiceBusClient, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient as AsyncClient
from azure.servicebus.exceptions import ServiceBusAuthenticationError

from local.servicebus import Entry, LocalServiceBus


def test_the_asynchronous_client_does_all(bus: LocalServiceBus) -> None:
    """Send, receive, renew, settle in every way, and a session with its state, by `azure.servicebus.aio`."""

    async def story() -> None:
        async with AsyncClient.from_connection_string(bus.connection_string) as client:
            async with client.get_queue_sender("plain") as sender:
                await sender.send_messages([ServiceBusMessage(str(number)) for number in range(5)])
            async with client.get_queue_receiver("plain", max_wait_time=5) as receiver:
                got = await receiver.receive_messages(5)
                assert [str(message) for message in got] == ["0", "1", "2", "3", "4"]
                await receiver.renew_message_lock(got[0])
                await receiver.dead_letter_message(got[0], reason="r")
                await receiver.abandon_message(got[1])
                await receiver.defer_message(got[2])
                for message in got[3:]:
                    await receiver.complete_message(message)
                (again,) = await receiver.receive_messages(1)
                assert (str(again), again.delivery_count) == ("1", 1)
                await receiver.complete_message(again)
                (deferred,) = await receiver.receive_deferred_messages(got[2].sequence_number)
                await receiver.complete_message(deferred)
            async with client.get_queue_sender("lanes") as sender:
                await sender.send_messages([ServiceBusMessage("s", session_id="A")])
            async with client.get_queue_receiver(
                "lanes", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=5
            ) as receiver:
                await receiver.session.set_state(b"x")
                assert bytes(await receiver.session.get_state()) == b"x"
                await receiver.session.renew_lock()
                await receiver.session.set_state(None)
                for message in await receiver.receive_messages(1):
                    await receiver.complete_message(message)

    asyncio.run(story())
    assert (bus.counters()["plain"].total, bus.counters()["plain"].dead_lettered) == (1, 1)
    assert bus.counters()["lanes"].total == 0


def test_locks_are_renewed_by_the_renewer(bus: LocalServiceBus, client: ServiceBusClient) -> None:
    """The SDK's own renewer is content with what it is told."""
    with client.get_queue_sender("plain") as sender:
        sender.send_messages(ServiceBusMessage("x"))
    with AutoLockRenewer() as renewer, client.get_queue_receiver("plain", max_wait_time=5) as receiver:
        (message,) = receiver.receive_messages(1)
        renewer.register(receiver, message, max_lock_renewal_duration=60)
        receiver.complete_message(message)
        assert message.auto_renew_error is None


class _Credential:
    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def test_identities_come_in_by_token() -> None:
    """A token is looked at by who was named to do so; a refused one opens nothing."""
    entry = Entry(check_token=lambda token: None if token == "good" else "The token is not good.")
    with LocalServiceBus(entry=entry) as bus:
        for token in ("good", "bad"):
            with ServiceBusClient(bus.host, _Credential(token), use_tls=False, retry_total=0) as client:
                sender = client.get_queue_sender("sync-jobs")
                if token == "good":
                    sender.send_messages(ServiceBusMessage("x"))
                else:
                    with pytest.raises(ServiceBusAuthenticationError):
                        sender.send_messages(ServiceBusMessage("y"))
                sender.close()
        assert bus.counters()["sync-jobs"].active == 1
