"""What the local Service Bus costs: processor time of a server of its own, driven by the unmodified SDK.

Bodies of 1 KB; the rate is messages per second of the server's processor time, with its store in a file and without.
The client's processor time is told beside it: it is the larger part, and the same against the real service. Latency is
the wall time from before a send to after the receipt of the same message on a receiver that waits.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceiver, ServiceBusSender

BODY = "x" * 1024
AT_LEAST = 2_000
"""Messages per second of the server's processor time, in and out together."""
_QUEUE = "sync-jobs"


def main(arguments: list[str]) -> int:
    """Measures and prints; 1 when the limit was broken."""
    options = argparse.ArgumentParser(prog="python -m bench servicebus")
    options.add_argument("--messages", type=int, default=5000, help="to send, then to receive (at most 100,000)")
    options.add_argument("--singles", type=int, default=200, help="messages of which the latency is taken")
    given = options.parse_args(arguments)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name, extra in (("memory", []), ("file", ["--file", str(Path(folder) / "bus.db")])):
            good &= _measure(name, extra, min(given.messages, 100_000), given.singles)
    return 0 if good else 1


def _measure(name: str, extra: list[str], messages: int, singles: int) -> bool:
    with (
        serving(extra) as (pid, address),
        ServiceBusClient.from_connection_string(address) as client,
        client.get_queue_sender(_QUEUE) as sender,
        client.get_queue_receiver(_QUEUE, max_wait_time=30) as receiver,
    ):
        start, own = _cpu_s(pid), time.process_time()
        for _ in range(messages // 100):
            sender.send_messages([ServiceBusMessage(BODY) for _ in range(100)])
        sent, own_sent = _cpu_s(pid), time.process_time()
        _receive(receiver, messages // 100 * 100)
        received, own_received = _cpu_s(pid), time.process_time()
        took = sorted(_round_trip(sender, receiver) for _ in range(singles))
    count = messages // 100 * 100
    whole = count / max(received - start, 0.01)
    cuts = quantiles(took, n=20)
    verdict = "PASS" if whole >= AT_LEAST else "FAIL"
    print(f"{name:7} sent in hundreds   {count / max(sent - start, 0.01):9,.0f} messages per server CPU second", end="")
    print(f", client {count / max(own_sent - own, 0.01):7,.0f} per its own")
    print(
        f"{name:7} received, completed{count / max(received - sent, 0.01):9,.0f} messages per server CPU second", end=""
    )
    print(f", client {count / max(own_received - own_sent, 0.01):7,.0f} per its own")
    print(
        f"{name:7} in and out         {whole:9,.0f} messages per server CPU second  {verdict} (at least {AT_LEAST:,})"
    )
    print(
        f"{name:7} send to receipt    p50 {cuts[9] * 1000:.1f} ms, p95 {cuts[18] * 1000:.1f} ms wall, {singles} singles"
    )
    return whole >= AT_LEAST


def _receive(receiver: ServiceBusReceiver, count: int) -> None:
    got = 0
    while got < count:
        page = receiver.receive_messages(100)
        if not page:
            raise SystemExit(f"{got} messages came of {count}")
        for message in page:
            receiver.complete_message(message)
        got += len(page)


def _round_trip(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> float:
    start = time.perf_counter()
    sender.send_messages(ServiceBusMessage(BODY))
    (message,) = receiver.receive_messages(1)
    took = time.perf_counter() - start
    receiver.complete_message(message)
    return took


@contextmanager
def serving(extra: list[str]) -> Iterator[tuple[int, str]]:
    """A local Service Bus in a process of its own: its id, and its connection string."""
    command = [sys.executable, "-m", "local.servicebus", "--end-with-parent", *extra]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            yield server.pid, server.stdout.readline().strip()
        finally:
            server.terminate()
            server.wait(30)


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far, from its entry in /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
