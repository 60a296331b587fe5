"""Measures the engine from end to end against recorded pages; see bench/README.md and docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.engine import recording, servers
from bench.engine.bounds import bounded
from bench.engine.layout import CHANGED, REPOSITORY, UNCHANGED, WORK, DataSet, origin
from bench.engine.servers import CA_FILE, Traffic

SIZES = {"1m": 1_000_000, "10m": 10_000_000}
RATE, TIMES_FASTER = 100_000, 4.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one measured run may use. `engine_mb` is DYNSYNC_MEMORY_MB; None: the product's default."""

    memory_mb: int
    disk_mb: int
    engine_mb: int | None = None
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run: what it says of itself, and what was seen from outside."""

    wall_s: float
    said: dict[str, Any]
    traffic: Traffic
    peak_disk_mb: float = 0.0
    group_peak_mb: float | None = None
    bounds: str = ""

    @property
    def rate(self) -> float:
        """Source records per second of wall time, from the process's start to its end."""
        return float(self.said["read"] / self.wall_s)


def ours(data: DataSet, kind: str, destination: str, limits: Limits, *, module: str = "bench.engine.ours") -> Run:
    """One run of the product in a fresh process, within the limits."""
    home = WORK / "run"
    shutil.rmtree(home, ignore_errors=True)
    recording.definition(
        home, kind=kind, source=data.source(kind), url=origin(destination) + "/", authority=origin(destination) + "/"
    )
    result = home / "result.json"
    command = [sys.executable, "-m", module, str(home / "state"), str(home / "syncs"), str(result)]
    with bounded(limits.memory_mb, limits.disk_mb) as bounds, servers.traffic() as seen:
        started = time.perf_counter()
        process = subprocess.Popen(bounds.command(command), cwd=REPOSITORY, env=_environment(limits, bounds.temporary))
        watcher = bounds.watch(process)
        code = process.wait()
        wall_s = time.perf_counter() - started
        watcher.join()
    if code != 0 or not result.exists():
        over = f"ended by the watcher of {bounds.ended}" if bounds.ended else f"exit code {code}"
        over += " (killed: out of memory)" if code in (-9, 137) else ""
        raise SystemExit(f"FAIL: the run over {data.rows:,} records from {kind} did not end well: {over}")
    said = json.loads(result.read_text())
    return Run(wall_s, said, seen[0], bounds.peak_disk_mb, bounds.group_peak_mb, bounds.by)


def _environment(limits: Limits, temporary: Path) -> dict[str, str]:
    settings = {
        "DYNSYNC_CA_FILE": str(CA_FILE),
        "DYNSYNC_DISK_MB": str(limits.disk_mb),
        "TMPDIR": str(temporary),
        **recording.SECRETS,
    }
    if limits.engine_mb:
        settings["DYNSYNC_MEMORY_MB"] = str(limits.engine_mb)
    if limits.threads:
        settings["DYNSYNC_THREADS"] = str(limits.threads)
    return {**compiled(os.environ), **settings}


