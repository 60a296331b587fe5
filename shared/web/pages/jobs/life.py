"""What a job's state means for a person, and what they may do now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.permissions import Operation
from shared.values.changes import Action
from shared.values.jobs import Job, JobState
from shared.values.life import CANCELLABLE, TRANSITIONS, resumable
from shared.values.wording import counted
from shared.web.pages.jobs.sums import in_words, left
from shared.wiring.progress import JobProgress

MOST_COUNTED = 10_000
"""Open rejects that are counted for a job's page; of more it says so."""


@dataclass(frozen=True, slots=True)
class Stand:
    """What is known of a job beside itself.

    `wrote`: some of its changes were sent. `ahead`: jobs of its sync that come before it. `stopping`: it was asked to
    stop. `outdated_by`: a later job of its sync that began. `redefined`: its plan is of another definition than the
    sync's. `undone_by`: the job that took it back, or was to. `open`: its rejects of which nothing has become since.
    `progress`: how far it is, while it is queued or running.
    """

    wrote: bool = False
    ahead: int = 0
    stopping: bool = False
    outdated_by: str | None = None
    redefined: bool = False
    undone_by: Job | None = None
    open: int = 0
    progress: JobProgress | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """A sentence that says what the state means, and one that says what to do now."""

    means: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Ways:
    """What the caller may do with the job as it stands. `look_first`: applying it has a page of its own before."""

    apply: bool = False
    cancel: bool = False
    undo: bool = False
    replay: bool = False
    look_first: bool = False


def ways(job: Job, stand: Stand, may: Callable[[Operation], bool]) -> Ways:
    """By right and state."""
    waits = job.state is JobState.AWAITING_APPROVAL or resumable(job)
    undoable = JobState.UNDONE in TRANSITIONS[job.state] and job.undoes is None and stand.wrote
    return Ways(
        apply=waits and stand.outdated_by is None and not stand.redefined and may(Operation.APPLY),
        cancel=job.state in CANCELLABLE and not stand.stopping and may(Operation.CANCEL),
        undo=undoable and may(Operation.UNDO),
        replay=stand.open > 0 and may(Operation.REPLAY),
        look_first=looks_first(job),
    )


def looks_first(job: Job) -> bool:
    """Whether a person confirms on a page of its own: rows go for good, or a brake holds the plan."""
    return bool(job.brakes) or job.planned.get(Action.DELETE.value, 0) > 0


def meaning(job: Job, stand: Stand) -> Meaning:
    """Of the state, for this job."""
    return _MEANINGS[job.state](job, stand)


def _queued(_: Job, stand: Stand) -> Meaning:
    if stand.stopping:
        return Meaning("It waits for its turn, and was asked to stop.", "It is cancelled as soon as its turn has come.")
    if stand.ahead:
        verb = "comes" if stand.ahead == 1 else "come"
        return Meaning(f"It waits for its turn: {counted(stand.ahead, 'job')} of this sync {verb} before it.")
    return Meaning("It waits for its turn, and begins within a minute.")


def _running(job: Job, stand: Stand) -> Meaning:
    if stand.stopping:
        return Meaning("It was asked to stop, and does so within one batch.", "What is written by then stays written.")
    if job.planned:
        return Meaning("It carries its plan out.")
    return Meaning("It reads, compares and plans. Nothing is written yet.")


def _waiting(job: Job, stand: Stand) -> Meaning:
    if stand.outdated_by:
        return Meaning(
            "Its plan waits, but a later job of the sync has begun since: it is out of date.",
            "Make a new plan of the sync; cancel this one to clear it away.",
        )
    if stand.redefined:
        return Meaning(
            "Its plan waits, but the definition was changed since: it cannot be applied any more.",
            "Make a new plan of the sync; cancel this one to clear it away.",
        )
    held = "a brake holds it" if len(job.brakes) == 1 else f"{len(job.brakes)} brakes hold it"
    if job.brakes and stand.wrote:
        return Meaning(
            f"It was stopped in its course: {held}. What was written until then stays written.",
            "See what was refused, then let it go on, or cancel it.",
        )
    if job.brakes:
        return Meaning(
            f"The plan is made, and {held}. Nothing is written.",
            "Look at the changes: if they are meant, apply the plan. If not, cancel it and look at the source.",
        )
    return Meaning(
        "The plan is made and waits for a person. Nothing is written.",
        "Look at the changes, then apply exactly this plan, or cancel it.",
    )


