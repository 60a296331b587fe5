"""Whole stories through the app in its host: timer, file by HTTP, slices, lost messages, new secrets, sudden death.

The host is a process of its own, so that it can be killed; Dataverse, Service Bus, Entra and Key Vault are in this
one, so that they can be looked into. All of it speaks the real protocols: HTTP, AMQP, those of Entra and vault.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from local.children import Child, python, python_path
from local.dataverse import LocalDataverse
from local.dataverse.limits import Limits
from local.identity import Application, ClientSecret, LocalIdentity
from local.servicebus import Fault, LocalServiceBus
from shared.state.events import open_database
from shared.state.schedules import LocalSchedules
from shared.values.schedules import Mark

ROOT = Path(__file__).parents[2]
APP_ID = "1d000000-0000-4000-8000-00000000c1d9"
FUNCTION = {"x-functions-key": "local-function-key"}
ADMIN = {"x-functions-key": "local-admin-key"}
SLICE_S = 4
CRON = "0 0 * * * *"
DEFINITION = """
name: accounts
variables:
  extract: {{ file: true, default: customers.csv }}
source:
  type: delimited
  path: "@extract"
  schema: [{{ name: number }}, {{ name: name }}]
destination:
  type: dynamics
  entity: account
  service_url: {url}
  authority: {authority}
  tenant_id: {{ secret: accounts--tenant }}
  client_id: {{ secret: accounts--id }}
  client_secret: {{ secret: accounts--secret }}
  id_column: accountid
  batch_size: 20
  parallel: 1
mappings:
  - {{ source: number, target: accountnumber }}
  - {{ source: name, target: name }}
