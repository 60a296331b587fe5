"""What people should be told of without asking: jobs that do not get on, and change messages that wait.

Said in the log every few minutes; the alerts of the deployment look for these lines (infra/queries).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from shared.log import event
from shared.ports import Listeners, Park
from shared.values.events import Bucket, Hold
from shared.values.jobs import Job, JobState

_log = logging.getLogger(__name__)
EVERY_MINUTES = 5
LONG = timedelta(minutes=15)
"""How long a job may wait for its first turn while nobody works on its sync."""
_LOOKED_AT = 200
_FRESH = timedelta(minutes=2 * EVERY_MINUTES)
_WANTED = frozenset({Hold.PAUSED})
"""Holds that somebody has asked for."""


def watch(
    stranded: Iterable[Job],
    *,
    syncs: Sequence[str],
    broken: Collection[str],
    park: Park,
    listeners: Listeners,
    now: datetime,
) -> None:
    """Log what is to be said: that the app looks after its `syncs`, and which of them are `broken`; of `stranded`, jobs
    that nobody works on just now; and of every sync's listener.

    A job that is told once is nudged and goes on; one that is told again and again does not. An alert waits for the
    first of these lines to stay away.
    """
    event(_log, "app.watched", syncs=len(syncs), broken=len(broken))
    for sync in sorted(broken):
        event(_log, "definition.broken", level=logging.WARNING, sync=sync)
    for job in stranded:
        reason = _reason(job, now)
        if reason:
            age_s = _seconds(job.created_at, now)
            event(_log, "job.stranded", level=logging.WARNING, sync=job.sync, job=job.id, reason=reason, age_s=age_s)
    for sync in syncs:
        _watch_listener(sync, park, listeners, now)


def _reason(job: Job, now: datetime) -> str:
    """Why a job does not get on; '' when it is only between two slices, or has just been queued."""
    slices = job.slices
    if slices is not None and slices.begun and not slices.resting:
        return "its last slice died"
    if slices is not None and slices.idle:
        return "its last slice got nothing done"
    if job.state is JobState.QUEUED and now - job.created_at > LONG:
        return "nobody has begun it"
    return ""


def _watch_listener(sync: str, park: Park, listeners: Listeners, now: datetime) -> None:
    pulse, wish, parked = listeners.pulse(sync), listeners.wish(sync), park.count(sync)
    if not (pulse.total or parked or wish.hold):
        return
    held = wish.hold if wish.hold not in _WANTED else None
    event(
        _log,
        "listener.watched",
        sync=sync,
        parked=parked,
        oldest_s=_oldest_s(sync, park, now) if parked else 0,
        held_s=_seconds(wish.since, now) if held else 0,
        reason=held.value if held else "none",
        lag_s=round(pulse.lag_s) if pulse.last_at and now - pulse.last_at < _FRESH else 0,
        events=pulse.total,
        rejected=pulse.counts.get(Bucket.REJECTED.value, 0),
    )


def _oldest_s(sync: str, park: Park, now: datetime) -> int:
    """The age of the oldest of the first parked events, in seconds; the park orders them by record, not by age."""
    return max((_seconds(one.since, now) for one in park.first(sync, limit=_LOOKED_AT)), default=0)


def _seconds(since: datetime | None, now: datetime) -> int:
    return max(0, round((now - since).total_seconds())) if since else 0
