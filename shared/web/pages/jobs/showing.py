"""One job: how it stands, what it means, what it did, and what may be done now."""

from __future__ import annotations

from itertools import groupby, islice

from shared.permissions import Operation
from shared.values.jobs import Job, JobState
from shared.values.life import UNFINISHED, resumable
from shared.web.call import Answer
from shared.web.pages.jobs import sums
from shared.web.pages.jobs.forms import UNDER_WAY
from shared.web.pages.jobs.life import MOST_COUNTED, Stand, Ways, meaning, ways
from shared.web.pages.rendering import page
from shared.web.routes.starts import shown
from shared.web.routing import Call, Route


def job(call: Call) -> Answer:
    """The job's page."""
    found, stand = call.job, stand_of(call)
    return page(
        call,
        "jobs/show.html",
        job=shown(call, found),
        stand=stand,
        meaning=meaning(found, stand),
        ways=ways_of(call, stand),
        progress=stand.progress,
        balances=sums.balances(found),
        planned=sums.planned(found),
        in_words=sums.in_words(found),
        left=sums.left(found),
        spans=sums.spans(found),
        revision=call.hosted.app.definitions.ran(found),
        aside=found.source.rejected + found.source.conflict + found.destination.refused,
    )


def stand_of(call: Call, *, counting: bool = True) -> Stand:
    """What is known of the job beside itself; asked only where its state makes it matter.

    `counting`: its open rejects are counted, which reads them.
    """
    found, lookups = call.job, call.hosted.lookups
    progress = lookups.standing(found)
    may_go_on = found.state is JobState.AWAITING_APPROVAL or resumable(found)
    over = found.state not in UNDER_WAY
    return Stand(
        wrote=lookups.wrote(found),
        ahead=progress.before,
        stopping=progress.stopping,
        outdated_by=lookups.outdated_by(found) if may_go_on else None,
        redefined=may_go_on and not call.hosted.app.keeps_its_definition(found),
        undone_by=lookups.undo_of(found) if over and found.undoes is None else None,
        open=_open(call, found) if over and counting else 0,
        progress=None if over else progress,
    )


def ways_of(call: Call, stand: Stand) -> Ways:
    """What the caller may do with the job."""
    return ways(call.job, stand, lambda operation: call.gate.may(call.caller, operation, call.job.sync))


def _open(call: Call, found: Job) -> int:
    """How many of its records are still open, as far as they are counted."""
    if found.state in UNFINISHED or not (found.source.rejected or found.source.conflict):
        return 0
    records = groupby(call.hosted.app.open_rejects(found.id), lambda case: case.reject.row)
    return sum(1 for _ in islice(records, MOST_COUNTED))


ROUTES = [
    Route(
        method="GET", path="/jobs/{job}", operation=Operation.SHOW_JOB, does=job, gives=str, page=True,
        summary="One job.",
    )
]  # fmt: skip
