"""The list of jobs, of all syncs that the caller may see or of one."""

from __future__ import annotations

from shared.permissions import Operation
from shared.values.jobs import JobState
from shared.web.call import Answer
from shared.web.pages.jobs.forms import AT_ONCE, JobsQuery
from shared.web.pages.rendering import page
from shared.web.routes.jobs import visible
from shared.web.routing import Call, Route


def jobs(call: Call) -> Answer:
    """The newest first, page by page."""
    query: JobsQuery = call.query
    found = visible(call, limit=AT_ONCE, sync=query.sync, states=query.states, before=query.before)
    names = [name for name in call.hosted.app.recent_names() if call.gate.may(call.caller, Operation.SHOW_SYNC, name)]
    return page(
        call,
        "jobs/list.html",
        jobs=found,
        names=names if query.sync in (None, *names) else [*names, query.sync],
        states=list(JobState),
        query=query,
        before=found[-1].created_at if len(found) >= AT_ONCE else None,
    )


ROUTES = [
    Route(
        method="GET", path="/jobs", operation=Operation.LIST_JOBS, does=jobs, gives=str, query=JobsQuery, page=True,
        summary="The jobs that the caller may see.",
    )
]  # fmt: skip
