"""The list of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from shared.cli.screens.job import STYLES, seconds_worked
from shared.cli.screens.paper import say
from shared.cli.texts import called, duration, instant, safe, state_words
from shared.values.jobs import Job


def print_jobs(out: Console, jobs: Sequence[Job]) -> None:
    """Two lines per job: what it is, and what it did."""
    if not jobs:
        say(out, f"No job has run yet; `{called()} run SYNC` starts one.")
    widths = [max((len(text) for text in texts), default=0) for texts in zip(*map(_words, jobs), strict=True)]
    for job in jobs:
        name, sync, state, *rest = (text.ljust(width) for text, width in zip(_words(job), widths, strict=True))
        style = STYLES.get(job.state, "bold")
        say(out, (name, "bold"), f"  {sync}  ", (state, style), f"  {'  '.join(rest).rstrip()}")
        say(out, (f"{' ' * len(name)}  {_did(job)}", "dim"))


def _words(job: Job) -> list[str]:
    took = "" if job.finished_at is None else duration(seconds_worked(job))
    return [job.id, job.sync, state_words(job.state.value), instant(job.created_at), took]


def _did(job: Job) -> str:
    source, rows = job.source, job.destination
    counts = {
        "read": source.read,
        "created": source.created,
        "updated": source.updated,
        "removed": rows.deleted + rows.expired + rows.deactivated,
        "rejected": source.rejected,
        "conflict": source.conflict,
        "refused": rows.refused,
        "not attempted": source.not_attempted + rows.not_attempted,
    }
    did = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing read"
    if job.replays:
        return f"replay of {safe(job.replays)}: {did}"
    return f"undo of {job.undoes}: {did}" if job.undoes else did