behaviour: {{ strategy: delta, key: [accountnumber] }}
schedule: {{ cron: "{cron}", time_zone: Europe/Amsterdam }}
"""


@dataclass
class Cloud:
    """Everything beside the app, and hosts that can be started over it."""

    dataverse: LocalDataverse
    bus: LocalServiceBus
    azure: LocalIdentity
    folder: Path
    stack: ExitStack
    url: str = ""
    hosts: list[Child] = field(default_factory=list)

    def start(self, **more: str) -> Child:
        """Start the app's host, with more settings; the address is then in `url`."""
        settings = {
            **self.azure.environment,
            "DYNSYNC_BUS": self.bus.connection_string,
            "DYNSYNC_STATE": str(self.folder / "state"),
            "DYNSYNC_SYNCS": str(self.folder / "syncs"),
            "DYNSYNC_DEVELOPER": "true",
            "DYNSYNC_KEY_SYNCS": "*",
            "DYNSYNC_MAX_SLICE_S": str(SLICE_S),
            "CONTAINER_NAME": "",
            **more,
        }
        nothing = self.folder / "no.settings.json"
        words = [ROOT, "--port", "0", "--kept", self.folder / "host", "--settings", nothing, "--end-with-parent"]
        command = python("local.host", *words)
        host = self.stack.enter_context(Child("host", command, folder=self.folder, environ=python_path() | settings))
        self.url = host.said(r"listens at (http\S+)")[1]
        self.hosts.append(host)
        return host

    def hand_over(self, count: int, name: str = "customers-1.csv") -> str:
        """Start a job with a file of so many customers, with the function key; its id."""
        lines = ["number,name", *(f"C-{number:05},Customer {number}" for number in range(count))]
        files = {"extract": (name, "\n".join(lines).encode(), "text/csv")}
        form = {"request": json.dumps({"sync": "accounts"})}
        reply = requests.post(f"{self.url}/api/jobs", data=form, files=files, headers=FUNCTION, timeout=60)
        assert (reply.status_code, reply.headers["Location"]) == (202, f"/api/jobs/{reply.json()['id']}")
        return str(reply.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API tells it."""
        found: dict[str, Any] = requests.get(f"{self.url}/api/jobs/{job_id}", timeout=60).json()
        return found

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.url}/api/jobs", timeout=60).json()["jobs"]
        return found

    def tick(self) -> None:
        """Let the timer's function run now."""
        reply = requests.post(f"{self.url}/admin/functions/scheduled_syncs", json={}, headers=ADMIN, timeout=60)
        assert reply.status_code == 202

    def calls(self) -> int:
        """How many functions are at work."""
        return int(requests.get(f"{self.url}/admin/host/status", headers=ADMIN, timeout=60).json()["calls"])

    def ended(self, job_id: str) -> dict[str, Any]:
        """The job once it needs no slice any more."""
        until(lambda: self.job(job_id)["state"] not in ("Queued", "Running"))
        return self.job(job_id)

    def numbers(self) -> list[str]:
        """The account numbers that are in Dataverse."""
        return sorted(str(row["accountnumber"]) for row in self.dataverse.rows("account"))


def until(found: Callable[[], object]) -> None:
    """Wait until it is so, at most two minutes."""
    pause = threading.Event()
    for _ in range(1200):
        if found():
            return
        pause.wait(0.1)
    raise AssertionError("it did not come to be so")


def customers(count: int) -> list[str]:
    return [f"C-{number:05}" for number in range(count)]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with ExitStack() as stack:
        azure, bus = stack.enter_context(LocalIdentity()), stack.enter_context(LocalServiceBus())
        slow = Limits(requests=None, execution_s=None, concurrent=None, call_ms=30, row_ms=15, read_row_ms=0)
        dataverse = stack.enter_context(LocalDataverse(limits=slow))
        dataverse.trust(azure.authority, azure.ca_file)
        azure.directory.add_resources([dataverse.authority])
        dataverse.insert("systemuser", [{"fullname": "app", "applicationid": APP_ID}])
        azure.add(Application(APP_ID, azure.tenant_id, (ClientSecret("first-secret"),)))
        for name, value in (("tenant", azure.tenant_id), ("id", APP_ID), ("secret", "first-secret")):
            azure.vault.put(f"accounts--{name}", value)
        (tmp_path / "syncs").mkdir()
        text = DEFINITION.format(url=dataverse.url, authority=azure.authority, cron=CRON)
        (tmp_path / "syncs" / "accounts.yaml").write_text(text, "utf-8")
        (tmp_path / "syncs" / "reach.yaml").write_text("folders: ['..']\nauthorities: [127.0.0.1]\n", "utf-8")
        (tmp_path / "customers.csv").write_text("number,name\nC-00000,Customer 0\nC-00001,Customer 1\n", "utf-8")
        yield Cloud(dataverse, bus, azure, tmp_path, stack)


def test_the_timer_catches_up_what_was_missed(cloud: Cloud) -> None:
    """The app was down for hours: its timer fires as the host starts, and one job makes up for all that was missed."""
    now = datetime.now(UTC)
    schedules = LocalSchedules(open_database(cloud.folder / "state"))
    schedules.change("accounts", lambda _: Mark(CRON, "Europe/Amsterdam", now - timedelta(hours=5)))
    (cloud.folder / "host").mkdir()
    last = (now - timedelta(hours=5)).isoformat()
    (cloud.folder / "host" / "timers.json").write_text(json.dumps({"scheduled_syncs": (last, last, last)}), "utf-8")
    host = cloud.start()
    host.said("job.queued sync=accounts")
    (job,) = cloud.jobs()
    ended = cloud.ended(job["id"])
    assert (ended["state"], ended["started_by"], ended["source"]["created"]) == ("Succeeded", "schedule", 2)
    cloud.tick()
    until(lambda: cloud.calls() == 0)
    assert len(cloud.jobs()) == 1
    assert cloud.numbers() == customers(2)


def test_a_job_in_slices_goes_on_though_its_message_is_lost(cloud: Cloud) -> None:
    """A file by HTTP, more work than a slice: behind the first one the message is lost, the timer finds the job."""
    host = cloud.start()
    job_id = cloud.hand_over(480)
    host.said(f"slice.started .*job={job_id} slice=1")
    cloud.bus.inject(Fault(at="send", action="refuse", queue="sync-jobs", times=100, condition="amqp:not-allowed"))
    host.said(f"nudge.lost job={job_id}")
    assert cloud.job(job_id)["state"] == "Running"
    assert cloud.bus.counters()["sync-jobs"].total == 0
    cloud.bus.clear_faults()
    cloud.tick()
    ended = cloud.ended(job_id)
    assert (ended["state"], ended["source"]["created"]) == ("Succeeded", 480)
    assert ended["slices"]["begun"] >= 2
    assert cloud.numbers() == customers(480)


def test_a_secret_that_is_rotated_in_the_middle(cloud: Cloud) -> None:
    """Between two slices Entra takes the new secret only: the app is refused, asks the vault again, and goes on."""
    host = cloud.start()
    job_id = cloud.hand_over(480)
    host.said(f"slice.started .*job={job_id} slice=1")
    cloud.azure.add(Application(APP_ID, cloud.azure.tenant_id, (ClientSecret("second-secret"),)))
    cloud.azure.vault.put("accounts--secret", "second-secret")
    before = len(_read(cloud))
    ended = cloud.ended(job_id)
    assert (ended["state"], ended["source"]["created"]) == ("Succeeded", 480)
    assert ended["slices"]["begun"] >= 2
    assert len(_read(cloud)) > before
    assert cloud.numbers() == customers(480)
    assert not any(secret in line for line in host.lines for secret in ("first-secret", "second-secret"))


def _read(cloud: Cloud) -> list[str]:
    """The times that the client secret was read from the vault."""
    return [seen.path for seen in cloud.azure.requests if seen.part == "vault" and "accounts--secret" in seen.path]


def test_a_host_that_is_killed_in_the_middle(cloud: Cloud) -> None:
    """`kill -9` while rows are being written, then a new host: the job ends as one clean run would, nothing twice.

    The killed host's message comes again when its lock has run out, and does no harm.
    """
    host = cloud.start()
    job_id = cloud.hand_over(480)
    until(lambda: len(cloud.dataverse.rows("account")) >= 60)
    host.kill()
    written = len(cloud.dataverse.rows("account"))
    assert 0 < written < 480
    host = cloud.start()
    assert cloud.job(job_id)["state"] == "Running"
    cloud.tick()
    ended = cloud.ended(job_id)
    assert ended["state"] == "Succeeded"
    assert ended["source"]["read"] == 480
    assert cloud.numbers() == customers(480)
    cloud.bus.advance(timedelta(seconds=301))
    until(lambda: cloud.bus.counters()["sync-jobs"].total == 0)
    assert (cloud.job(job_id), cloud.numbers()) == (ended, customers(480))
    assert cloud.bus.counters()["sync-jobs"].dead_lettered == 0
