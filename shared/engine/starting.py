"""A start of a job: the new job, the lease under which it runs, and why it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.definitions.catalogue import definition_hash
from shared.definitions.sync import SyncDefinition
from shared.definitions.unbuilt import unbuilt_parts
from shared.engine import queueing
from shared.engine.leasing import Timing, after, leased
from shared.engine.running import Run
from shared.engine.surroundings import Start, Surroundings
from shared.errors import NotBuiltError, RefuseError
from shared.ports import JobStore
from shared.values.jobs import Job, JobState
from shared.values.life import APPLICABLE, named, way_on


def new_job(around: Surroundings, definition: SyncDefinition, start: Start, *, apply: bool) -> Job:
    """A job that is not stored yet, made later than every other one of its sync."""
    newest = next(iter(around.state.list(sync=definition.name, limit=1)), None)
    now = after(newest.created_at if newest else None, around.clock())
    return Job(
        id=around.new_job_id(now),
        sync=definition.name,
        state=JobState.RUNNING,
        started_by=start.started_by,
        created_at=now,
        definition_version=definition.version,
        definition_hash=definition_hash(definition),
        variables=dict(start.variables),
        to_apply=apply,
        chain=start.chain,
    )


def timing(around: Surroundings, timeout_s: float = 0) -> Timing:
    """How a lease is timed under which no request takes longer."""
    return Timing(around.clock, timeout_s, around.sleep, around.monotonic)


@contextmanager
def leased_run(around: Surroundings, job: Job, definition: SyncDefinition, start: Start) -> Iterator[Run]:
    """One run of a job, which holds the lease of its sync. Raises as `leasing.leased`."""
    wanted = timing(around, definition.destination.timeout_s)
    with leased(around.state, job.sync, job.id, timing=wanted) as held:
        yield Run(around, definition, start, held, job.id)


def refuse_unbuilt(definition: SyncDefinition) -> None:
    """Raises `RefuseError` when the sync is switched off, or uses parts that do not run yet."""
    if not definition.enabled:
        raise RefuseError(f"sync {definition.name!r} is switched off; set `enabled: true` to run it")
    problems = unbuilt_parts(definition)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise NotBuiltError(f"sync {definition.name!r} uses parts that do not run yet:\n{listed}")


def refuse_unless_applicable(store: JobStore, job: Job) -> None:
    """Raises `RefuseError` for a job that is at its end, or whose plan is out of date."""
    if job.state not in APPLICABLE:
        raise RefuseError(f"{named(job)}, which is final, and has no plan to apply; {way_on(job)}")
    newest = queueing.outdated_by(store, job)
    if newest is not None:
        raise RefuseError(
            f"job {job.id} is not the newest of {job.sync}: {newest.id} started later, so this plan is "
            f"out of date; start a new one with `plan {job.sync}`"
        )
