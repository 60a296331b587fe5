"""A job's plan, change by change: what the row holds, and what it will hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from shared.permissions import Operation
from shared.values.changes import Outcome, OutcomeStatus
from shared.values.plans import PlannedChange
from shared.web.call import Answer
from shared.web.pages.jobs import sums
from shared.web.pages.jobs.forms import AT_ONCE, ChangesQuery
from shared.web.pages.jobs.showing import stand_of, ways_of
from shared.web.pages.jobs.values import MOST, Shown, ShownField, shown, shown_field, value_text
from shared.web.pages.rendering import page
from shared.web.routing import Call, Route

PAGE_CHARACTERS = 1_000_000
"""Of the values on one page; of longer ones, fewer changes stand on it."""
OUTCOMES: Mapping[OutcomeStatus, tuple[str, str]] = {
    OutcomeStatus.DONE: ("Done", "ok"),
    OutcomeStatus.REJECTED: ("Refused by Dataverse", "bad"),
    OutcomeStatus.CONFLICT: ("Left alone: the row was changed meanwhile", "warn"),
    OutcomeStatus.IN_DOUBT: ("Sent, without an answer", "warn"),
    OutcomeStatus.NOT_ATTEMPTED: ("Not attempted", "off"),
}
"""What became of a change, in words, and the colour of its badge."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a change. `said`: in Dataverse's own words."""

    words: str
    tone: str
    said: str


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change with its values as they are shown. `fate`: None while nothing of the plan is written."""

    change: PlannedChange
    key: Shown
    fields: tuple[ShownField, ...]
    fate: Fate | None


def shown_change(change: PlannedChange, outcome: Outcome | None) -> ShownChange:
    """A change, ready for a page."""
    fields = tuple(shown_field(field, change.action) for field in change.fields)
    fate = None
    if outcome is not None:
        fate = Fate(*OUTCOMES[outcome.status], ": ".join(filter(None, (outcome.code, outcome.message))))
    return ShownChange(change, shown(change.key), fields, fate)


def fitting(lengths: Sequence[int]) -> int:
    """How many of the first fit onto one page, by their characters; one at least."""
    return max(1, sum(total <= PAGE_CHARACTERS for total in accumulate(lengths)))


def _characters(change: PlannedChange) -> int:
    values = (value_text(value) or "" for field in change.fields for value in (field.old, field.new))
    return sum(min(len(text), MOST) for text in values)


def changes(call: Call) -> Answer:
    """The plan, page by page; of one action or one key when asked."""
    query: ChangesQuery = call.query
    actions = () if query.action is None else (query.action,)
    read = call.hosted.lookups.changes(call.job, limit=AT_ONCE, after=query.after, actions=actions, key=query.key)
    found = read[: fitting([_characters(one) for one in read])]
    stand = stand_of(call, counting=False)
    outcomes = call.hosted.lookups.outcomes(call.job, found) if stand.wrote else {}
    return page(
        call,
        "jobs/changes.html",
        job=call.job,
        changes=[shown_change(change, outcomes.get(change.change)) for change in found],
        planned=sums.planned(call.job),
        total=sum(call.job.planned.values()),
        in_words=sums.in_words(call.job),
        query=query,
        after=found[-1].change if len(found) == AT_ONCE or len(found) < len(read) else None,
        ways=ways_of(call, stand),
        stand=stand,
    )


ROUTES = [
    Route(
        method="GET", path="/jobs/{job}/changes", operation=Operation.SEE_CHANGES, does=changes, gives=str, page=True,
        query=ChangesQuery, summary="The changes that the job planned.",
    )
]  # fmt: skip
