"""Steps after a job: what they are told, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shared.values.changes import Action
from shared.values.jobs import Job


@dataclass(frozen=True, slots=True)
class Ended:
    """What a step after a job may know: the job as it ended, its variables and those of its start, texts all.

    `rows` gives the ids of the rows that it created, or updated.
    """

    job: Job
    variables: Mapping[str, str]
    rows: Callable[[Action], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Said:
    """What a step said when it had been taken, in a few words; `started` is the job that it started."""

    words: str
    started: str | None = None
