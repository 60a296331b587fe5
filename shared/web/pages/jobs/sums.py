"""A job's numbers as tables: both balances, what is planned, and how long each phase took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.values.changes import Action
from shared.values.jobs import FATES, SOURCE_BUCKETS, Job, bucket_word

BUCKETS: Mapping[str, str] = {
    "created": "a row was made",
    "updated": "its row was changed",
    "unchanged": "its row holds all of it already",
    "ignored": "the behaviour says to leave it",
    "filtered": "the source's filter leaves it out",
    "outside": "its row is outside the destination's filter",
    "rejected": "set aside, with the reason",
    "conflict": "its row was changed meanwhile, and left alone",
    "stale": "a newer one was applied before",
    "parked": "it waits for something",
    "asked to delete": "it asks for the delete of its row",
    "not attempted": "not written, or not yet",
    "matched": "its key is in the source",
    "duplicate": "another row has the same key",
    "dropped": "its key is not in the source",
    "deleted": "removed for good",
    "expired": "its end date was set",
    "deactivated": "its state was set to inactive",
    "kept": "left as it is",
    "refused": "Dataverse refused, or the row was changed meanwhile",
}
"""What each bucket means, in a few words."""
_OF_AN_UNDO = {
    "made again": "the deleted row is there again",
    "restored": "the old values are back",
    "as before already": "nothing was left to take back",
    "not carried out": "the job had not changed it",
    "created, to go": "the job had made it",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One bucket. `part`: it is a part of the line above that is none."""

    name: str
    count: int
    means: str = ""
    part: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """What was read, and where all of it went."""

    title: str
    what: str
    read: int
    lines: tuple[Line, ...]
    closes: bool


@dataclass(frozen=True, slots=True)
class Span:
    """How long one phase took; `share` in per cent of the longest."""

    phase: str
    seconds: float
    share: int


def balances(job: Job) -> list[Balance]:
    """The source's and the destination's, where something was read; buckets that hold nothing are left out."""
    told = _OF_AN_UNDO if job.undoes else {}
    words = {name: bucket_word(job, name) for name in SOURCE_BUCKETS}
    source = tuple(
        Line(words[name], count, {**BUCKETS, **told}.get(words[name], ""))
        for name in SOURCE_BUCKETS
        if (count := getattr(job.source, name))
    )
    title, what = ("Changes of that job", "changes") if job.undoes else ("Source records", "records")
    rows = Balance("Destination rows", "rows", job.destination.read, tuple(_destination(job)), job.destination.closes)
    found = [Balance(title, what, job.source.read, source, job.source.closes), rows]
    return [balance for balance in found if balance.read or balance.lines or not balance.closes]


def _destination(job: Job) -> Iterator[Line]:
    rows = job.destination
    for name in ("matched", "duplicate", "dropped"):
        if count := getattr(rows, name):
            yield Line(name, count, BUCKETS[name])
    for name in FATES:
        if count := getattr(rows, name):
            word = name.replace("_", " ")
            yield Line(word, count, BUCKETS[word], part=True)


def planned(job: Job) -> list[tuple[Action, int]]:
    """The plan's changes by action, in the order of actions; those that it has."""
    return [(action, job.planned[action.value]) for action in Action if job.planned.get(action.value)]


def in_words(job: Job) -> str:
    """`371 creates, 786 updates and 2,239 deletes`."""
    parts = [f"{count:,} {action.value}{'' if count == 1 else 's'}" for action, count in planned(job)]
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "no changes"


def left(job: Job) -> int:
    """Changes of the plan that are not attempted, as the balances tell."""
    return job.source.not_attempted + job.destination.not_attempted


def spans(job: Job) -> list[Span]:
    """How long each phase took, in the order of the phases."""
    longest = max(job.timings_s.values(), default=0.0) or 1.0
    return [Span(phase, seconds, max(1, round(100 * seconds / longest))) for phase, seconds in job.timings_s.items()]
