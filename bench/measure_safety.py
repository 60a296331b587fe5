"""Measures what safety costs: the product's run against the same run over a store that keeps nothing, in turns.

Usage: `python -m bench.measure_safety [--rows 1m] [--pairs 5] [--within 240]`; see docs/performance.md. Verdicts are on
medians of the pairs' shares. No pair is begun that would not end within so many seconds of the start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence

from bench.engine import servers
from bench.engine.layout import CHANGED, DataSet
from bench.measure_engine import SIZES, Limits, Run, checked, line, ours, prepare

MOST = 0.25
"""The share of the unsafe run's time that safety may cost."""
AT_REST = 1.0
"""The load above which wall times say little."""


def shares(pairs: Sequence[tuple[Run, Run]]) -> tuple[list[float], list[float]]:
    """Of every pair, safe and unsafe: what safety costs, as shares of wall and CPU time."""
    walls = [safe.wall_s / unsafe.wall_s - 1 for safe, unsafe in pairs]
    cpus = [float(safe.said["cpu_s"] / unsafe.said["cpu_s"]) - 1 for safe, unsafe in pairs]
    return walls, cpus


def _run(kind: str, data: DataSet, limits: Limits) -> Run:
    return checked(ours(data, "parquet", CHANGED, limits, module=f"bench.engine.{kind}"), data, kind)


def another(pairs_s: Sequence[float], wanted: int, left_s: float) -> bool:
    """Whether to begin another pair: more are wanted, and one that takes as long as the longest has room."""
    return len(pairs_s) < wanted and max(pairs_s, default=0.0) <= left_s


def _pairs(data: DataSet, wanted: int, ends_at: float) -> list[tuple[Run, Run]]:
    limits = Limits(450, 800)
    pairs: list[tuple[Run, Run]] = []
    spent_s: list[float] = []
    while another(spent_s, wanted, ends_at - time.perf_counter()):
        began = time.perf_counter()
        kinds = ["ours", "unsafe"] if len(pairs) % 2 else ["unsafe", "ours"]
        runs = {kind: _run(kind, data, limits) for kind in kinds}
        pairs.append((runs["ours"], runs["unsafe"]))
        spent_s.append(time.perf_counter() - began)
    return pairs


def verdict(what: str, costs: Sequence[float]) -> bool:
    """One line for one kind of time; whether the limit was kept."""
    median = statistics.median(costs)
    print(f"  {what}: {', '.join(f'{share:+.1%}' for share in costs)}")
    return line(f"what safety costs, {what}, median of {len(costs)}", f"{median:+.1%}", f"{MOST:.0%}", median <= MOST)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when the limit was kept in as many pairs as were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1m", help="1m, 10m or a number")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--within", type=float, default=240, help="seconds, for all of it")
    options = parser.parse_args(arguments)
    began, load = time.perf_counter(), os.getloadavg()[0]
    data = DataSet(SIZES.get(options.rows) or int(options.rows))
    prepare(data)
    print(f"  the data were ready after {time.perf_counter() - began:.0f} s; they are kept for the next time")
    with servers.running(data):
        pairs = _pairs(data, options.pairs, began + options.within)
    walls, cpus = shares(pairs)
    good = [verdict("wall time", walls), verdict("processor time", cpus)]
    if len(pairs) < options.pairs:
        good.append(line("pairs measured", str(len(pairs)), f"{options.pairs}, in {options.within:.0f} s", good=False))
    if load > AT_REST:
        print(f"  the machine was not at rest (load {load:.1f} before): wall times say little")
    print(f"\nmeasured in {time.perf_counter() - began:.0f} s; load before: {load:.1f}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
