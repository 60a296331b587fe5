"""The life of a job as data: which state leads to which, and what may be done in each. Drawn in docs/jobs.md."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import TransitionError
from shared.values.jobs import Job, JobState
from shared.values.wording import state_words

_Q, _R, _A = JobState.QUEUED, JobState.RUNNING, JobState.AWAITING_APPROVAL
_S, _E, _F = JobState.SUCCEEDED, JobState.COMPLETED_WITH_ERRORS, JobState.FAILED
_C, _O, _U = JobState.CANCELLED, JobState.SUPERSEDED, JobState.UNDONE

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    _Q: frozenset({_R, _F, _C, _O}),
    _R: frozenset({_A, _S, _E, _F, _C}),
    _A: frozenset({_R, _C, _O}),
    _S: frozenset({_U}),
    _E: frozenset({_U}),
    _F: frozenset({_R, _U}),
    _C: frozenset({_R, _U}),
    _O: frozenset({_U}),
    _U: frozenset(),
}
"""From every state to those that may follow it. A job may always be saved again in the state that it has."""

UNFINISHED = frozenset({_Q, _R, _A})
"""States of a job that is still to do something."""

APPLICABLE = frozenset({_R, _A, _F, _C})
"""States in which a job that has a plan may be applied."""

FINISHED = (_S, _E)
"""The states of a job that came to its end."""

CANCELLABLE = frozenset(state for state, following in TRANSITIONS.items() if _C in following)
"""States that `cancel` ends."""

_WAYS_ON: Mapping[JobState, str] = {
    _Q: "it waits for its turn: wait, or `cancel {id}`",
    _R: "wait until it ends, or `cancel {id}`",
    _A: "`apply {id}` carries its plan out, `cancel {id}` gives it up, a new `plan {sync}` takes its place",
    _S: "it is done; `plan {sync}` starts a new one",
    _E: "it is done; `rejects {id}` shows what was set aside, `plan {sync}` starts a new one",
    _F: "`apply {id}` goes on where it stopped, unless a later job has begun; `plan {sync}` starts a new one",
    _C: "`apply {id}` goes on where it stopped, unless a later job has begun; `plan {sync}` starts a new one",
    _O: "a newer plan has taken its place; `plan {sync}` starts a new one",
    _U: "it was undone; `plan {sync}` starts a new one",
}


def named(job: Job) -> str:
    """The job and the state it is in, as a clause; the state as the screens have it."""
    return f"job {job.id} is {state_words(job.state)}"


def way_on(job: Job) -> str:
    """What may be done with a job in its state, as a clause."""
    return _WAYS_ON[job.state].format(id=job.id, sync=job.sync)


def resumable(job: Job) -> bool:
    """Whether the job was stopped with a plan of which a part is still to be carried out."""
    stopped = job.state in (JobState.FAILED, JobState.CANCELLED)
    return stopped and bool(job.planned) and job.source.not_attempted + job.destination.not_attempted > 0


def refuse_transition(stored: Job, wanted: JobState) -> None:
    """Check the step from the stored job to a state.

    Raises:
        TransitionError: the stored state does not lead there; says what it is and what may be done.
    """
    if wanted is not stored.state and wanted not in TRANSITIONS[stored.state]:
        raise TransitionError(f"{named(stored)} and cannot become {state_words(wanted)}; {way_on(stored)}")


def refuse_cancel(job: Job) -> None:
    """Raises `TransitionError` for a job that has come to an end and so cannot be cancelled."""
    if job.state not in CANCELLABLE:
        raise TransitionError(f"{named(job)} and cannot be cancelled; {way_on(job)}")


def refuse_forget(job: Job) -> None:
    """Raises `TransitionError` for a job that is not finished: it is never removed."""
    if job.state in UNFINISHED:
        raise TransitionError(f"{named(job)} and is not removed; {way_on(job)}")
