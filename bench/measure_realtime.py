"""`python -m bench realtime`: from the queue to the record, beside one call per message in the same run.

Three loads. Load: all messages are on the queue; the rate, the calls, and where the processor time went. A steady
stream of 500 messages a second: whether it is kept up with. Rest: ten a second, the latency. `nothing` takes the
messages and does nothing: what it costs is the SDK's own work, the same for both.
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
from itertools import islice
from pathlib import Path
from typing import Any

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusSender

from bench.realtime.instance import LOADED
from local.children import Child, python, python_path
from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from shared.lanes import lane_of

QUEUE = "sync-events"
MOST_CALLS = 60
"""Requests to Dataverse for 1,000 messages under load."""
AT_REST, REST_P50_S, REST_P95_S = 10, 0.3, 1.0
"""Messages a second, and how long they may take from the queue to the record."""
STEADY, STEADY_P95_S = 500, 5.0
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
    """Measures and prints; 1 when a limit was broken."""
    options = argparse.ArgumentParser(prog="python -m bench realtime")
    options.add_argument("--messages", type=int, default=8_000, help="of the load (at most 100,000)")
    options.add_argument("--seconds", type=int, default=20, help="of the steady stream, and of the rest")
    options.add_argument("--slots", type=int, default=64, help="sessions taken at a time")
    given = options.parse_args(arguments)
    sizes = {"nothing": given.messages, "ours": given.messages, "peer": max(given.messages // 4, 100)}
    found = {kind: _load(kind, min(size, 100_000), given.slots) for kind, size in sizes.items()}
    _tell_load(found, sizes)
    steady = {"ours": _steady("ours", STEADY, given.seconds, given.slots)}
    steady["peer"] = _steady("peer", STEADY, max(given.seconds // 4, 2), given.slots)
    rest = {kind: _steady(kind, AT_REST, given.seconds, 8) for kind in ("ours", "peer")}
    for rate, runs in ((STEADY, steady), (AT_REST, rest)):
        for kind, one in runs.items():
            print(
                f"{rate:3} messages/s sent, {kind:4} {one['rate']:6.0f} messages/s written, queue to record "
                f"p50 {one['p50_s'] * 1000:6.0f} ms  p95 {one['p95_s'] * 1000:6.0f} ms"
                f"  {one['each']:6.0f} calls per 1,000"
            )
    return _verdicts(found["ours"]["loaded_each"], steady["ours"], rest["ours"])


def _tell_load(found: dict[str, dict[str, Any]], sizes: dict[str, int]) -> None:
    receiving = found["nothing"]["cpu_s"] * 1000 / sizes["nothing"]
    for kind, one in found.items():
        each = 1000.0 / sizes[kind]
        own = max(one["cpu_s"] * each - receiving, 0.0)
        parts = f" (SQL {one['sql_s'] * each:.2f}, HTTP {one['http_s'] * each:.2f})" if kind == "ours" else ""
        print(
            f"load {kind:8} {one['rate']:6.0f} messages/s  {one['loaded_each']:6.0f} calls per 1,000 while all lanes "
            f"are full ({one['each']:.0f} to the last message)  CPU ms a message: "
            f"own {own:.2f}{parts}  Dataverse {one['dataverse_s'] * each:.2f}  bus {one['bus_s'] * each:.2f}"
            f"  receiving {receiving:.2f}"
        )
    print(f"load: {found['ours']['rate'] / found['peer']['rate']:.1f} times as fast as one call per message")


def _verdicts(calls: float, steady: dict[str, Any], rest: dict[str, Any]) -> int:
    """Each limit with what was found; 1 when one was broken."""
    limits = [
        (f"at rest p50 under {REST_P50_S * 1000:.0f} ms", rest["p50_s"] < REST_P50_S),
        (f"at rest p95 under {REST_P95_S * 1000:.0f} ms", rest["p95_s"] < REST_P95_S),
        (f"{STEADY} messages/s sustained", steady["rate"] >= 0.97 * STEADY),
        (f"and p95 under {STEADY_P95_S:.0f} s", steady["p95_s"] < STEADY_P95_S),
        (f"at most {MOST_CALLS} calls per 1,000 messages under load", calls <= MOST_CALLS),
    ]
    for told, kept in limits:
        print(f"{told}: {'PASS' if kept else 'FAIL'}")
    return 0 if all(kept for _, kept in limits) else 1


def _load(kind: str, messages: int, slots: int) -> dict[str, Any]:
    """All messages are on the queue before the first is taken."""
    with _cloud() as cloud, ServiceBusClient.from_connection_string(cloud.bus) as client:
        with client.get_queue_sender(QUEUE) as sender:
            _send(sender, _messages(messages), 100)
        before = {name: _cpu_s(pid) for name, pid in cloud.pids.items()}
        told = _told(_begun(kind, messages, slots, cloud))
        told |= {f"{name}_s": _cpu_s(pid) - before[name] for name, pid in cloud.pids.items()}
        return _rates(told, messages)


def _steady(kind: str, rate: int, seconds: int, slots: int) -> dict[str, Any]:
    """So many messages a second, sent in their order as they come; few lanes where there are few receivers.

    The waits of the first second do not count: the first message finds no connection, no token and no metadata.
    """
    messages, at_once = rate * (seconds + 1), max(rate // 20, 1)
    with _cloud() as cloud, ServiceBusClient.from_connection_string(cloud.bus) as client:
        waiting = _begun(kind, messages, slots, cloud, rate)
        with client.get_queue_sender(QUEUE) as sender:
            _send(sender, _messages(messages, lanes=slots), at_once, pause_s=at_once / rate)
        return _rates(_told(waiting), messages)


def _rates(told: dict[str, Any], messages: int) -> dict[str, Any]:
    """Messages a second from the first to the last, and requests for 1,000 of them."""
    each, loaded = told["calls"] * 1000 / messages, told["loaded_calls"] * 1000 / (messages * LOADED)
    return told | {"rate": messages / max(told["wall_s"], 0.001), "each": each, "loaded_each": loaded}


def _send(sender: ServiceBusSender, messages: Iterator[ServiceBusMessage], at_once: int, *, pause_s: float = 0) -> None:
    """In parts, each at its time: a late part is followed by the next without a pause."""
    due = time.monotonic()
    while part := list(islice(messages, at_once)):
        sender.send_messages(part)
        due += pause_s
        time.sleep(max(due - time.monotonic(), 0))


def _messages(count: int, lanes: int = 64) -> Iterator[ServiceBusMessage]:
    """New records and partial changes of earlier ones, about half each."""
    chance = random.Random(7)
    for number in range(count):
        old = chance.random() < 0.5 and number > 10
        no = f"C-{chance.randrange(number) if old else number:06}"
        record = {"no": no, "staff": number} if old else {"no": no, "name": f"Customer {number}", "staff": 1}
        yield ServiceBusMessage(json.dumps(record), session_id=lane_of("story", [no], lanes), subject="story")


def _begun(kind: str, messages: int, slots: int, cloud: Cloud, begins: int = 0) -> Child:
    command = python("bench.realtime.instance", kind, str(messages), str(slots), str(begins))
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
