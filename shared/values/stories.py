"""What jobs did to one record."""

from __future__ import annotations

from dataclasses import dataclass

from shared.values.changes import Action, Outcome
from shared.values.jobs import Job
from shared.values.plans import PlannedChange
from shared.values.records import Reject


@dataclass(frozen=True, slots=True)
class ChangeStory:
    """One change that a job planned for a record, and what became of it."""

    planned: PlannedChange
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class RecordStory:
    """What one job did to one record: the changes it planned, and the reasons for which it set the record aside."""

    job: Job
    changes: tuple[ChangeStory, ...] = ()
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row that a job wrote, under the id that it has; `change` is the number of the change in the job's plan."""

    change: int
    action: Action
    key: str
    id: str
