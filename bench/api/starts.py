"""Starts of jobs through the app, as the Functions host calls it: one after the other, and at a steady rate.

The app runs here with its store in a folder and the local Service Bus in a process of its own, so a start costs what it
costs on one's own machine: checks, a row that is on the disk, a message that the broker has. As many threads answer as
Functions has on two cores (six). Calls at a rate begin when their time has come, whether or not earlier ones are done,
and waiting for a thread counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles

import azure.functions as func

from bench.standin.servicebus import serving
from shared.web.functions import Doors

QUIET_MS, BUSY_MS = 50.0, 250.0
"""The 95th of a hundred starts takes at most so long: alone, and at fifty a second."""
THREADS = 6
SYNC = """
name: accounts
source: {type: delimited, path: in.csv, schema: [{name: no}]}
destination:
  type: dynamics
  entity: account
  id_column: accountid
  service_url: https://contoso.crm4.dynamics.com/
  client_id: {secret: accounts--client-id}
  client_secret: {secret: accounts--client-secret}
mappings: [{source: no, target: accountnumber}]
behaviour: {strategy: delta, key: [accountnumber], new: insert, changed: update}
"""


def main(arguments: list[str]) -> int:
    """Measure and print; 1 when a limit was broken."""
    options = argparse.ArgumentParser(prog="python -m bench api")
    options.add_argument("--colds", type=int, default=5, help="cold starts of each kind, in turn")
    options.add_argument("--starts", type=int, default=200, help="starts, one after the other")
    options.add_argument("--rate", type=float, default=50, help="starts a second")
    options.add_argument("--seconds", type=float, default=20, help="of starts at that rate")
    given = options.parse_args(arguments)
    _colds(given.colds)
    with serving([]) as (_, bus), tempfile.TemporaryDirectory() as folder:
        start = _app(Path(folder), bus)
        start()
        good = _quiet(start, given.starts)
        return 0 if _busy(start, given.rate, given.seconds) and good else 1


def _colds(times: int) -> None:
    found: dict[str, list[tuple[float, ...]]] = {"ours": [], "plain": []}
    for _ in range(times):
        for kind, told in found.items():
            ran = subprocess.run(
                [sys.executable, "-m", "bench.api.cold", kind], capture_output=True, text=True, check=True
            )
            told.append(tuple(map(float, ran.stdout.split())))
    for kind, told in found.items():
        cpu, wall, peak = (median(column) for column in zip(*told, strict=True))
        print(f"cold start, {kind:5} {cpu:5.2f} s CPU, {wall:5.2f} s wall, {peak:4.0f} MB peak (median of {times})")


def _app(folder: Path, bus: str) -> Callable[[], None]:
    """The app over an empty folder; gives what starts one job."""
    (folder / "syncs").mkdir()
    (folder / "in.csv").write_text("no\n1\n")
    (folder / "syncs/accounts.yaml").write_text(SYNC)
    (folder / "syncs/reach.yaml").write_text("folders: [..]\n")
    doors = Doors({"DYNSYNC_BUS": bus, "DYNSYNC_KEY_SYNCS": "*"}, base=folder)
    body = json.dumps({"sync": "accounts", "dry_run": True}).encode()

    def start() -> None:
        request = func.HttpRequest(
            "POST", "http://127.0.0.1:7071/api/jobs", headers={"Content-Type": "application/json"}, body=body
        )
        answer = doors.answer(request, key=True)
        if answer.status_code != 202:
            raise SystemExit(f"a start was answered {answer.status_code}: {answer.get_body().decode()[:300]}")

    return start


def _quiet(start: Callable[[], None], times: int) -> bool:
    took: list[float] = []
    cpu = time.process_time()
    for _ in range(times):
        began = time.perf_counter()
        start()
        took.append(time.perf_counter() - began)
    return _told(f"{times} starts, one by one", took, (time.process_time() - cpu) / times, QUIET_MS)


def _busy(start: Callable[[], None], rate: float, seconds: float) -> bool:
    took: list[float] = []
    cpu, zero = time.process_time(), time.perf_counter()

    def one(due: float) -> None:
        start()
        took.append(time.perf_counter() - due)

    with ThreadPoolExecutor(THREADS) as pool:
        running = []
        for number in range(round(rate * seconds)):
            due = zero + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            running.append(pool.submit(one, due))
    for call in running:
        call.result()
    return _told(f"{rate:g} starts a second, {seconds:g} s", took, (time.process_time() - cpu) / len(took), BUSY_MS)


def _told(name: str, took: list[float], cpu_s: float, limit_ms: float) -> bool:
    cuts = quantiles(took, n=20)
    good = cuts[18] * 1000 <= limit_ms
    verdict = "PASS" if good else "FAIL"
    print(
        f"{name:28} p50 {cuts[9] * 1000:6.1f} ms, p95 {cuts[18] * 1000:6.1f} ms wall  {verdict} (p95 at most "
        f"{limit_ms:g} ms); {cpu_s * 1000:.1f} ms CPU each"
    )
    return good