def _succeeded(job: Job, stand: Stand) -> Meaning:
    if not job.planned:
        return Meaning("Nothing differed, so nothing was written.")
    return Meaning("Everything was carried out.")


def _with_errors(job: Job, stand: Stand) -> Meaning:
    aside, refused = job.source.rejected + job.source.conflict, job.destination.refused
    failed = sum(not step.succeeded for step in job.steps)
    if job.undoes:
        said = [f"{_were(aside + refused, 'change')} not taken back"] * bool(aside + refused)
    else:
        said = [f"{_were(aside, 'record')} set aside"] * bool(aside)
        said += [f"{_were(refused, 'removal')} refused"] * bool(refused)
    said += [f"{counted(failed, 'step')} after it failed"] * bool(failed)
    means = f"It came to its end; {' and '.join(said)}." if said else "It came to its end, with problems to look at."
    return Meaning(means, _of_what_is_open(job, stand) if aside or refused else "")


def _of_what_is_open(job: Job, stand: Stand) -> str:
    if job.undoes or not (job.source.rejected or job.source.conflict):
        return "The rejects tell which rows were left as they are, and why."
    if not stand.open:
        return "All that was set aside has been read again since."
    many = "At least " if stand.open >= MOST_COUNTED else ""
    verb = "is" if stand.open == 1 else "are"
    return f"{many}{counted(stand.open, 'record')} {verb} still open: look at the causes, mend them, then replay."


def _were(number: int, noun: str) -> str:
    return f"{counted(number, noun)} {'was' if number == 1 else 'were'}"


def _failed(job: Job, stand: Stand) -> Meaning:
    if resumable(job):
        return _stopped("An error ended it", job, stand)
    means = "An error ended it" + ("." if stand.wrote else " before anything was written.")
    return Meaning(means, "Mend the cause, then start the sync again.")


def _cancelled(job: Job, stand: Stand) -> Meaning:
    if resumable(job):
        return _stopped("It was cancelled", job, stand)
    return Meaning("It was cancelled" + ("." if stand.wrote else " before anything was written."))


def _stopped(how: str, job: Job, stand: Stand) -> Meaning:
    """A job with a plan of which a part is still to be carried out."""
    total = sum(job.planned.values())
    means = f"{how}; {left(job):,} of {in_words(job) if total == left(job) else counted(total, 'change')} are left."
    if not stand.wrote:
        means = f"{how}; nothing of its plan was written."
    if stand.outdated_by:
        return Meaning(means, "A later job of the sync has begun since, so it cannot go on.")
    if stand.redefined:
        return Meaning(means, "The definition was changed since, so it cannot go on: make a new plan of the sync.")
    return Meaning(
        means, "It can go on where it stopped: nothing is lost or doubled. Each row is looked at again first."
    )


def _superseded(_: Job, stand: Stand) -> Meaning:
    means = "A newer plan of the sync has taken its place."
    return Meaning(means if stand.wrote else f"{means} Nothing of it was written.")


def _undone(_: Job, stand: Stand) -> Meaning:
    return Meaning("Its changes were taken back by a later job.")


_MEANINGS: dict[JobState, Callable[[Job, Stand], Meaning]] = {
    JobState.QUEUED: _queued,
    JobState.RUNNING: _running,
    JobState.AWAITING_APPROVAL: _waiting,
    JobState.SUCCEEDED: _succeeded,
    JobState.COMPLETED_WITH_ERRORS: _with_errors,
    JobState.FAILED: _failed,
    JobState.CANCELLED: _cancelled,
    JobState.SUPERSEDED: _superseded,
    JobState.UNDONE: _undone,
}
