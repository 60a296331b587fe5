"""Removes jobs that are old enough, with their plans, rejects and outcomes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from shared.engine.cases.ledger import jobs_with_open_cases, last_settled
from shared.errors import DynsyncError
from shared.log import event
from shared.ports import State
from shared.values.jobs import Job, JobState
from shared.values.life import FINISHED, UNFINISHED

_log = logging.getLogger(__name__)
_AT_A_TIME = 100
_ENDED = [state for state in JobState if state not in UNFINISHED]


def prune(state: State, job: Job, *, days: int | None, now: datetime) -> int:
    """Remove the jobs of `job`'s sync that were made more than `days` days ago and have ended; returns how many.

    Never `job` itself, and never the last one that came to its end, though it was undone since: the next job is
    compared with it, and it keeps the list of open rejects. Never one of whose rejects some are open: they are replayed
    from its files. Never one that an unfinished job is to take back. What cannot be removed now is tried again at the
    end of the next job.
    """
    if days is None:
        return 0
    try:
        kept = {job.id, *(one.id for one in state.list(sync=job.sync, states=FINISHED, limit=1))}
        settled = last_settled(state, job.sync)
        kept |= {settled.id} if settled else set()
        kept |= jobs_with_open_cases(state, job.sync)
        kept |= {one.undoes for one in state.list(sync=job.sync, states=UNFINISHED, limit=1000) if one.undoes}
        removed = _removed(state, job.sync, kept, before=now - timedelta(days=days))
    except DynsyncError as error:
        event(_log, "jobs.kept", level=logging.WARNING, sync=job.sync, reason=type(error).__name__)
        return 0
    if removed:
        event(_log, "jobs.removed", sync=job.sync, jobs=removed)
    return removed


def prune_all(state: State, *, days: int | None, now: datetime) -> int:
    """As `prune`, for every sync that has such jobs, though it never runs again; returns how many."""
    if days is None:
        return 0
    cutoff = now - timedelta(days=days)
    old = state.list(states=_ENDED, before=cutoff, limit=1000)
    newest = {sync: state.list(sync=sync, limit=1)[0] for sync in sorted({job.sync for job in old})}
    return sum(prune(state, job, days=days, now=now) for job in newest.values())


def _removed(state: State, sync: str, kept: set[str], *, before: datetime) -> int:
    removed = 0
    while True:
        found = state.list(sync=sync, states=_ENDED, before=before, limit=_AT_A_TIME)
        old = [one.id for one in found if one.id not in kept]
        for job_id in old:
            state.forget(job_id)
        removed += len(old)
        if len(found) < _AT_A_TIME:
            return removed
        before = found[-1].created_at
