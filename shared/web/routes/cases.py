"""Open rejects, and running them again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from pydantic import BaseModel, Field

from shared import temporary
from shared.csv_file import write_rejects
from shared.errors import RequestError
from shared.permissions import Operation
from shared.values.cases import Case, Choice
from shared.values.jobs import Job
from shared.values.records import Reject
from shared.web.call import Answer
from shared.web.routes.forms import OpenQuery, ReplayForm
from shared.web.routes.starts import accepted
from shared.web.routing import Call, Reply, Route

LARGEST_BYTES = 50_000_000
"""Of a list that is given as one file: an answer has to fit into the function's memory."""


class CasesPage(BaseModel):
    """Open rejects in their order."""

    cases: list[Case]
    after: int | None = Field(description="For the next page; null on the last one.")


def open_of_sync(call: Call) -> CasesPage:
    """The open rejects of a sync."""
    return _page(call, call.sync)


def open_of_job(call: Call) -> CasesPage:
    """The open rejects that a job set aside."""
    return _page(call, call.job.id)


def _page(call: Call, target: str) -> CasesPage:
    query: OpenQuery = call.query
    choice = Choice(cause=query.cause, keys=() if query.key is None else (query.key,))
    found = list(islice(call.hosted.app.open_rejects(target, choice), query.after, query.after + query.limit))
    return CasesPage(cases=found, after=query.after + query.limit if len(found) == query.limit else None)


def file_of_job(call: Call) -> Answer:
    """All that the job set aside, as a file."""
    return _file(call.hosted.app.rejects(call.job.id), f"{call.job.id}-rejects.csv")


def file_of_sync(call: Call) -> Answer:
    """All that is open of the sync, as a file."""
    return _file((case.reject for case in call.hosted.app.open_rejects(call.sync)), f"{call.sync}-open-rejects.csv")


def _file(found: Iterable[Reject], name: str) -> Answer:
    with temporary.folder("rejects") as folder:
        path = folder / "rejects.csv"
        write_rejects(path, found)
        if path.stat().st_size > LARGEST_BYTES:
            raise RequestError(
                f"the list is longer than {LARGEST_BYTES:,} bytes", status=413, remedy="read it page by page"
            )
        content = path.read_bytes()
    return Answer(200, content, "text/csv", {"Content-Disposition": f'attachment; filename="{name}"'})


def replay_of_sync(call: Call) -> Reply:
    """Run a sync's open rejects again."""
    return _replayed(call, call.sync)


def replay_of_job(call: Call) -> Reply:
    """Run a job's open rejects again."""
    return _replayed(call, call.job.id)


def _replayed(call: Call, target: str) -> Reply:
    form: ReplayForm = call.body.value
    choice = Choice(cause=form.cause, keys=form.keys)
    return accepted(call, call.hosted.replay(target, choice, by=call.caller.name, apply=not form.dry_run))


_REFUSES = (409, 503)

ROUTES = [
    Route(
        method="GET", path="/api/syncs/{sync}/rejects", operation=Operation.SEE_REJECTS, does=open_of_sync,
        gives=CasesPage, query=OpenQuery, summary="The rejects of a sync that are still open.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/rejects/open", operation=Operation.SEE_REJECTS, does=open_of_job,
        gives=CasesPage, query=OpenQuery, summary="The rejects of a job that are still open.",
    ),
    Route(
        method="GET", path="/api/jobs/{job}/rejects/file", operation=Operation.SEE_REJECTS, does=file_of_job, gives=str,
        media=("text/csv",), refuses=(413,), summary="All records that the job set aside, as a file for a spreadsheet.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/rejects/file", operation=Operation.SEE_REJECTS, does=file_of_sync,
        gives=str, media=("text/csv",), refuses=(413,), summary="The open rejects of a sync, as a file.",
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/replay", operation=Operation.REPLAY, does=replay_of_sync, gives=Job,
        takes=ReplayForm, status=202, refuses=_REFUSES, summary="Run open rejects of a sync again.",
    ),
    Route(
        method="POST", path="/api/jobs/{job}/replay", operation=Operation.REPLAY, does=replay_of_job, gives=Job,
        takes=ReplayForm, status=202, refuses=_REFUSES, summary="Run open rejects of a job again.",
    ),
]  # fmt: skip
