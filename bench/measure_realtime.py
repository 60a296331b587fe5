"""`python -m bench realtime`: from the queue to the record, beside one call per message in the same run.

Two loads. Rest: messages come one after another, and each is written as it comes: the latency. Load: all messages are
on the queue; the rate, the calls, and where the processor time went. `nothing` takes the messages and does nothing:
what it costs is the SDK's own work, the same for both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.children import Child, python, python_path
from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from shared.lanes import lane_of

QUEUE = "sync-events"
MOST_CALLS = 60
"""Requests to Dataverse for 1,000 messages under load."""
_DEFINITION = """
name: story
source:
  type: json
  path: none.json
  schema: [{{ name: no, type: text }}, {{ name: name, type: text }}, {{ name: staff, type: number }}]
destination:
  type: dynamics
  entity: account
  id_column: accountid
  service_url: {url}
  authority: {authority}
  tenant_id: {{ secret: story--tenant-id }}
  client_id: {{ secret: story--client-id }}
  client_secret: {{ secret: story--client-secret }}
mappings:
  - {{ source: no, target: accountnumber }}
  - {{ source: name, target: name }}
  - {{ source: staff, target: numberofemployees }}
behaviour: {{ strategy: delta, key: [accountnumber] }}
listener: {{ enabled: true, key: [no] }}
"""


@dataclass(frozen=True)
class Cloud:
    """Where the stand-ins are; `pids` of the Dataverse and the bus."""

    environ: dict[str, str]
    bus: str
    pids: dict[str, int]


def main(arguments: list[str]) -> int:
    """Measures and prints; 1 when the limit was broken."""
    options = argparse.ArgumentParser(prog="python -m bench realtime")
    options.add_argument("--messages", type=int, default=10_000, help="of the load (at most 100,000)")
    options.add_argument("--rest", type=int, default=100, help="messages at rest, about ten a second")
    options.add_argument("--slots", type=int, default=64, help="sessions taken at a time")
    given = options.parse_args(arguments)
    found = {kind: _load(kind, min(given.messages, 100_000), given.slots) for kind in ("nothing", "ours", "peer")}
    own = {kind: one["cpu_s"] - found["nothing"]["cpu_s"] for kind, one in found.items()}
    for kind, one in found.items():
        calls, each = one["calls"] * 1000 / given.messages, 1000.0 / given.messages
        print(
            f"load {kind:8} {given.messages / max(one['wall_s'], 0.001):7.0f} messages/s  {calls:7.0f} calls per 1,000"
            f"  CPU ms a message: own {own[kind] * each:6.2f}  Dataverse {one['dataverse_s'] * each:6.2f}"
            f"  bus {one['bus_s'] * each:6.2f}  receiving {found['nothing']['cpu_s'] * each:6.2f}"
        )
    ratio = found["peer"]["wall_s"] / max(found["ours"]["wall_s"], 0.001)
    print(f"load: {ratio:.1f} times as fast as one call per message")
    for kind in ("ours", "peer"):
        rest = _rest(kind, given.rest)
        print(f"rest {kind:8} p50 {rest['p50_s'] * 1000:6.0f} ms  p95 {rest['p95_s'] * 1000:6.0f} ms, queue to record")
    good = found["ours"]["calls"] * 1000 / given.messages <= MOST_CALLS
    print(f"at most {MOST_CALLS} calls per 1,000 messages under load: {'PASS' if good else 'FAIL'}")
    return 0 if good else 1


def _load(kind: str, messages: int, slots: int) -> dict[str, Any]:
    with _cloud() as cloud, ServiceBusClient.from_connection_string(cloud.bus) as client:
        _send(client, _messages(messages))
        before = {name: _cpu_s(pid) for name, pid in cloud.pids.items()}
        told = _instance(kind, messages, slots, cloud)
        return told | {f"{name}_s": _cpu_s(pid) - before[name] for name, pid in cloud.pids.items()}


def _rest(kind: str, messages: int) -> dict[str, Any]:
    """Ten messages a second, all on a few lanes, so that receivers are there when they come."""
    with _cloud() as cloud, ServiceBusClient.from_connection_string(cloud.bus) as client:
        waiting = _begun(kind, messages, 8, cloud)
        with client.get_queue_sender(QUEUE) as sender:
            for message in _messages(messages, lanes=8):
                sender.send_messages(message)
                time.sleep(0.1)
        return _told(waiting)


def _messages(count: int, lanes: int = 64) -> Iterator[ServiceBusMessage]:
    """New records and partial changes of earlier ones, about half each."""
    chance = random.Random(7)
    for number in range(count):
        old = chance.random() < 0.5 and number > 10
        no = f"C-{chance.randrange(number) if old else number:06}"
        record = {"no": no, "staff": number} if old else {"no": no, "name": f"Customer {number}", "staff": 1}
        yield ServiceBusMessage(json.dumps(record), session_id=lane_of("story", [no], lanes), subject="story")


def _send(client: ServiceBusClient, messages: Iterator[ServiceBusMessage]) -> None:
    with client.get_queue_sender(QUEUE) as sender:
        some = list(messages)
        for start in range(0, len(some), 100):
            sender.send_messages(some[start : start + 100])


def _instance(kind: str, messages: int, slots: int, cloud: Cloud) -> dict[str, Any]:
    return _told(_begun(kind, messages, slots, cloud))


def _begun(kind: str, messages: int, slots: int, cloud: Cloud) -> Child:
    command = python("bench.realtime.instance", kind, str(messages), str(slots))
    child = Child(kind, command, folder=Path.cwd(), environ=cloud.environ)
    child.said("ready")
    return child


def _told(child: Child) -> dict[str, Any]:
    try:
        return dict(json.loads(child.said("told (.*)", timeout_s=1800)[1]))
    finally:
        child.end()


@contextmanager
def _cloud() -> Iterator[Cloud]:
    """A fresh Dataverse, a fresh bus and a folder with the definition."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "syncs").mkdir()
        children: list[Child] = []
        try:
            for name in ("dataverse", "servicebus"):
                children.append(Child(name, python(f"local.{name}"), folder=folder, environ=python_path()))
            url = children[0].said(r"(http://127\.0\.0\.1:\d+/api/data/v9\.2/)")[1]
            authority = url.partition("/api/")[0] + "/"
            bus = children[1].said(r"(Endpoint=sb://\S+)")[1]
            text = _DEFINITION.format(url=url, authority=authority)
            (folder / "syncs" / "story.yaml").write_text(text, encoding="utf-8")
            yield Cloud(
                _environ(folder, url, authority, bus), bus, {"dataverse": children[0].pid, "bus": children[1].pid}
            )
        finally:
            for child in children:
                child.end()


def _environ(folder: Path, url: str, authority: str, bus: str) -> dict[str, str]:
    secrets = {"TENANT_ID": TENANT_ID, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}
    own = {"BENCH_URL": url, "BENCH_AUTHORITY": authority, "BENCH_FOLDER": str(folder), "DYNSYNC_BUS": bus}
    return dict(python_path()) | own | {f"DYNSYNC_SECRET_STORY__{name}": value for name, value in secrets.items()}


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
