"""Jobs: which there are, what they plan and did, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from shared import temporary
from shared.errors import RequestError
from shared.permissions import Operation, rights
from shared.values.changes import Outcome, OutcomeStatus
from shared.values.jobs import Job
from shared.values.plans import PlannedChange
from shared.values.records import Reject
from shared.values.stories import ChangeStory, RecordStory, WrittenRow
from shared.web.call import Answer
from shared.web.routes.forms import ChangesQuery, JobsQuery, PlanQuery, RejectsQuery, RowsQuery, StoryQuery, UndoForm
from shared.web.routes.starts import accepted, shown
from shared.web.routing import Call, Reply, Route
from shared.wiring.lookups import JobReport, NumberedReject
from shared.wiring.progress import JobProgress

LARGEST_BYTES = 50_000_000
"""Of a plan that is given as one file: an answer has to fit into the function's memory."""
NEXT = "For the next page; null on the last one."


class JobsPage(BaseModel):
    """Jobs, the newest first; those made at the same instant as the last come along, over the limit."""

    jobs: list[Job]
    before: datetime | None = Field(description=NEXT)


class ChangesPage(BaseModel):
    """Changes of a plan, in its order. `total`: how many the whole plan has."""

    changes: list[PlannedChange]
    total: int
    after: int | None = Field(description=NEXT)


class RowsPage(BaseModel):
    """Rows that a job wrote, in the order of its plan."""

    rows: list[WrittenRow]
    after: int | None = Field(description=NEXT)


class RejectsPage(BaseModel):
    """Rejects in their order."""

    rejects: list[NumberedReject]
    after: int | None = Field(description=NEXT)


class OutcomeView(BaseModel):
    """What became of one change."""

    status: OutcomeStatus
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    row_id: str | None = None
    link: str | None = None


class ChangeStoryView(BaseModel):
    """One change that a job planned for a record, and what became of it."""

    planned: PlannedChange
    outcome: OutcomeView


class StoryView(BaseModel):
    """What one job did to one record."""

    job: Job
    changes: list[ChangeStoryView]
    rejects: list[Reject]

    @classmethod
    def of(cls, story: RecordStory) -> Self:
        """As it is told."""
        changes = [
            ChangeStoryView(planned=one.planned, outcome=OutcomeView(**_without_change(one.outcome)))
            for one in story.changes
        ]
        return cls(job=story.job, changes=changes, rejects=list(story.rejects))

    def value(self) -> RecordStory:
        """As it was."""
        changes = tuple(
            ChangeStory(one.planned, Outcome(change=one.planned.change, **one.outcome.model_dump()))
            for one in self.changes
        )
        return RecordStory(self.job, changes, tuple(self.rejects))


def _without_change(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in outcome._asdict().items() if name in OutcomeView.model_fields}


class StoriesView(BaseModel):
    """What jobs did to one record, the newest first."""

    stories: list[StoryView]


FORMATS = {"csv": "text/csv", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}


def jobs(call: Call) -> JobsPage:
    """The jobs of the syncs that the caller may see."""
    query: JobsQuery = call.query
    found = visible(
        call,
        limit=query.limit,
        sync=query.sync,
        states=query.state,
        before=query.before,
        beginning=query.beginning,
    )
    return JobsPage(jobs=found, before=found[-1].created_at if len(found) >= query.limit else None)


def visible(call: Call, **which: Any) -> list[Job]:
    """Jobs of the syncs that the caller may see, as `Lookups.jobs` finds them."""

    def may(sync: str) -> bool:
        return call.gate.may(call.caller, Operation.SHOW_JOB, sync)

    everywhere = bool(rights(call.caller, None))  # then of syncs that are gone, too
    among = None if everywhere else [name for name in call.hosted.app.recent_names() if may(name)]
    return [shown(call, job) for job in call.hosted.lookups.jobs(may, among=among, **which)]


def job(call: Call) -> Job:
    """One job."""
    return shown(call, call.job)


def progress(call: Call) -> JobProgress:
    """How far the job is."""
    return call.hosted.lookups.standing(call.job)


def changes(call: Call) -> ChangesPage:
    """Changes of the job's plan."""
    query: ChangesQuery = call.query
    found = call.hosted.lookups.changes(
        call.job, limit=query.limit, after=query.after, actions=query.action, key=query.key
    )
    after = found[-1].change if len(found) == query.limit else None
    return ChangesPage(changes=found, total=sum(call.job.planned.values()), after=after)


def rows(call: Call) -> RowsPage:
    """The rows that the job wrote."""
    query: RowsQuery = call.query
    found = call.hosted.lookups.written(call.job, limit=query.limit, after=query.after, actions=query.action)
    return RowsPage(rows=found, after=found[-1].change if len(found) == query.limit else None)


