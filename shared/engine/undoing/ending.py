"""What may be undone, what is looked at before a row goes, and the mark on the job that was undone."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import orjson

from shared.dataverse.client import DataverseClient
from shared.dataverse.relations import Relations
from shared.engine.guarding import Guard, no_guard
from shared.engine.plan import PlanFile
from shared.engine.readback import ETAG
from shared.engine.undoing.going import Below
from shared.errors import NotFoundError, RefuseError
from shared.ports import State
from shared.values.changes import Action
from shared.values.jobs import Job, JobState
from shared.values.life import TRANSITIONS, named, way_on
from shared.values.tables import Table

_AT_A_TIME = 1000


def refuse_undo(state: State, job: Job) -> None:
    """Check that a job can be undone.

    Raises:
        RefuseError: it was undone before, is an undo itself, has not begun, or wrote nothing.
    """
    if job.undoes is not None:
        raise RefuseError(
            f"job {job.id} is the undo of job {job.undoes}; `plan {job.sync}` shows what the sync would bring back"
        )
    if job.state is JobState.UNDONE:
        raise RefuseError(f"job {job.id} was undone by job {_undo_of(state, job)}; a job is undone once")
    if not job.has_begun:
        raise RefuseError(f"{named(job)} and has written nothing; {way_on(job)}")
    if not state.chunks(job.id):
        raise RefuseError(f"job {job.id} of {job.sync} wrote nothing, so there is nothing to undo")


def _undo_of(state: State, job: Job) -> str:
    ended = state.list(sync=job.sync, limit=10_000)
    return next((one.id for one in ended if one.undoes == job.id and one.finished_at is not None), "that is gone")


def guard(client: DataverseClient, table: Table, plan: PlanFile) -> Guard:
    """Keeps a created row from being deleted or deactivated that other rows refer to by now."""
    together = frozenset(
        row.id
        for rows in plan.chunks(_AT_A_TIME, [Action.DEACTIVATE])
        for row in rows
        if ETAG in orjson.loads(row.before or "{}")
    )
    if not together and not plan.manifest.counts.get(Action.DELETE):
        return no_guard
    return Below.of(Relations(client), table, together).guard


def note_undone(state: State, undo: Job) -> None:
    """Mark the job that an undo took back; nothing happens when it is not kept any more."""
    with contextlib.suppress(NotFoundError):
        job = state.get(undo.undoes or "")
        if JobState.UNDONE in TRANSITIONS[job.state]:
            state.save(replace(job, state=JobState.UNDONE, notes=(*job.notes, f"undone by job {undo.id}")))