def compiled(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, in which Python keeps what it has compiled.

    The recording, which runs the product, leaves it behind. So the product starts as it does where it is installed, and
    as the plain way does, whose libraries were compiled when they were installed.
    """
    return {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peer(data: DataSet, kind: str) -> Run:
    """One run of the plain way, without bounds."""
    result = WORK / "peer.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.engine.peer", str(data.source(kind)), origin(CHANGED)]
    command += [recording.first_page(), str(CA_FILE), str(WORK / "peer.jsonl"), str(result)]
    with servers.traffic() as seen:
        started = time.perf_counter()
        subprocess.run(command, cwd=REPOSITORY, env=compiled(os.environ), check=True)
        wall_s = time.perf_counter() - started
    return Run(wall_s, json.loads(result.read_text()), seen[0])


def checked(run: Run, data: DataSet, name: str, *, changed: bool = True) -> Run:
    """The run, when its counts are those that the data was made for.

    Raises:
        SystemExit: they differ; a measurement of wrong work is none.
    """
    counts = json.loads(data.manifest.read_text())["counts"]
    wanted = {"create": counts["new"], "update": counts["changed"], "deactivate": counts["dropped"]} if changed else {}
    found = {action: n for action, n in run.said["planned"].items() if n}
    if run.said["state"] != "Succeeded" or run.said["read"] != data.rows or found != wanted or run.traffic.refused:
        raise SystemExit(f"FAIL: expected {wanted} of {data.rows:,}; the run says {json.dumps(run.said)} {run.traffic}")
    if not run.said.get("closes", True) or run.said.get("rejected"):
        raise SystemExit(f"FAIL: the balance does not close: {json.dumps(run.said)}")
    print(f"  {name}: {run.wall_s:.2f} s wall, {run.said['cpu_s']:.2f} s CPU, {run.said['peak_rss_mb']} MB", flush=True)
    return run


def median(runs: Sequence[Run], name: str) -> Run:
    """The run whose wall time is the median; shown as it was."""
    runs = sorted(runs, key=lambda run: run.wall_s)
    chosen = runs[len(runs) // 2]
    walls = ", ".join(f"{run.wall_s:.2f}" for run in runs)
    print(f"\n{name}: median of {len(runs)} ({walls} s)")
    show(chosen)
    return chosen


def show(run: Run) -> None:
    """One run in lines."""
    said, traffic = run.said, run.traffic
    print(f"  wall {run.wall_s:.2f} s, {run.rate:,.0f} source records/s, CPU {said['cpu_s']:.2f} s")
    print("  phases: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in said["phases_s"].items()))
    if "began" in said:
        print(
            "  memory at the start of each phase (now/peak MB): "
            + ", ".join(f"{n} {b['rss_mb']}/{b['peak_mb']}" for n, b in said["began"].items())
        )
    kept = f", kept (plan, state) {said['kept_mb']} MB" if "kept_mb" in said else ""
    group = f", control group (with page cache) {run.group_peak_mb:.0f} MB" if run.group_peak_mb else ""
    print(f"  peak memory {said['peak_rss_mb']} MB{group}, peak temporary disk {run.peak_disk_mb:.0f} MB{kept}")
    print(
        f"  {traffic.reads} reads ({traffic.received_bytes / 1e6:.1f} MB), writes {dict(traffic.writes)} "
        f"({traffic.sent_bytes / 1e6:.1f} MB)"
    )
    if run.bounds:
        print(f"  bounds kept: {run.bounds}")


def worst(runs: Sequence[Run]) -> tuple[int, float]:
    """Highest memory and disk of all runs, MB."""
    return max(run.said["peak_rss_mb"] for run in runs), max(run.peak_disk_mb for run in runs)


def line(what: str, found: str, limit: str, good: bool) -> bool:
    """One line of the last table."""
    print(f"  {'PASS' if good else 'FAIL'}  {what:<52} {found:>16}   limit {limit}")
    return good


def measure(data: DataSet, limits: Limits, times: int, *, with_csv: bool, with_peer: bool) -> bool:
    """All runs of one size; whether every limit was kept."""
    parquet, csv, plain = [], [], []
    for _ in range(times):
        parquet.append(checked(ours(data, "parquet", CHANGED, limits), data, "Parquet"))
        if with_peer:
            plain.append(checked(peer(data, "parquet"), data, "the plain way"))
        if with_csv:
            csv.append(checked(ours(data, "csv", CHANGED, limits), data, "CSV"))
    first = median(parquet, "Parquet")
    if csv:
        median(csv, "CSV")
    if plain:
        slow = median(plain, "the plain way (Parquet)")
    again = [ours(data, "parquet", UNCHANGED, limits)] if data.whole else []
    for run in again:
        print("\nsecond run, nothing changed")
        checked(run, data, "no changes", changed=False)
        show(run)
    memory, disk = worst([*parquet, *again])
    print(f"\n{data.rows:,} records x 12 columns")
    good = [
        line("peak memory, worst run", f"{memory} MB", f"at most {limits.memory_mb} MB", memory <= limits.memory_mb)
    ]
    if csv:
        memory, csv_disk = worst(csv)
        disk = max(disk, csv_disk)
        kept = memory <= limits.memory_mb
        good.append(line("peak memory, worst run from CSV", f"{memory} MB", f"at most {limits.memory_mb} MB", kept))
    for run in again:
        writes = sum(run.traffic.writes.values())
        good.append(line("write requests of the second run", str(writes), "0", writes == 0))
    if data.rows == SIZES["1m"]:
        good.append(line("source records per second", f"{first.rate:,.0f}", f"at least {RATE:,}", first.rate >= RATE))
        good.append(
            line(
                "peak temporary disk, worst run",
                f"{disk:.0f} MB",
                f"at most {limits.disk_mb} MB",
                disk <= limits.disk_mb,
            )
        )
    if plain:
        ratio = slow.wall_s / first.wall_s
        good.append(
            line("the plain way is slower", f"{ratio:.1f} x", f"at least {TIMES_FASTER:.0f} x", ratio >= TIMES_FASTER)
        )
    return all(good)


def prepare(data: DataSet) -> None:
    """Recording and data, each in a process of its own, so that this one stays small."""
    environment = compiled(os.environ)
    for module in (["recording"], ["generate", str(data.rows)]):
        command = [sys.executable, "-m", f"bench.engine.{module[0]}", *module[1:]]
        subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every limit was kept."""
    options = _options(arguments)
    data = DataSet(SIZES.get(options.rows) or int(options.rows))
    limits = Limits(700, 20_000, 400) if data.rows == SIZES["10m"] else Limits(450, 800, options.memory)
    times = options.times or (1 if data.rows > SIZES["1m"] else 5)
    prepare(data)
    began = time.perf_counter()
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python "
        f"{platform.python_version()}; load before: {load:.1f}"
    )
    with servers.running(data):
        with_peer = not options.without_peer and data.rows <= SIZES["1m"]
        with_csv = not options.without_csv and data.whole
        good = measure(data, limits, times, with_csv=with_csv, with_peer=with_peer)
    print(f"\nmeasured in {time.perf_counter() - began:.0f} s; load after: {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1m", help="1m (default), 10m, or a number")
    parser.add_argument("--times", type=int, help="runs of each kind (default: 5; 10m: 1)")
    parser.add_argument("--memory", type=int, help="DYNSYNC_MEMORY_MB (default: the product's)")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--without-csv", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