def rejects(call: Call) -> RejectsPage:
    """The job's rejects."""
    query: RejectsQuery = call.query
    found = call.hosted.lookups.rejects(
        call.job, limit=query.limit, after=query.after, type_=query.type, column=query.column
    )
    return RejectsPage(rejects=found, after=found[-1].number if len(found) == query.limit else None)


def report(call: Call) -> JobReport:
    """The job with its sums and its rejects by kind."""
    return call.hosted.lookups.report(shown(call, call.job))


def job_story(call: Call) -> StoriesView:
    """What the job did to one record."""
    return _told(call, call.hosted.app.stories(call.query.key, job_id=call.job.id))


def sync_story(call: Call) -> StoriesView:
    """What the sync's last jobs did to one record."""
    query: StoryQuery = call.query
    return _told(call, call.hosted.app.stories(query.key, sync=call.sync, limit=query.limit))


def _told(call: Call, stories: list[RecordStory]) -> StoriesView:
    return StoriesView(stories=[StoryView.of(replace(story, job=shown(call, story.job))) for story in stories])


def plan(call: Call) -> Answer:
    """The whole plan as a file."""
    query: PlanQuery = call.query
    with temporary.folder("plan") as folder:
        path = folder / f"plan.{query.format}"
        call.hosted.app.export_plan(call.job.id, path)
        if path.stat().st_size > LARGEST_BYTES:
            raise RequestError(
                f"the plan is longer than {LARGEST_BYTES:,} bytes", status=413, remedy="read it page by page"
            )
        content = path.read_bytes()
    name = f'attachment; filename="{call.job.id}.{query.format}"'
    return Answer(200, content, FORMATS[query.format], {"Content-Disposition": name})


def apply(call: Call) -> Reply:
    """Let the plan be carried out."""
    return accepted(call, call.hosted.apply(call.job, by=call.caller.name))


def undo(call: Call) -> Reply:
    """Take the job's changes back, by a job of its own."""
    form: UndoForm = call.body.value
    return accepted(call, call.hosted.undo(call.job, by=call.caller.name, apply=not form.dry_run))


def cancel(call: Call) -> Job:
    """Stop the job."""
    return shown(call, call.hosted.app.cancel(call.job.id, by=call.caller.name))


_STATE = (409, 422, 503)

ROUTES = [
    Route(
        method="GET", path="/api/jobs", operation=Operation.LIST_JOBS, does=jobs, gives=JobsPage, query=JobsQuery,
        summary="Jobs of the syncs that the caller may see, the newest first.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}", operation=Operation.SHOW_JOB, does=job, gives=Job, summary="One job.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/progress", operation=Operation.SHOW_JOB, does=progress, gives=JobProgress,
        summary="How far the job is: what to ask for, every few seconds, to watch it.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/changes", operation=Operation.SEE_CHANGES, does=changes, gives=ChangesPage,
        query=ChangesQuery, summary="The changes that the job planned, old and new values.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/plan", operation=Operation.SEE_CHANGES, does=plan, gives=str,
        query=PlanQuery, media=tuple(FORMATS.values()), refuses=(413,), summary="The whole plan as a file.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/rows", operation=Operation.SEE_CHANGES, does=rows, gives=RowsPage,
        query=RowsQuery, summary="The rows that the job wrote, by their ids, as far as they landed.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/rejects", operation=Operation.SEE_REJECTS, does=rejects, gives=RejectsPage,
        query=RejectsQuery, summary="The records that the job set aside, with the reasons.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/report", operation=Operation.SEE_REPORT, does=report, gives=JobReport,
        summary="The job with its sums, and its rejects by kind.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/stories", operation=Operation.SEE_STORY, does=job_story, gives=StoriesView,
        query=StoryQuery, summary="What the job did to one record.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/stories", operation=Operation.SEE_STORY, does=sync_story,
        gives=StoriesView, query=StoryQuery, summary="What the sync's last jobs did to one record.",
    ),
    Route(
        method="POST", path="/api/jobs/{job}/apply", operation=Operation.APPLY, does=apply, gives=Job, status=202,
        refuses=_STATE, summary="Carry out the plan of a job that waits, or go on with one that was stopped.",
    ),
    Route(
        method="POST", path="/api/jobs/{job}/undo", operation=Operation.UNDO, does=undo, gives=Job, takes=UndoForm,
        status=202, refuses=_STATE, summary="Take a job's changes back, by a job of its own.",
    ),
    Route(
        method="POST", path="/api/jobs/{job}/cancel", operation=Operation.CANCEL, does=cancel, gives=Job,
        refuses=_STATE, summary="Stop a job; a running one stops within one batch.",
    ),
]  # fmt: skip
