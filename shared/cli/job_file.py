"""Jobs as a CSV file for a spreadsheet: one line per job, everything that is kept of it but its plan and rejects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from shared.cli.reject_file import write_csv
from shared.values.changes import Action
from shared.values.jobs import SOURCE_BUCKETS, DestinationBalance, Job, Phase

_PLAIN = (
    "id", "sync", "state", "started_by", "applied_by", "created_at", "finished_at", "definition_version",
    "definition_hash", "skipped_cells", "error", "undoes", "replays", "open_rejects",
)  # fmt: skip
_SOURCE = ("read", *SOURCE_BUCKETS)
_DESTINATION = tuple(field.name for field in fields(DestinationBalance))
_REQUESTS = ("requests", "throttled", "retries", "throttled_s")


def write_jobs(path: Path, jobs: Sequence[Job]) -> int:
    """Write them all; the file appears when it is complete. Returns how many. Raises `NotAllowedError`."""
    return write_csv(path, list(_row(jobs[0])) if jobs else list(_PLAIN), (list(_row(job).values()) for job in jobs))


def _row(job: Job) -> dict[str, object]:
    """The columns of one job; the same for every job."""
    plain = {name: getattr(job, name) for name in _PLAIN}
    times = {name: plain[name].isoformat() for name in ("created_at", "finished_at") if plain[name] is not None}
    return {
        **plain,
        **times,
        "variables": json.dumps(dict(job.variables), ensure_ascii=False),
        **{f"planned_{action.value}": job.planned.get(action.value, 0) for action in Action},
        **{f"source_{name}": getattr(job.source, name) for name in _SOURCE},
        **{f"destination_{name}": getattr(job.destination, name) for name in _DESTINATION},
        **{f"seconds_{phase.value.replace(' ', '_')}": job.timings_s.get(phase.value, "") for phase in Phase},
        **{name: job.requests.get(name, 0) for name in _REQUESTS},
        "brakes": "; ".join(brake.name for brake in job.brakes),
        "notes": " ".join(job.notes),
        "steps": "; ".join(f"{step.name}: {'done' if step.succeeded else 'failed'}" for step in job.steps),
    }
