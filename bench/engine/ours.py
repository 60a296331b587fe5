"""One measured run of the product, in a process of its own. Usage: `python -m bench.engine.ours STATE SYNCS RESULT`.

Definition, client, engine, state and plan are the product's own; nothing is replaced. Only notes are taken: the memory
when each phase began.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()

from shared.values.jobs import Progress  # noqa: E402 - the clock starts before the imports
from shared.wiring import LocalApp  # noqa: E402


def memory_mb(name: str) -> int:
    """A line of this process's own status: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))


def main(state: Path, syncs: Path, result: Path) -> None:
    """Run the sync and write what was seen."""
    began: dict[str, dict[str, float]] = {}

    def note(progress: Progress) -> None:
        if progress.phase.value not in began:
            at = round(time.perf_counter() - STARTED, 3)
            began[progress.phase.value] = {"at_s": at, "rss_mb": memory_mb("VmRSS"), "peak_mb": memory_mb("VmHWM")}

    app = LocalApp(state=state, syncs=syncs, environ=os.environ)
    job = app.start("bench-accounts", variables={}, files={}, started_by="bench", progress=note, apply=True)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seen = {
        "state": job.state.value,
        "error": job.error,
        "read": job.source.read,
        "planned": dict(job.planned),
        "created": job.source.created,
        "updated": job.source.updated,
        "rejected": job.source.rejected,
        "closes": job.source.closes and job.destination.closes,
        "phases_s": dict(job.timings_s),
        "began": began,
        "inside_s": round(time.perf_counter() - STARTED, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": memory_mb("VmHWM"),
        "kept_mb": round(sum(path.stat().st_size for path in state.rglob("*") if path.is_file()) / 2**20, 1),
    }
    result.write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
