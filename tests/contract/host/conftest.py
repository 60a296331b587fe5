"""A local Service Bus and the local host with a small app, as processes; each test says what it needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.children import Child, python, python_path
from local.servicebus import LocalServiceBus, NamespaceSettings, QueueSettings
from tests import service_bus_sdk

SAMPLE = Path(__file__).parents[2] / "fixtures" / "host" / "sample"
QUEUES = {
    "jobs": QueueSettings(lock_s=2, max_delivery_count=3),
    "lanes": QueueSettings(lock_s=30, max_delivery_count=3, sessions=True),
}
SETTINGS = {"JOBS_QUEUE": "jobs", "GREETING": "from the file"}
"""What stands in the app's local.settings.json, a file that git ignores."""


def copy_sample(folder: Path) -> None:
    """The sample app with its settings."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    (folder / "local.settings.json").write_text(json.dumps({"Values": SETTINGS}), "utf-8")


@dataclass(slots=True)
class Running:
    """A host under test."""

    child: Child
    url: str
    folder: Path

    def seen(self, function: str) -> list[dict[str, object]]:
        """What a function told that it saw."""
        told = [json.loads(line[5:]) for line in self.child.lines if line.startswith("SEEN ")]
        return [one for one in told if one["f"] == function]

    def open_gate(self, name: str) -> None:
        """Let go what waits for a name."""
        (self.folder / "gates" / name).touch()


Start = Callable[..., Running]


@pytest.fixture(scope="module", autouse=True)
def prompt() -> Iterator[None]:
    """Closing a connection takes no second."""
    with service_bus_sdk.prompt():
        yield


@pytest.fixture(scope="module")
def bus() -> Iterator[LocalServiceBus]:
    with LocalServiceBus(NamespaceSettings(QUEUES)) as running:
        yield running


@pytest.fixture(scope="module")
def client(bus: LocalServiceBus) -> Iterator[ServiceBusClient]:
    with ServiceBusClient.from_connection_string(bus.connection_string) as opened:
        yield opened


@pytest.fixture(scope="module")
def send(client: ServiceBusClient) -> Iterator[Callable[..., None]]:
    """Sends texts to a queue; what is given besides is set on each message."""
    with ExitStack() as stack:
        opened = {name: stack.enter_context(client.get_queue_sender(name)) for name in QUEUES}
        yield lambda queue, *texts, **properties: opened[queue].send_messages(
            [ServiceBusMessage(text, **properties) for text in texts]
        )


@pytest.fixture(scope="module")
def start(bus: LocalServiceBus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts hosts with copies of the sample app; they end with the module."""
    with ExitStack() as stack:

        def begin(
            *words: str,
            folder: Path | None = None,
            ticks: str = "0 0 0 1 1 *",
            host: str = "",
            line: str = "",
            more: Mapping[str, str] | None = None,
        ) -> Running:
            folder = folder or tmp_path_factory.mktemp("app")
            if not (folder / "host.json").exists():
                copy_sample(folder)
            (folder / "gates").mkdir(exist_ok=True)
            if host:
                (folder / "host.json").write_text(host, "utf-8")
            environ = {
                "BUS": line or bus.connection_string,
                "GATES": str(folder / "gates"),
                "TICKS": ticks,
                **(more or {}),
            }
            command = python("local.host", ".", "--port", "0", "--end-with-parent", *words)
            child = stack.enter_context(Child("host", command, folder=folder, environ=python_path() | environ))
            return Running(child, child.said(r"listens at (http\S+)")[1], folder)

        yield begin
