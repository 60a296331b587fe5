"""States, spans of time and counts as people read them, on the screen of a terminal and on a page."""

from __future__ import annotations

import re

from shared.values.jobs import Job


def state_words(state: str) -> str:
    """`AwaitingApproval` as `Awaiting approval`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[1].lower()}", state)


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 04 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def counted(number: int, noun: str) -> str:
    """`1 record`, `2,000 records`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def what_it_did(job: Job) -> str:
    """`1,200 read, 3 created, 1 rejected`: what is not nothing; of a job that is not done, so far, and its plan."""
    source, rows = job.source, job.destination
    counts = {
        "read": source.read,
        "created": source.created,
        "updated": source.updated,
        "removed": rows.deleted + rows.expired + rows.deactivated,
        "rejected": source.rejected,
        "conflict": source.conflict,
        "refused": rows.refused,
        "planned" if job.finished_at is None else "not attempted": source.not_attempted + rows.not_attempted,
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing read"
