"""What jobs did to one record, from their plans, outcomes and rejects."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from shared.engine.noted import Noted
from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.rejects import while_reading
from shared.ports import State
from shared.values.changes import Action, Outcome, OutcomeStatus
from shared.values.jobs import Job, JobState
from shared.values.stories import ChangeStory, RecordStory, WrittenRow

_MOST_JOBS = 10_000
_MOST_CHANGES = 1000
_AT_A_TIME = 1000


def record_stories(state: State, key: str, *, sync: str | None, limit: int) -> Iterator[RecordStory]:
    """What each of the last jobs, of one sync or of all, did to a record; the newest first, at most `limit`."""
    told = 0
    for job in state.list(sync=sync, limit=_MOST_JOBS):
        if told == limit:
            return
        if job.state is JobState.SUCCEEDED and not job.planned:
            continue  # it changed nothing and set nothing aside: most jobs are like that
        story = record_story(state, job, key)
        if story.changes or story.rejects:
            told += 1
            yield story


def record_story(state: State, job: Job, key: str) -> RecordStory:
    """What one job did to the record with a key, as the plan and the rejects write it."""
    names = state.names(job.id)
    rejects = tuple(while_reading(state, job.id, key=key))
    if ROWS not in names:
        return RecordStory(job, (), rejects)
    with PlanFile(state.path(job.id, ROWS), state.path(job.id, MANIFEST)) as plan:
        planned = plan.sample(limit=_MOST_CHANGES, key=key)
    outcomes = outcomes_of(state, job, [one.change for one in planned])
    return RecordStory(job, tuple(ChangeStory(one, outcomes[one.change]) for one in planned), rejects)


def outcomes_of(state: State, job: Job, changes: Collection[int]) -> dict[int, Outcome]:
    """What became of changes of the job's plan, by their numbers."""
    if not changes:
        return {}
    with PlanFile(state.path(job.id, ROWS), state.path(job.id, MANIFEST)) as plan:
        rows = plan.rows(changes)
    noted = Noted(state.chunks(job.id))
    return {row.change: noted.final(row.change, deferred=row.deferred is not None) for row in rows}


def written_rows(state: State, job_id: str, action: Action) -> Iterator[str]:
    """The ids of the rows that a job has written by one action, as far as they landed."""
    return (row.id for row in written(state, job_id, [action]))


def written(state: State, job_id: str, actions: Collection[Action] = (), *, after: int = 0) -> Iterator[WrittenRow]:
    """The rows that a job has written, by some actions when asked, as far as they landed; in the plan's order.

    Those behind the change of number `after`.
    """
    if ROWS not in state.names(job_id):
        return
    noted = Noted(state.chunks(job_id))
    with PlanFile(state.path(job_id, ROWS), state.path(job_id, MANIFEST)) as plan:
        for rows in plan.chunks(_AT_A_TIME, actions, after=after):
            for row in rows:
                outcome = noted.final(row.change, deferred=row.deferred is not None)
                if outcome.status is OutcomeStatus.DONE:
                    yield WrittenRow(row.change, row.action, row.key, outcome.row_id or row.id)
