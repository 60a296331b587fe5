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
