"""When a job that is worked on slice by slice is given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.engine.slicing import advanced
from shared.errors import FailError
from shared.state import LocalState
from shared.values.jobs import Job, JobState, Slices, StepResult

JOB = Job(
    "job-1",
    "accounts",
    JobState.RUNNING,
    "nia",
    datetime(2025, 3, 1, tzinfo=UTC),
    planned={"create": 1},
    slices=Slices(),
)


def test_a_step_that_was_taken_is_progress(tmp_path: Path) -> None:
    """Slices that die during the steps after a job give it up only when two in a row took none."""
    state, job = LocalState(tmp_path), JOB
    for number in range(4):
        job = replace(job, slices=advanced(state, job, died=True))
        job = replace(job, steps=(*job.steps, StepResult(f"step-{number}", "http", True, 1, 0.1, "")))
    for _ in range(2):
        job = replace(job, slices=advanced(state, job, died=True))
    with pytest.raises(FailError, match=r"the last one died; .*; 4 of the steps after it are taken"):
        advanced(state, job, died=True)


def test_after_a_death_every_row_is_compared(tmp_path: Path) -> None:
    """From the next slice to the job's end: what a dead slice had read may have moved since."""
    state = LocalState(tmp_path)
    careful = []
    job = JOB
    for died in (False, True, False):
        job = replace(job, slices=replace(advanced(state, job, died=died), reached=f"{died}, {len(careful)}"))
        careful.append(job.slices is not None and job.slices.careful)
    assert careful == [False, True, True]
