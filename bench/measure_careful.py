"""Measures applying a plan that a person approved beside a plain run of the same changes; see bench/README.md.

Every request to the local Dataverse takes its time there, so it is waiting that is measured, not processors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import unittest.mock
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.measure_ceiling import FREE, line, serving
from bench.measure_chains import used
from shared.engine.applying import Applied, Applier
from shared.values.jobs import Job
from shared.values.life import FINISHED
from shared.wiring import LocalApp

SLOW = {"call_ms": 300.0, "row_ms": 1.0, "read_row_ms": 0.1, "dop_hint": 8}
"""Of the service: every request 300 ms, and 1 ms for each row that is written; eight requests at a time."""
MOST = 3.0
"""So many times as long as a plain run may the careful one take: it reads each row before, in requests of its own."""
SYNC = """
name: cities
source: {{ type: delimited, path: cities.csv, schema: [{{ name: code, type: text }}, {{ name: name, type: text }}] }}
destination:
  type: dynamics
  service_url: {root}api/data/v9.2/
  authority: {root}
  tenant_id: {{ secret: cities--tenant-id }}
  client_id: {{ secret: cities--client-id }}
  client_secret: {{ secret: cities--client-secret }}
  entity: new_city
  id_column: new_cityid
mappings: [{{ source: code, target: new_citycode }}, {{ source: name, target: new_name }}]
behaviour:
  strategy: full
  key: [new_citycode]
  dropped: delete
  brakes: {{ removals: null, updates: null, creates: null, rejects: null }}
"""


class Sync:
    """One sync of cities in a folder of its own."""

    def __init__(self, folder: Path, place: dict[str, Any]) -> None:
        (folder / "syncs").mkdir()
        (folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n")
        (folder / "syncs" / "cities.yaml").write_text(SYNC.format(root=place["authority"]))
        client, secret = place["users"][0]
        given = {"TENANT_ID": place["tenant"], "CLIENT_ID": client, "CLIENT_SECRET": secret}
        self._environ = {f"DYNSYNC_SECRET_CITIES__{name}": value for name, value in given.items()}
        self._folder = folder

    def start(self, rows: int, name: str, *, apply: bool) -> Job:
        """Read so many cities that are called so; carry the plan out, or leave it to a person."""
        lines = "".join(f"C{number:07},{name} {number}\n" for number in range(rows))
        (self._folder / "cities.csv").write_text("code,name\n" + lines)
        return self._app.start(
            "cities", variables={}, files={}, started_by="bench", progress=lambda _: None, apply=apply
        )

    def approve(self, job: Job) -> Job:
        """Carry a stored plan out."""
        return self._app.apply(job.id, started_by="bench", progress=lambda _: None)

    @property
    def _app(self) -> LocalApp:
        return LocalApp(state=self._folder / "state", syncs=self._folder / "syncs", environ=self._environ)


def timed(work: Callable[[], Job], changes: int) -> tuple[float, float]:
    """Wall and processor seconds of applying alone; a job that did something else ends the measurement."""
    spent: list[tuple[float, float]] = []
    apply = Applier.apply

    def watched(applier: Applier) -> Applied:
        began, cpu = time.monotonic(), used()
        applied = apply(applier)
        spent.append((time.monotonic() - began, used() - cpu))
        return applied

    with unittest.mock.patch.object(Applier, "apply", watched):
        job = work()
    if job.state not in FINISHED or job.source.updated + job.destination.deleted != changes or job.error:
        raise SystemExit(f"FAIL: {job.state}, {job.source.updated} updated, {job.destination.deleted} deleted")
    return spent[0]


def pair(sync: Sync, rows: int, number: int) -> tuple[float, float]:
    """Wall seconds of applying the same number of updates: a plain run, and a plan that was approved."""
    plain = timed(lambda: sync.start(rows, f"plain {number}", apply=True), rows)
    plan = sync.start(rows, f"careful {number}", apply=False)
    careful = timed(lambda: sync.approve(plan), rows)
    for name, (wall, cpu) in (("plain", plain), ("approved", careful)):
        print(f"  {rows:>7,} updates, {name:<9} {wall:6.2f} s, {cpu:5.2f} processor-s", flush=True)
    return plain[0], careful[0]


def measured(rows: int, pairs: int) -> bool:
    """One line of the table for so many rows."""
    with tempfile.TemporaryDirectory() as folder, serving(**FREE, **SLOW) as place:
        sync = Sync(Path(folder), place)
        sync.start(rows, "new", apply=True)
        ratios = sorted(later / plain for plain, later in (pair(sync, rows, number) for number in range(pairs)))
        deletes = timed(lambda: sync.approve(sync.start(0, "none", apply=False)), rows)
        print(f"  {rows:>7,} deletes, approved  {deletes[0]:6.2f} s, {deletes[1]:5.2f} processor-s", flush=True)
    middle = ratios[len(ratios) // 2]
    return line(f"{rows:,} updates: approved, times a plain run", f"{middle:.2f}", f"at most {MOST:g}", middle <= MOST)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench careful", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args(arguments)
    print(f"of the service: {json.dumps(SLOW)}")
    began = time.perf_counter()
    good = [measured(rows, chosen.pairs) for rows in chosen.rows]
    print(f"measured in {time.perf_counter() - began:.0f} s")
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
