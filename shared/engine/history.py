"""What jobs did to one record, from their plans, outcomes and rejects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.rejects import while_reading
from shared.ports import State
from shared.values.changes import ChunkOutcome, Outcome, OutcomeStatus
from shared.values.jobs import Job
from shared.values.stories import ChangeStory, RecordStory

_MOST_JOBS = 10_000
_MOST_CHANGES = 1000


def record_stories(state: State, key: str, *, sync: str | None, limit: int) -> Iterator[RecordStory]:
    """What each of the last jobs, of one sync or of all, did to a record; the newest first, at most `limit`."""
    told = 0
    for job in state.list(sync=sync, limit=_MOST_JOBS):
        if told == limit:
            return
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
    noted = state.chunks(job.id) if planned else []
    return RecordStory(job, tuple(ChangeStory(one, _outcome(one.change, noted)) for one in planned), rejects)


def _outcome(change: int, noted: Sequence[ChunkOutcome]) -> Outcome:
    """The outcome of a change; without a note it was not attempted, without an answer it is in doubt."""
    for chunk in noted:
        if chunk.first_change <= change <= chunk.last_change:
            if not chunk.answered:
                return Outcome(change, OutcomeStatus.IN_DOUBT)
            exceptions = {outcome.change: outcome for outcome in chunk.exceptions}
            return exceptions.get(change, Outcome(change, OutcomeStatus.DONE))
    return Outcome(change, OutcomeStatus.NOT_ATTEMPTED)
