"""One record: what every job that is kept did to it."""

from __future__ import annotations

from dataclasses import dataclass

from shared.permissions import Operation
from shared.values.jobs import Job
from shared.values.records import Reject
from shared.values.stories import RecordStory
from shared.web.call import Answer
from shared.web.pages.jobs.changes import ShownChange, shown_change
from shared.web.pages.jobs.forms import RecordQuery
from shared.web.pages.rendering import page
from shared.web.routing import Call, Route

MOST_JOBS = 50


@dataclass(frozen=True, slots=True)
class ShownStory:
    """What one job did to the record: its changes, each with what became of it, and why it was set aside."""

    job: Job
    changes: tuple[ShownChange, ...]
    rejects: tuple[Reject, ...]


def record(call: Call) -> Answer:
    """The stories of a key, the newest job first; without a key, the question for one."""
    query: RecordQuery = call.query
    told = [] if query.key is None else call.hosted.app.stories(query.key, sync=call.sync, limit=MOST_JOBS)
    return page(
        call, "jobs/record.html", sync=call.sync, key=query.key, stories=list(map(_shown, told)), most=MOST_JOBS
    )


def _shown(story: RecordStory) -> ShownStory:
    changes = tuple(shown_change(one.planned, one.outcome) for one in story.changes)
    return ShownStory(story.job, changes, story.rejects)


ROUTES = [
    Route(
        method="GET", path="/syncs/{sync}/records", operation=Operation.SEE_STORY, does=record, gives=str, page=True,
        query=RecordQuery, summary="What became of one record.",
    )
]  # fmt: skip
