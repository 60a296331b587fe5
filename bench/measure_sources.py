"""Measures each kind of source beside its driver's own raw read; see bench/README.md and docs/performance.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.sources.data import make
from bench.sources.reads import RAW, TABLE

MOST_TIMES, MOST_GROWTH_MB = 1.6, 80.0
EXCEL_ROWS = 100_000
REPOSITORY = Path(__file__).parents[1]


def one(who: str, kind: str, place: str) -> dict[str, Any]:
    """One read in a fresh process."""
    command = [sys.executable, "-m", "bench.sources.reads", who, kind, place]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"FAIL: {who} {kind}: {done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@contextlib.contextmanager
def place(kind: str, rows: int) -> Iterator[str]:
    """Data of a kind: a path, or a database's connection string."""
    if kind == "postgresql":
        with _database(rows) as conninfo:
            yield conninfo
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        make(kind, rows, path)
        yield str(path)


@contextlib.contextmanager
def _database(rows: int) -> Iterator[str]:
    import psycopg

    from tests.postgres import server

    with server() as running, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        make("delimited", rows, path)
        types = {"tier": "int4", "credit": "numeric", "opened": "date", "changed": "timestamp", "active": "bool"}
        with psycopg.connect(running.conninfo(), autocommit=True) as connection, path.open("rb") as file:
            names = file.readline().decode().strip().split(",")
            listed = ", ".join(f"{name} {types.get(name, 'text')}" for name in names)
            connection.execute(f"CREATE TABLE {TABLE} ({listed})")
            with connection.cursor().copy(f"COPY {TABLE} FROM STDIN (FORMAT csv)") as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
        yield running.conninfo()


def measured(kind: str, rows: int, times: int) -> bool:
    """One kind: the least CPU of some runs of each side in turn; memory at a tenth of the rows and at all of them."""
    with place(kind, max(rows // 10, 1)) as where:
        small = one("ours", kind, where)
    with place(kind, rows) as where:
        runs = [(one("raw", kind, where), one("ours", kind, where)) for _ in range(times)]
    theirs, ours = (min((run[side] for run in runs), key=lambda run: float(run["cpu_s"])) for side in (0, 1))
    if not theirs["records"] == ours["records"] == rows:
        raise SystemExit(f"FAIL: {kind}: {rows:,} records were made; raw {theirs}, ours {ours}")
    ratio, growth = ours["cpu_s"] / theirs["cpu_s"], ours["peak_mb"] - small["peak_mb"]
    good = ratio <= MOST_TIMES and growth <= MOST_GROWTH_MB
    print(
        f"  {kind:12} {rows:>9,} records: {rows / ours['cpu_s']:>9,.0f} a CPU second, "
        f"raw {rows / theirs['cpu_s']:>9,.0f}, "
        f"{ratio:4.2f} times its CPU; peak {ours['peak_mb']:.0f} MB (raw {theirs['peak_mb']:.0f}, "
        f"a tenth of the rows {small['peak_mb']:.0f})  {'PASS' if good else 'FAIL'}",
        flush=True,
    )
    return good


def main(arguments: Sequence[str] = ()) -> int:
    """Measure all kinds, or those that are named; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench sources")
    parser.add_argument("kinds", nargs="*", choices=[[], *RAW], default=[])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args(list(arguments))
    print(
        f"CPU at most {MOST_TIMES} times the raw read; "
        f"memory at most {MOST_GROWTH_MB:.0f} MB more for ten times the rows"
    )
    good = True
    for kind in given.kinds or RAW:
        good &= measured(kind, min(given.rows, EXCEL_ROWS) if kind == "excel" else given.rows, given.times)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
