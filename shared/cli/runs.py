"""`check`, `plan`, `run`, `apply`, `undo`, `cancel`: the commands that look at a definition and run jobs."""

from __future__ import annotations

from pathlib import Path

import click

from shared.cli.facade import Edits
from shared.cli.options import everywhere, exported, session_of, variables
from shared.cli.output import CLEAN, FAILED, exit_code, say_json
from shared.cli.screens.changes import print_changes
from shared.cli.screens.job import print_job, print_next_steps
from shared.cli.screens.paper import say
from shared.cli.screens.problems import print_problems
from shared.cli.session import Session, who
from shared.cli.texts import called, counted, refusal, safe
from shared.errors import DefinitionError, DynsyncError, NotFoundError
from shared.values.jobs import Job, JobState
from shared.values.problems import Problem, Severity


@click.command()
@click.argument("syncs_asked", metavar="[SYNC]...", nargs=-1)
@everywhere
@session_of
def check(session: Session, syncs_asked: tuple[str, ...]) -> int:
    """Check definitions; all of them when none is named.

    All problems of a file come first, in one answer; once it is sound, all of its source and table.
    """
    names = list(syncs_asked) or session.app.sync_names()
    if not names:
        raise NotFoundError(f"there is no definition in {session.syncs}; `{called()} init` writes one")
    found = {name: _problems(session, name) for name in names}
    if session.json:
        say_json(
            [{"sync": name, "ok": not _errors(problems), "problems": problems} for name, problems in found.items()]
        )
    else:
        print_problems(session.out(), found)
    return FAILED if any(_errors(problems) for problems in found.values()) else CLEAN


def _problems(session: Session, name: str) -> list[Problem]:
    """What is wrong with one sync; what ends its check is a problem of it, so that the others are still looked at."""
    broken = session.app.broken().get(name)
    try:
        return list(broken.problems) if broken else session.app.check(name)
    except DefinitionError as error:
        return list(error.problems)
    except DynsyncError as error:
        if name not in session.app.sync_names():
            raise
        return [Problem("", str(error))]
    except OSError as error:
        return [Problem("", refusal(error))]


def _errors(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity is Severity.ERROR]


@click.command()
@click.argument("sync")
@variables
@click.option("--sample", default=10, show_default=True, type=click.IntRange(0), help="How many changes to show.")
@exported
@everywhere
@session_of
def plan(
    session: Session,
    /,
    *,
    sync: str,
    values: dict[str, str],
    files: dict[str, Path],
    sample: int,
    export: Path | None,
) -> int:
    """Read both sides and plan every change. Nothing is written to Dataverse."""
    session.working = sync
    with session.progress() as progress:
        job = session.app.start(sync, variables=values, files=files, started_by=who(), progress=progress, apply=False)
    say_plan(session, job, sample=sample, export=export)
    _say_unused_file(session, sync)
    return exit_code(job)


@click.command(short_help="Plan and apply in one go; a brake holds the job with its plan.")
@click.argument("sync")
@variables
@click.option("--queue", is_flag=True, help="Only queue the job; an app with this state works on it.")
@everywhere
@session_of
def run(session: Session, /, *, sync: str, values: dict[str, str], files: dict[str, Path], queue: bool) -> int:
    """Plan and apply in one go; a brake, or a required approval, holds the job with its plan."""
    if queue:
        _say(session, session.app.queue(sync, variables=values, files=files, started_by=who(), apply=True), sample=0)
        return CLEAN
    session.working = sync
    with session.progress() as progress:
        job = session.app.start(sync, variables=values, files=files, started_by=who(), progress=progress, apply=True)
    _say(session, job, sample=0)
    _say_unused_file(session, sync)
    return exit_code(job)


@click.command(short_help="Carry out a job's plan, or go on where it stopped.")
@click.argument("job_id", metavar="JOB")
@everywhere
@session_of
def apply(session: Session, job_id: str) -> int:
    """Carry out a job's plan: it waits for approval, or was stopped half-way. JOB may be the beginning of an id."""
    session.working = session.app.job(job_id).sync
    with session.progress() as progress:
        job = session.app.apply(job_id, started_by=who(), progress=progress)
    _say(session, job, sample=0)
    return exit_code(job)


@click.command()
@click.argument("job_id", metavar="JOB")
@click.option("-y", "--yes", is_flag=True, help="Carry it out at once.")
@click.option("--sample", default=10, show_default=True, type=click.IntRange(0), help="How many changes to show.")
@exported
@everywhere
@session_of
def undo(session: Session, /, *, job_id: str, yes: bool, sample: int, export: Path | None) -> int:
    """Plan what takes a job's changes back; with --yes, carry it out. JOB may be the beginning of an id.

    Created rows go, changed ones get their old values, deleted ones come back under their ids. What somebody edited
    since, and created rows that others refer to, are left alone and reported as conflicts.
    """
    session.working = session.app.job(job_id).sync
    with session.progress() as progress:
        job = session.app.undo(job_id, started_by=who(), progress=progress, apply=yes)
    say_plan(session, job, sample=sample, export=export)
    return exit_code(job)


@click.command(short_help="Stop a job: a running one within one batch.")
@click.argument("job_id", metavar="JOB")
@everywhere
@session_of
def cancel(session: Session, job_id: str) -> int:
    """Stop a job: a running one within one batch, and what it has written stays. JOB may be the beginning of an id."""
    job = session.app.cancel(job_id, by=who())
    if session.json:
        say_json(job)
    elif job.state is JobState.CANCELLED:
        _say(session, job, sample=0)
    else:
        say(
            session.out(),
            f"Job {job.id} was asked to stop; it does within one batch. `{called()} show {job.id}` tells.",
        )
    return CLEAN


def say_plan(session: Session, job: Job, *, sample: int, export: Path | None) -> None:
    """Show a job with a sample of its plan, and write the whole plan where a file is named."""
    written = session.app.export_plan(job.id, export) if export and job.planned else None
    _say(session, job, sample=sample)
    if export and not session.json:
        told = "There is no plan to write." if written is None else f"Wrote {counted(written, 'change')} to {export}."
        say(session.out(), f"\n{told}")


def _say(session: Session, job: Job, *, sample: int) -> None:
    if session.json:
        say_json(job)
        return
    out = session.out()
    print_job(out, job)
    if sample and job.state is JobState.AWAITING_APPROVAL:
        print_changes(out, session.app.plan_sample(job.id, limit=sample), total=sum(job.planned.values()))
    print_next_steps(out, job)


def _say_unused_file(session: Session, sync: str) -> None:
    """Warn who has changed a file here that does not count, for the sync is edited in the app."""
    if session.json or session.address or not isinstance(session.app, Edits):
        return
    if session.app.definitions.show(sync).file_changed:
        found = f"this ran what was edited in the app; its file has changed since and does not count until `{called()} "
        ways = f"definition drop {safe(sync)}`; `{called()} definition diff {safe(sync)}` compares"
        say(session.err(), ("Warning: ", "yellow"), found + ways)
