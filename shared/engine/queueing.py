"""Jobs that wait for their turn and are worked on slice by slice, by whichever machine takes the next slice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shared.definitions.catalogue import definition_hash
from shared.definitions.sync import SyncDefinition
from shared.engine.slicing import advanced
from shared.engine.surroundings import Start
from shared.errors import AlreadyRunningError, RefuseError
from shared.ports import JobStore, State
from shared.values.jobs import Job, JobState, Slices

AT_WORK = (JobState.QUEUED, JobState.RUNNING)
"""States of a job that another slice brings on."""
_ALL = 1000
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
_NAME_LENGTH = 50


def queued(job: Job, start: Start) -> tuple[Job, Mapping[str, Path]]:
    """The job as it is queued, and the files to keep with it, by name; its variables tell a file by its own name."""
    paths = {name: Path(value) for name, value in start.variables.items() if _came_along(value, start)}
    kept = {name: _kept_name(name, path) for name, path in paths.items()}
    variables = {**start.variables, **{name: path.name for name, path in paths.items()}}
    job = replace(job, state=JobState.QUEUED, variables=variables, handed_over=kept, slices=Slices())
    return job, {kept[name]: path for name, path in paths.items()}


def _came_along(value: str, start: Start) -> bool:
    return any(value == str(path) or Path(value).resolve() == path for path in start.handed_over)


def _kept_name(variable: str, path: Path) -> str:
    """A plain word that ends as the file's own name does, since its ending tells its kind."""
    return f"input-{variable}-{_UNFIT.sub('_', path.name)[-_NAME_LENGTH:]}"


def start_of(state: State, job: Job, watching: Start) -> Start:
    """The job's start as this machine sees it: its files are local copies. `watching` says who watches and stops it."""
    paths = {variable: state.path(job.id, name).resolve() for variable, name in job.handed_over.items()}
    variables = {**job.variables, **{variable: str(path) for variable, path in paths.items()}}
    return replace(watching, variables=variables, started_by=job.started_by, handed_over=tuple(paths.values()))


def with_own_names(text: str, job: Job, start: Start) -> str:
    """`text` with the names that its files came by, not where this machine keeps their copies, once it has them."""
    for variable in job.handed_over.keys() & start.variables.keys():
        text = text.replace(start.variables[variable], job.variables[variable])
    return text


def before_it(store: JobStore, job: Job) -> Job | None:
    """The oldest unfinished queued job of the sync that was made before this one: it comes first."""
    waiting = [
        other
        for other in store.list(sync=job.sync, states=AT_WORK, limit=_ALL)
        if other.slices is not None and (other.created_at, other.id) < (job.created_at, job.id)
    ]
    return waiting[-1] if waiting else None


def outdated_by(store: JobStore, job: Job) -> Job | None:
    """The newest later job of the sync by which the plan of this one is out of date."""
    later = next((other for other in store.list(sync=job.sync, limit=_ALL) if other.outdates), job)
    return later if (later.created_at, later.id) > (job.created_at, job.id) else None


def refuse_unless_first(store: JobStore, job: Job) -> None:
    """Raises `AlreadyRunningError` for a new job while queued ones of its sync are not finished."""
    other = before_it(store, job)
    if other is not None:
        raise AlreadyRunningError(
            f"job {other.id} of sync {job.sync!r} is {other.state} and comes first; wait until it ends, `apply "
            f"{other.id}` to carry it out here, or `cancel {other.id}`"
        )


def begun(state: State, job: Job, definition: SyncDefinition) -> Job:
    """The job as its next slice begins. Raises `FailError` when the last ones brought it no further."""
    died = job.state is JobState.RUNNING and job.slices is not None and not job.slices.resting
    slices = replace(advanced(state, job, died=died), waited_s=0.0)
    if job.state is JobState.QUEUED:  # a definition may be mended while its jobs wait
        new = definition_hash(definition)
        job = replace(job, definition_version=definition.version, definition_hash=new)
    return replace(job, state=JobState.RUNNING, slices=slices)


def resumed(job: Job, slices: Slices | None, by: str) -> Job:
    """The job, at work again for somebody; one that had ended takes its steps anew at its next end."""
    steps = () if job.finished_at else job.steps
    running = replace(job, state=JobState.RUNNING, error=None, brakes=(), finished_at=None)
    return replace(running, slices=slices, steps=steps, applied_by=by)


def refuse_lost_files(job: Job, definition: SyncDefinition) -> None:
    """Raises `RefuseError` for a job without a plan whose files are not kept with it: they may be others by now.

    A replay and an undo read none of them.
    """
    if job.replays is not None or job.undoes is not None:
        return
    given = {
        name
        for name, variable in definition.variables.items()
        if variable.file and job.variables.get(name) != variable.default
    }
    lost = sorted(given - set(job.handed_over))
    if lost and not job.planned and job.open_rejects is None:
        raise RefuseError(
            f"job {job.id} was stopped before its plan was made, and its files ({', '.join(lost)}) are not "
            f"kept; nothing was written. Start a new one with `run {job.sync}`; with --queue its files are kept"
        )


def refuse_other_variables(job: Job, definition: SyncDefinition) -> None:
    """Raises `RefuseError` when the definition asks for other variables than the job was queued with."""
    if set(job.variables) != set(definition.variables):
        raise RefuseError(
            f"the variables of {job.sync} were changed while the job waited; queue it again with their values"
        )
