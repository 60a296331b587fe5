"""What was set aside, by cause and one by one, and the way to run it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shared.permissions import Operation
from shared.values.cases import Case, Choice
from shared.values.causes import Cause, Tally, by_cause, pattern
from shared.values.jobs import Job
from shared.values.records import Reject
from shared.web.call import Answer
from shared.web.pages.jobs.forms import AT_ONCE, RejectsQuery, ReplayForm
from shared.web.pages.jobs.values import Shown, shown
from shared.web.pages.rendering import page, see
from shared.web.routing import Call, Route

_Name = tuple[str, str | None, str, bool]


@dataclass(frozen=True, slots=True)
class ShownCause:
    """Rejects that say the same, with examples. `name`: how replay is told of them; `open`: how many still are."""

    cause: Cause
    name: str
    open: int
    found: tuple[Shown, ...]
    keys: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ShownReject:
    """One reject. `open`: nothing has become of its record since; `kept`: it can be run again as it was read."""

    reject: Reject
    job: str
    open: bool
    kept: bool
    key: Shown
    found: Shown
    source: tuple[tuple[str, Shown], ...]


def of_job(call: Call) -> Answer:
    """All that the job set aside, and what is still open of it."""
    open_cases = list(call.hosted.app.open_rejects(call.job.id))
    rejects = (reject for reject in call.hosted.app.rejects(call.job.id))
    return _page(call, call.job.sync, call.job, rejects, open_cases)


def of_sync(call: Call) -> Answer:
    """All that is open of the sync."""
    open_cases = list(call.hosted.app.open_rejects(call.sync))
    return _page(call, call.sync, None, (case.reject for case in open_cases), open_cases)


def _page(call: Call, sync: str, job: Job | None, rejects: Iterator[Reject], open_cases: list[Case]) -> Answer:
    query: RejectsQuery = call.query
    tally = Tally()
    replayable = any(case.kept for case in open_cases)
    shared: dict[str, Any] = {
        "sync": sync,
        "job": job,
        "query": query,
        "here": f"/jobs/{job.id}" if job is not None else f"/syncs/{sync}",
        "open": len({(case.job, case.reject.row) for case in open_cases}),
        "replayable": replayable and call.gate.may(call.caller, Operation.REPLAY, sync),
    }
    if query.cause is None and query.key is None:
        causes = _causes(tally.counting(rejects), open_cases)
        return page(call, "jobs/causes.html", causes=causes, words=tally.words(), **shared)
    found = list(islice(_each(rejects, open_cases, query, job), query.after, query.after + AT_ONCE))
    after = query.after + AT_ONCE if len(found) == AT_ONCE else None
    return page(call, "jobs/rejects.html", rejects=found, after=after, **shared)


def _causes(rejects: Iterator[Reject], open_cases: list[Case]) -> list[ShownCause]:
    still = {_name(cause): cause.count for cause in by_cause(case.reject for case in open_cases)}
    return [
        ShownCause(
            cause,
            f"{cause.type}/{cause.column}" if cause.column else cause.type,
            still.get(_name(cause), 0),
            tuple(map(shown, cause.found)),
            tuple(map(shown, cause.keys)),
        )
        for cause in by_cause(rejects)
    ]


def _name(cause: Cause) -> _Name:
    return cause.type, cause.column, pattern(cause.reason), cause.rejecting


def _each(
    rejects: Iterator[Reject], open_cases: list[Case], query: RejectsQuery, job: Job | None
) -> Iterator[ShownReject]:
    """The rejects that are meant, one by one."""
    choice = Choice(cause=query.cause, keys=() if query.key is None else (query.key,))
    if job is None:
        return (_shown(case.reject, case.job, case) for case in open_cases if choice.fits(case))
    still = {_place(case.reject): case for case in open_cases}
    return (
        _shown(reject, job.id, still.get(_place(reject)))
        for reject in rejects
        if choice.fits(Case(job.id, reject, kept=False))
    )


def _place(reject: Reject) -> tuple[int | None, str | None, str, str | None, str]:
    return reject.row, reject.key, reject.type.value, reject.column, reject.reason


def _shown(reject: Reject, job: str, case: Case | None) -> ShownReject:
    return ShownReject(
        reject,
        job,
        case is not None,
        case is not None and case.kept,
        shown(reject.key),
        shown(reject.found),
        tuple(_source(reject.source)),
    )


def _source(told: str | None) -> Iterator[tuple[str, Shown]]:
    """The record as the source told it, cell by cell; a line that could not be split as it is."""
    if told is None:
        return
    try:
        cells = json.loads(told)
    except ValueError:
        cells = None
    if not isinstance(cells, dict):
        yield "", shown(told)
        return
    for name, value in cells.items():
        yield name, shown(value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def replay_of_job(call: Call) -> Answer:
    """Run open rejects of the job again, or plan that."""
    return _replayed(call, call.job.id)


def replay_of_sync(call: Call) -> Answer:
    """Run open rejects of the sync again, or plan that."""
    return _replayed(call, call.sync)


def _replayed(call: Call, target: str) -> Answer:
    form: ReplayForm = call.body.value
    choice = Choice(cause=form.cause, keys=form.chosen)
    job = call.hosted.replay(target, choice, by=call.caller.name, apply=form.then == "run")
    return see(f"/jobs/{job.id}", said="replayed")


ROUTES = [
    Route(
        method="GET", path="/jobs/{job}/rejects", operation=Operation.SEE_REJECTS, does=of_job, gives=str, page=True,
        query=RejectsQuery, summary="What the job set aside.",
    ),
    Route(
        method="GET", path="/syncs/{sync}/rejects", operation=Operation.SEE_REJECTS, does=of_sync, gives=str, page=True,
        query=RejectsQuery, summary="What is open of the sync.",
    ),
    Route(
        method="POST", path="/jobs/{job}/replay", operation=Operation.REPLAY, does=replay_of_job, gives=str, page=True,
        takes=ReplayForm, summary="Run open rejects of the job again.",
    ),
    Route(
        method="POST", path="/syncs/{sync}/replay", operation=Operation.REPLAY, does=replay_of_sync, gives=str,
        page=True, takes=ReplayForm, summary="Run open rejects of the sync again.",
    ),
]  # fmt: skip
