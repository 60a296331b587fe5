from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.errors import TransitionError
from shared.values.jobs import Job, JobState
from shared.values.life import (
    APPLICABLE,
    CANCELLABLE,
    FINISHED,
    TRANSITIONS,
    UNFINISHED,
    refuse_cancel,
    refuse_forget,
    refuse_transition,
    way_on,
)

JOBS_PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"


def job(state: JobState) -> Job:
    return Job("job-1", "accounts", state, "nia", datetime(2025, 3, 1, tzinfo=UTC))


def test_the_documents_tell_the_transitions_and_none_else() -> None:
    """The table of docs/jobs.md is the one of the code."""
    rows = re.findall(r"^\| ([A-Z][A-Za-z, ]+) \| ([A-Z][A-Za-z, ]+) \|", JOBS_PAGE.read_text("utf-8"), re.MULTILINE)
    told = {(JobState(a), JobState(b)) for left, right in rows for a in left.split(", ") for b in right.split(", ")}
    assert told == {(one, other) for one, following in TRANSITIONS.items() for other in following}


def test_every_state_is_in_the_picture() -> None:
    """The drawing names each state."""
    picture = JOBS_PAGE.read_text("utf-8").split("```")[1]
    assert [state for state in JobState if state.value not in picture] == []


def test_the_groups_of_states_fit_the_transitions() -> None:
    """What can be applied leads to Running; what is finished leads nowhere but back."""
    assert all(state is JobState.RUNNING or JobState.RUNNING in TRANSITIONS[state] for state in APPLICABLE)
    assert {JobState.QUEUED, JobState.RUNNING, JobState.AWAITING_APPROVAL} == UNFINISHED == CANCELLABLE
    assert all(TRANSITIONS[state] == {JobState.UNDONE} for state in FINISHED)
    assert set(TRANSITIONS) == set(JobState)


def test_a_refused_step_says_what_it_is_and_what_may_be_done() -> None:
    """The state found, the one asked for, and the way on."""
    with pytest.raises(TransitionError, match=r"job-1 is Superseded and cannot become Running; .*`plan accounts`"):
        refuse_transition(job(JobState.SUPERSEDED), JobState.RUNNING)
    with pytest.raises(TransitionError, match=r"is Completed with errors and cannot become Awaiting approval; "):
        refuse_transition(job(JobState.COMPLETED_WITH_ERRORS), JobState.AWAITING_APPROVAL)
    with pytest.raises(TransitionError, match=r"is Succeeded and cannot be cancelled; it is done"):
        refuse_cancel(job(JobState.SUCCEEDED))
    with pytest.raises(TransitionError, match=r"is Running and is not removed; wait"):
        refuse_forget(job(JobState.RUNNING))
    assert all("{" not in way_on(job(state)) for state in JobState)
