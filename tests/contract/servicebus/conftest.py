"""One local Service Bus for the tests of a module, with the unmodified SDK at it; every test finds empty queues."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver, ServiceBusSender

from local.servicebus import LocalServiceBus, NamespaceSettings, QueueSettings
from tests import service_bus_sdk

QUEUES = {
    "plain": QueueSettings(lock_s=60, max_delivery_count=3),
    "lanes": QueueSettings(lock_s=60, sessions=True, max_delivery_count=3),
    "short-lived": QueueSettings(ttl_s=30, dead_letter_expired=True),
    "unique": QueueSettings(duplicates_s=60),
}

Settle = Callable[..., list[str]]


# The SDK forgets sockets whose connection was cut or refused, without closing them; that is not ours to report.
_SOCKETS = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(_SOCKETS)


@pytest.fixture(scope="module", autouse=True)
def prompt() -> Iterator[None]:
    """Closing a connection takes no second."""
    with service_bus_sdk.prompt():
        yield


@pytest.fixture(scope="module", autouse=True)
def sockets_of_the_sdk() -> Iterator[None]:
    """What the SDK forgot in one module does not come up in another's tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def bus() -> Iterator[LocalServiceBus]:
    with LocalServiceBus(NamespaceSettings(QUEUES)) as running:
        yield running


@pytest.fixture(autouse=True)
def empty(request: pytest.FixtureRequest) -> None:
    """No message, session or fault is left from the test before."""
    if "bus" not in request.fixturenames:
        return
    running: LocalServiceBus = request.getfixturevalue("bus")

    def purge(broker: object) -> None:
        for queue in broker.namespace:  # type: ignore[attr-defined]
            for held in list(queue.messages.values()):
                queue.remove(held)

    running.clear_faults()
    running.call(purge)


@pytest.fixture(scope="module")
def client(bus: LocalServiceBus) -> Iterator[ServiceBusClient]:
    with ServiceBusClient.from_connection_string(bus.connection_string, retry_backoff_factor=0.05) as opened:
        yield opened


@pytest.fixture(scope="module")
def sender(client: ServiceBusClient) -> Iterator[ServiceBusSender]:
    with closing(client.get_queue_sender("plain")) as opened:
        yield opened


@pytest.fixture(scope="module")
def receiver(client: ServiceBusClient) -> Iterator[ServiceBusReceiver]:
    with closing(client.get_queue_receiver("plain", max_wait_time=5)) as opened:
        yield opened


@pytest.fixture(scope="module")
def lanes(client: ServiceBusClient) -> Iterator[Callable[..., None]]:
    """Sends texts to a session of the queue of lanes."""
    with closing(client.get_queue_sender("lanes")) as opened:
        yield lambda session, *texts: opened.send_messages(
            [ServiceBusMessage(text, session_id=session) for text in texts]
        )


@pytest.fixture(scope="module")
def send(client: ServiceBusClient) -> Iterator[Callable[..., None]]:
    """Sends texts to any queue; what is given besides is set on each message."""
    opened: dict[str, ServiceBusSender] = {}

    def put(queue: str, *texts: str, **properties: object) -> None:
        if queue not in opened:
            opened[queue] = client.get_queue_sender(queue)
        opened[queue].send_messages([ServiceBusMessage(text, **properties) for text in texts])

    yield put
    for each in opened.values():
        each.close()
