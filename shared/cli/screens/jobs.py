"""The list of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from rich.console import Console

from shared.cli.screens.job import STYLES
from shared.cli.screens.paper import say
from shared.cli.texts import called, duration, instant, safe, shortened, state_words
from shared.values.jobs import Job
from shared.values.wording import what_it_did

_GAP = 2
_LEAST_OF_A_NAME = 12


def print_jobs(out: Console, jobs: Sequence[Job]) -> None:
    """Two lines per job: what it is, and what it did. The first one fits the width; an id is never shortened."""
    if not jobs:
        say(out, f"No job has run yet; `{called()} run SYNC` starts one.")
        return
    rows = _fitting(jobs, out.width)
    widths = _widths(rows)
    for job, row in zip(jobs, rows, strict=True):
        name, sync, state, *rest = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        style = STYLES.get(job.state, "bold")
        say(out, (name, "bold"), f"  {sync}  ", (state, style), f"  {'  '.join(rest)}".rstrip())
        say(out, (f"{' ' * len(name)}  {_did(job)}", "dim"))


def _fitting(jobs: Sequence[Job], width: int) -> list[list[str]]:
    """The columns of every job: the start goes first, which ids tell, then how long it took, then names' middles."""
    for texts in ((_second, _took), (_minute, _took), (_took,), ()):
        rows = [[job.id, job.sync, state_words(job.state.value), *(text(job) for text in texts)] for job in jobs]
        spare = width - sum(_widths(rows)) - _GAP * (len(rows[0]) - 1)
        if spare >= 0:
            return rows
    longest = max(_widths(rows)[1] + spare, _LEAST_OF_A_NAME)
    return [[name, shortened(sync, longest), state] for name, sync, state in rows]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, texts)) for texts in zip(*rows, strict=True)]


def _took(job: Job) -> str:
    return "" if job.finished_at is None else duration(job.worked_s)


def _second(job: Job) -> str:
    return instant(job.created_at)


def _minute(job: Job) -> str:
    return job.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _did(job: Job) -> str:
    did = what_it_did(job)
    if job.replays:
        return f"replay of {safe(job.replays)}: {did}"
    return f"undo of {job.undoes}: {did}" if job.undoes else did
