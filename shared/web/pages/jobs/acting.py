"""What is done with a job: its plan applied after a second look, the job cancelled, its changes taken back."""

from __future__ import annotations

from shared.permissions import Operation
from shared.values.changes import Action
from shared.values.jobs import JobState
from shared.values.life import UNFINISHED, resumable
from shared.web.call import Answer
from shared.web.pages.jobs import sums
from shared.web.pages.jobs.forms import ApplyForm, CancelForm, UndoForm
from shared.web.pages.jobs.life import looks_first, meaning
from shared.web.pages.jobs.showing import stand_of, ways_of
from shared.web.pages.rendering import page, see
from shared.web.routes import jobs as api
from shared.web.routing import Call, Route


def confirm(call: Call) -> Answer:
    """What applying the plan will do, before it does; or that nothing waits to be applied."""
    found, stand = call.job, stand_of(call)
    return page(
        call,
        "jobs/apply.html",
        job=found,
        stand=stand,
        meaning=meaning(found, stand),
        planned=sums.planned(found),
        in_words=sums.in_words(found),
        deletes=found.planned.get(Action.DELETE.value, 0),
        left=sums.left(found),
        goes_on=resumable(found) or stand.wrote,
        waits=ways_of(call, stand).apply,
    )


def apply(call: Call) -> Answer:
    """Let the plan be carried out; where it deletes or a brake holds it, only from the page that says so."""
    form: ApplyForm = call.body.value
    if looks_first(call.job) and not form.confirmed:
        return see(f"/jobs/{call.job.id}/apply")
    api.apply(call)
    return see(f"/jobs/{call.job.id}", said="applied")


def cancel(call: Call) -> Answer:
    """Stop the job: one that waits at once; one that runs is asked to."""
    stopped = api.cancel(call).state is JobState.CANCELLED
    return see(f"/jobs/{call.job.id}", said=None if stopped else "cancelled")


def undo(call: Call) -> Answer:
    """Plan what takes the job's changes back: a job of its own, which waits for its approval; one at a time."""
    before = call.hosted.lookups.undo_of(call.job)
    if before is not None and before.state in UNFINISHED:
        return see(f"/jobs/{before.id}")
    planned = call.hosted.undo(call.job, by=call.caller.name, apply=False)
    return see(f"/jobs/{planned.id}", said="undone")


ROUTES = [
    Route(
        method="GET", path="/jobs/{job}/apply", operation=Operation.APPLY, does=confirm, gives=str, page=True,
        summary="What applying a plan will do.",
    ),
    Route(
        method="POST", path="/jobs/{job}/apply", operation=Operation.APPLY, does=apply, gives=str, takes=ApplyForm,
        page=True, summary="Carry the plan out.",
    ),
    Route(
        method="POST", path="/jobs/{job}/cancel", operation=Operation.CANCEL, does=cancel, gives=str, takes=CancelForm,
        page=True, summary="Stop the job.",
    ),
    Route(
        method="POST", path="/jobs/{job}/undo", operation=Operation.UNDO, does=undo, gives=str, takes=UndoForm,
        page=True, summary="Plan what takes the job's changes back.",
    ),
]  # fmt: skip
