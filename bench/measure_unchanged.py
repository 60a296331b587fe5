"""Measures a run that changes nothing, through change tracking, beside one that reads all rows; see bench/README.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from bench.engine import recording
from bench.engine.generate import COLUMNS, RECORDS
from bench.engine.layout import REPOSITORY, WORK
from bench.measure_engine import compiled, line

CLIENT_S = 5.0
"""The client's processor time that a run without changes may take, start and imports included."""
EDITS = 1000


class Server:
    """The large table, held by a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.place = self._line()

    def asked(self, *, edits: int = 0) -> dict[str, Any]:
        """The requests since the last question; then so many rows are changed."""
        if self._process.stdin is None:
            raise TypeError("the server has no input")
        print(edits, file=self._process.stdin, flush=True)
        return self._line()

    def _line(self) -> dict[str, Any]:
        text = self._process.stdout.readline() if self._process.stdout else ""
        if not text:
            raise SystemExit("FAIL: the server ended")
        return dict(json.loads(text))


@contextmanager
def serving(rows: int, source: Path) -> Iterator[Server]:
    """A server with the rows of the source."""
    command = [sys.executable, "-m", "bench.unchanged.server", str(rows), str(source)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            if process.stdin:
                process.stdin.close()


def make_source(rows: int, folder: Path) -> Path:
    """The source file: the records of the engine's bench."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    records = RECORDS.replace("$first", "0").replace("$end", str(rows))
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT i, {COLUMNS} FROM ({records})) TO '{folder}/source.parquet'")
    return folder / "source.parquet"


def define(folder: Path, source: Path, place: dict[str, str]) -> None:
    """The definition of the engine's bench, with change tracking."""
    recording.definition(folder, kind="parquet", source=source, url=place["url"], authority=place["authority"])
    file = folder / "syncs" / "bench-accounts.yaml"
    text = file.read_text()
    file.write_text(text.replace("  id_column: accountid\n", "  id_column: accountid\n  change_tracking: true\n"))


def run(folder: Path, server: Server, what: str) -> dict[str, Any]:
    """One run of the product in a process of its own, with what it asked for."""
    result = folder / "result.json"
    command = [sys.executable, "-m", "bench.engine.ours", str(folder / "state"), str(folder / "syncs"), str(result)]
    began = time.perf_counter()
    subprocess.run(command, cwd=REPOSITORY, env={**compiled(os.environ), **recording.SECRETS}, check=True)
    wall_s = time.perf_counter() - began
    said = {**json.loads(result.read_text()), **server.asked()}
    if said["error"] or not said["closes"]:
        raise SystemExit(f"FAIL: {what} ended {said['state']}: {said['error']}")
    print(
        f"  {what:<34} {said['reads']:>4} reads of rows, {said['writes']:>3} writes, client {said['cpu_s']:6.2f} "
        f"processor-s, {wall_s:6.1f} s by the wall, {said['peak_rss_mb']} MB"
    )
    return said


def measure(rows: int, times: int, folder: Path) -> bool:
    """All runs; whether every limit was kept."""
    source = make_source(rows, folder)
    with serving(rows, source) as server:
        define(folder, source, server.place)
        whole = run(folder, server, "first run: ids and all rows")
        still = [run(folder, server, "nothing changed") for _ in range(times)]
        server.asked(edits=EDITS)
        edited = run(folder, server, f"{EDITS:,} rows were edited")
    kept = next(folder.glob("state/jobs/*/fingerprint.parquet")).stat().st_size / 2**20
    cpu_s = sorted(one["cpu_s"] for one in still)[len(still) // 2]
    reads, writes = max(one["reads"] for one in still), max(one["writes"] for one in still)
    print(f"\n{rows:,} rows x 12 columns; the fingerprint takes {kept:.1f} MB")
    share = cpu_s / whole["cpu_s"]
    return all(
        [
            line("writes of a run without changes", str(writes), "0", writes == 0),
            line("its requests for rows", str(reads), "at most 5", reads <= 5),
            line("its client time, median", f"{cpu_s:.2f} s", f"at most {CLIENT_S:.0f} s", cpu_s <= CLIENT_S),
            line("as a share of a whole read's", f"{share:.2f}", "less than 1", share < 1),
            line("rows updated after the edits", str(edited["updated"]), str(EDITS), edited["updated"] == EDITS),
            line("its requests for rows", str(edited["reads"]), "at most 10", edited["reads"] <= 10),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench unchanged", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3, help="runs without changes")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    good = measure(options.rows, options.times, WORK / f"unchanged-{options.rows}")
    print(f"load before: {load:.1f}; after: {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
