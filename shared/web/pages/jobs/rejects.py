"""What was set aside, by cause and one by one, and the way to run it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from shared.permissions import Operation
from shared.values.cases import ANY, Case, Choice
from shared.values.causes import Cause, Tally, by_cause, pattern
from shared.values.jobs import Job
from shared.values.records import Reject
from shared.web.call import Answer
from shared.web.pages.jobs.forms import AT_ONCE, RejectsQuery, ReplayForm
from shared.web.pages.jobs.values import Shown, shown, value_text
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


@dataclass(frozen=True, slots=True)
class Aside:
    """What was set aside by a job, or is open of a sync. There may be a million, so each look is a pass of its own."""

    call: Call
    sync: str
    job: Job | None = None

    @property
    def target(self) -> str:
        """As replay is told of it."""
        return self.sync if self.job is None else self.job.id

    @property
    def path(self) -> str:
        """Of the sync's page, or the job's."""
        return f"/syncs/{self.sync}" if self.job is None else f"/jobs/{self.job.id}"

    def open(self, choice: Choice = ANY) -> Iterator[Case]:
        """What is still open, record by record."""
        return self.call.hosted.app.open_rejects(self.target, choice)

    def all(self) -> Iterator[Reject]:
        """All rejects: of a sync, those that are open."""
        if self.job is None:
            return (case.reject for case in self.open())
        return self.call.hosted.app.rejects(self.job.id)

    @property
    def settled(self) -> bool:
        """Whether its rejects are open or closed: those of a job are once it has come to its end; an undo's never."""
        return self.job is None or (self.job.open_rejects is not None and self.job.undoes is None)

    def open_records(self) -> int:
        """How many records are open; the reasons of one come one after another."""
        return sum(1 for _ in groupby(self.open(), lambda case: (case.job, case.reject.row)))


def of_job(call: Call) -> Answer:
    """All that the job set aside, and what is still open of it."""
    return _page(Aside(call, call.job.sync, call.job))


def of_sync(call: Call) -> Answer:
    """All that is open of the sync."""
    return _page(Aside(call, call.sync))


def _page(aside: Aside) -> Answer:
    call = aside.call
    query: RejectsQuery = call.query
    replayable = call.gate.may(call.caller, Operation.REPLAY, aside.sync) and any(case.kept for case in aside.open())
    shared: dict[str, Any] = {
        "sync": aside.sync, "job": aside.job, "query": query, "here": aside.path, "replayable": replayable,
        "settled": aside.settled,
    }  # fmt: skip
    if query.cause is None and query.key is None:
        tally = Tally()
        causes, still_open = _causes(aside, tally), aside.open_records()
        return page(call, "jobs/causes.html", causes=causes, words=tally.words(), open=still_open, **shared)
    found = _each(aside, Choice(cause=query.cause, keys=() if query.key is None else (query.key,)), query.after)
    after = query.after + AT_ONCE if len(found) == AT_ONCE else None
    return page(call, "jobs/rejects.html", rejects=found, after=after, **shared)


def _causes(aside: Aside, tally: Tally) -> list[ShownCause]:
    still = {_name(cause): cause.count for cause in by_cause(case.reject for case in aside.open())}
    return [
        ShownCause(
            cause,
            f"{cause.type}/{cause.column}" if cause.column else cause.type,
            still.get(_name(cause), 0),
            tuple(map(shown, cause.found)),
            tuple(map(shown, cause.keys)),
        )
        for cause in by_cause(tally.counting(aside.all()))
    ]


def _name(cause: Cause) -> _Name:
    return cause.type, cause.column, pattern(cause.reason), cause.rejecting


def _each(aside: Aside, choice: Choice, after: int) -> list[ShownReject]:
    """The rejects that are meant, one by one, a page of them."""
    if aside.job is None:
        cases = islice(aside.open(choice), after, after + AT_ONCE)
        return [_shown(case.reject, case.job, case) for case in cases]
    job = aside.job.id
    meant = (reject for reject in aside.all() if choice.fits(Case(job, reject, kept=False)))
    rejects = list(islice(meant, after, after + AT_ONCE))
    places = set(map(_place, rejects))
    still = {place: case for case in aside.open(choice) if (place := _place(case.reject)) in places}
    return [_shown(reject, job, still.get(_place(reject))) for reject in rejects]


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
        tuple(cells(reject.source)),
    )


def cells(told: str | None) -> Iterator[tuple[str, Shown]]:
    """The record as the source told it, cell by cell; a line that could not be split as it is."""
    if told is None:
        return
    try:
        found = json.loads(told)
    except (ValueError, RecursionError):  # a line of a source may be anything
        found = None
    if not isinstance(found, dict):
        yield "", shown(told)
        return
    for name, value in found.items():
        yield name, shown(value_text(value))


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
