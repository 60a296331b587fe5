"""Measures writing beside the limits that the service sets; see bench/README.md and docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SERVERS, BUSY_PER_S, CALL_S, ROW_S = 2, 4.0, 0.05, 0.004
CEILING = SERVERS * BUSY_PER_S / (CALL_S / 1000 + ROW_S)
"""Rows per second that one application user may write, sustained, at 1,000 rows a call."""
SERVICE = {"servers": SERVERS, "call_ms": CALL_S * 1000, "row_ms": ROW_S * 1000, "read_row_ms": 0.1}
USERS = (1, 2, 4)
START_S = 5
"""About so long a run takes to begin and to end."""
FREE = {"requests": None, "execution_s": None, "concurrent": None}


@contextmanager
def serving(users: int = 1, **limits: object) -> Iterator[dict[str, Any]]:
    """A local Dataverse in a process of its own."""
    options = json.dumps({"users": users, "limits": limits})
    command = [sys.executable, "-m", "bench.ceiling.server", options]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.stdin.close()


def side(name: str, **options: object) -> dict[str, Any]:
    """One run of `ours` or `peer` in a process of its own."""
    command = [sys.executable, "-m", f"bench.ceiling.{name}", json.dumps(options)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{name} failed:\n{ran.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    print(f"  {name} {found}", flush=True)
    return found


def ours(place: dict[str, Any], **options: object) -> dict[str, Any]:
    """One run of the product's writer."""
    return side("ours", place=place, **{"users": 1, "rows": 0, "seconds": 0, "warm_s": 0, "every": 0, **options})


def line(what: str, found: str, limit: str, good: bool) -> bool:
    """One line of the table."""
    print(f"  {'PASS' if good else 'FAIL'}  {what:<58} {found:>14}   limit {limit}", flush=True)
    return good


def ceiling(window_s: float, windows: int, most_users: int) -> list[bool]:
    """Sustained rate within the service's limits, for one, two and four users."""
    window = {"window_s": window_s, "execution_s": BUSY_PER_S * window_s, "requests": round(20 * window_s)}
    warm_s = 3 * window_s
    good, rates = [], {}
    runs = sum(count <= most_users for count in USERS)
    print(f"about {runs * (warm_s + windows * window_s + START_S) / 60:.0f} minutes", flush=True)
    for users in [count for count in USERS if count <= most_users]:
        with serving(users, **SERVICE, **window) as place:
            found = ours(place, users=users, seconds=warm_s + windows * window_s, warm_s=warm_s)
        who = "1 user" if users == 1 else f"{users} users"
        rates[users] = found["rows_per_s"]
        share, refused = found["rows_per_s"] / (users * CEILING), found["throttled"] / found["requests"]
        good.append(line(f"{who}: share of the ceiling", f"{share:.3f}", "at least 0.95", share >= 0.95))
        good.append(line(f"{who}: requests answered 429", f"{refused:.4f}", "at most 0.01", refused <= 0.01))
        if users > 1:
            scaled = rates[users] / (users * rates[1])
            good.append(line(f"1 to {users} users: scaling", f"{scaled:.3f}", "at least 0.95", scaled >= 0.95))
    return good


def capacity(rows: int) -> list[bool]:
    """What the stand-in could take with no simulated time, and what the client's processor pays."""
    with serving(**FREE) as place:
        found = ours(place, rows=rows)
    spare, cpu = found["rows_per_s"] / CEILING, found["cpu_ms_per_1000"]
    return [
        line("the stand-in's own speed, times the ceiling of one user", f"{spare:.1f}", "at least 3", spare >= 3),
        line("client processor time per 1,000 rows", f"{cpu:.2f} ms", "at most 4 ms", cpu <= 4),
    ]


def bad_rows(seconds: float, operation_ms: float) -> list[bool]:
    """What bad rows cost: the same load with none, one in 10,000 and one in 100; the last two thirds are measured."""
    good, rates = [], {}
    for every, least in ((0, 1.0), (10_000, 0.95), (100, 0.75)):
        with serving(**SERVICE, **FREE, dop_hint=8, operation_ms=operation_ms, capacity=4) as place:
            found = ours(place, seconds=seconds, warm_s=seconds / 3, every=every)
        rates[every] = found["rows_per_s"]
        if every:
            kept = rates[every] / rates[0]
            what = f"throughput kept, 1 bad row in {every:,}, {operation_ms:g} ms an operation"
            good.append(line(what, f"{kept:.2f}", f"at least {least}", kept >= least))
    return good


def peers(rows: int) -> list[bool]:
    """Microsoft's Python client, in one thread and in eight, and with bad rows."""
    good = []
    with serving(**SERVICE, **FREE) as place:
        found = ours(place, rows=rows)
    for threads, times in ((1, 10.0), (8, 2.0)):
        with serving(**SERVICE, **FREE) as place:
            peer = side("peer", place=place, threads=threads, rows=rows * threads // 8, every=0)
        ratio = found["rows_per_s"] / peer["rows_per_s"]
        good.append(line(f"faster than theirs, {threads} at a time", f"{ratio:.1f} x", f"{times:g} x", ratio >= times))
    with serving(**SERVICE, **FREE) as place:
        peer = side("peer", place=place, threads=8, rows=rows // 4, every=100)
    with serving(**SERVICE, **FREE) as place:
        found = ours(place, rows=rows // 4, every=100)
    lost = found["tally"].get("done", 0) + found["tally"].get("rejected", 0) == rows // 4
    good.append(line("1 % bad rows: rows lost by theirs", f"{peer['lost']:,}", "(told)", True))
    good.append(line("1 % bad rows: each of ours landed or rejected", str(lost), "True", lost))
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench ceiling", description=__doc__)
    parser.add_argument("--window", type=float, default=45.0, help="seconds of a window (default 45; the service: 300)")
    parser.add_argument("--windows", type=int, default=3, help="windows that are measured, after three")
    parser.add_argument("--users", type=int, default=4, help="the most application users (1, 2, 4)")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the other measurements")
    parser.add_argument("--seconds", type=float, default=90.0, help="seconds of each run with bad rows")
    parser.add_argument("--part", action="append", choices=["capacity", "peers", "bad", "ceiling"])
    chosen = parser.parse_args(arguments)
    parts = chosen.part or ["capacity", "peers", "bad", "ceiling"]
    print(f"ceiling of one user: {CEILING:,.0f} rows/s; load before: {os.getloadavg()[0]:.1f}")
    good: list[bool] = []
    if "capacity" in parts:
        good += capacity(chosen.rows)
    if "peers" in parts:
        good += peers(chosen.rows)
    if "bad" in parts:
        for operation_ms in (0.0, 16.0):
            good += bad_rows(chosen.seconds, operation_ms)
    if "ceiling" in parts:
        good += ceiling(chosen.window, chosen.windows, chosen.users)
    print(f"load after: {os.getloadavg()[0]:.1f}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
