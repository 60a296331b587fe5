"""Measures what safety costs: the product's run against the same run over a store that keeps nothing, in turns.

Usage: `python -m bench.measure_safety [--rows 1m] [--pairs 5]`; see docs/performance.md.
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
"""The share of the unsafe run's wall time that safety may cost."""


def shares(pairs: Sequence[tuple[Run, Run]]) -> tuple[list[float], list[float]]:
    """Of every pair, safe and unsafe: what safety costs, as shares of wall and CPU time."""
    walls = [safe.wall_s / unsafe.wall_s - 1 for safe, unsafe in pairs]
    cpus = [float(safe.said["cpu_s"] / unsafe.said["cpu_s"]) - 1 for safe, unsafe in pairs]
    return walls, cpus


def _run(kind: str, data: DataSet, limits: Limits) -> Run:
    return checked(ours(data, "parquet", CHANGED, limits, module=f"bench.engine.{kind}"), data, kind)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when the limit was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1m", help="1m, 10m or a number")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args(arguments)
    data = DataSet(SIZES.get(options.rows) or int(options.rows))
    limits = Limits(450, 800)
    prepare(data)
    pairs = []
    began, load = time.perf_counter(), os.getloadavg()[0]
    with servers.running(data):
        for number in range(options.pairs):
            kinds = ["ours", "unsafe"] if number % 2 else ["unsafe", "ours"]
            runs = {kind: _run(kind, data, limits) for kind in kinds}
            pairs.append((runs["ours"], runs["unsafe"]))
    walls, cpus = shares(pairs)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    print(f"wall: {', '.join(f'{share:+.1%}' for share in walls)}; CPU: {', '.join(f'{share:+.1%}' for share in cpus)}")
    good = line("what safety costs, wall, median of pairs", f"{wall:+.1%}", f"at most {MOST:.0%}", wall <= MOST)
    print(f"  what safety costs, CPU, median of pairs: {cpu:+.1%}")
    print(
        f"\nmeasured in {time.perf_counter() - began:.0f} s; load before: {load:.1f}, after: {os.getloadavg()[0]:.1f}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
