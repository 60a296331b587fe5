"""`rejects`, `replay`: what was set aside, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from shared.cli.options import everywhere, exported, session_of
from shared.cli.output import exit_code, say_json, say_json_list
from shared.cli.reject_file import print_rejects_csv, write_rejects
from shared.cli.runs import say_plan
from shared.cli.screens.paper import say
from shared.cli.screens.rejects import print_each, print_open, print_overview, print_rejects
from shared.cli.session import Session, who
from shared.cli.texts import counted
from shared.errors import NotAllowedError, NotFoundError
from shared.values.cases import Case, Choice
from shared.values.jobs import Job
from shared.values.records import Reject


def _chosen(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--cause` and `--key`."""
    cause = click.option("--cause", help="Only these: a type, or type/column, as the groups name them.")
    key = click.option("--key", "keys", multiple=True, metavar="KEY", help="Only the records with this key.")
    return cause(key(command))


@click.command(short_help="Show what was set aside, by cause or one by one.")
@click.argument("target", metavar="[SYNC|JOB]", required=False)
@_chosen
@click.option("--limit", type=click.IntRange(1), help="Read at most so many.")
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them all to a file (-: standard output).",
)
@everywhere
@session_of
def rejects(
    session: Session,
    /,
    *,
    target: str | None,
    cause: str | None,
    keys: tuple[str, ...],
    limit: int | None,
    csv_file: Path | None,
) -> None:
    """Show what was set aside, grouped by cause; with --cause or --key, one by one.

    Of a SYNC: what is still open, for its key was not read again since. Of a JOB (or the beginning of its id): all that
    it set aside. Of neither: how much every sync has open.
    """
    choice = Choice(cause=cause, keys=keys)
    if target is None:
        _overview(session)
    elif target in session.app.sync_names():
        _say_open(session, target, islice(session.app.open_rejects(target, choice), limit), choice, csv_file)
    else:
        _say_of_job(session, target, choice, limit, csv_file)


def _overview(session: Session) -> None:
    found = {name: len(_records(session.app.open_rejects(name))) for name in session.app.sync_names()}
    if session.json:
        say_json({"open": found})
    else:
        print_overview(session.out(), found)


def _records(cases: Iterator[Case]) -> set[tuple[str, int | None]]:
    return {(case.job, case.reject.row) for case in cases}


def _say_open(session: Session, sync: str, cases: Iterator[Case], choice: Choice, csv_file: Path | None) -> None:
    if csv_file is not None:
        _write(session, (case.reject for case in cases), csv_file, sync=sync)
    elif session.json:
        say_json_list("rejects", cases, sync=sync)
    elif choice.any:
        print_each(session.out(), cases)
    else:
        print_open(session.out(), sync, cases)


def _say_of_job(session: Session, job_id: str, choice: Choice, limit: int | None, csv_file: Path | None) -> None:
    job = _job(session, job_id)
    found = (Case(job.id, one, kept=False) for one in session.app.rejects(job.id, limit=limit))
    cases = (case for case in found if choice.fits(case))
    if csv_file is not None:
        _write(session, (case.reject for case in cases), csv_file, job=job.id)
    elif session.json:
        say_json_list("rejects", (case.reject for case in cases), job=job.id)
    elif choice.any:
        print_each(session.out(), cases)
    else:
        still_open = _still_open(session, job) if job.open_rejects else 0
        print_rejects(session.out(), job, (case.reject for case in cases), still_open=still_open)


def _job(session: Session, target: str) -> Job:
    """The job; what is no sync either says so. Raises `NotFoundError`."""
    try:
        return session.app.job(target)
    except NotFoundError as error:
        if not str(error).startswith("there is no job"):  # several begin so
            raise
        syncs = ", ".join(session.app.sync_names()) or "none yet"
        raise NotFoundError(f"there is no sync or job {target!r}; syncs: {syncs}; `dynsync jobs` lists jobs") from None


def _still_open(session: Session, job: Job) -> int:
    """How many records of a job are open; 0 where nobody can tell."""
    try:
        return len(_records(session.app.open_rejects(job.id)))
    except NotAllowedError:
        return 0


def _write(session: Session, found: Iterator[Reject], csv_file: Path, **of: str) -> None:
    if csv_file == Path("-") and not session.json:
        print_rejects_csv(found)
        return
    written = write_rejects(csv_file, found)
    if session.json:
        say_json({**of, "written": written, "file": csv_file})
    else:
        say(session.out(), f"Wrote {counted(written, 'reject')} to {csv_file}.")


@click.command(short_help="Run open rejects again, after a fix.")
@click.argument("target", metavar="SYNC|JOB")
@_chosen
@click.option("--plan", "plan_only", is_flag=True, help="Only plan; `apply` carries it out.")
@click.option("--sample", default=10, show_default=True, type=click.IntRange(0), help="How many changes to show.")
@exported
@everywhere
@session_of
def replay(
    session: Session,
    /,
    *,
    target: str,
    cause: str | None,
    keys: tuple[str, ...],
    plan_only: bool,
    sample: int,
    export: Path | None,
) -> int:
    """Run open rejects again as they were read, after a fix of the definition or in Dataverse. Nothing is dropped.

    What was mended in the source comes with the next run, which reads it anew.

    All of a SYNC, or those that a JOB set aside; of one cause, or of some keys. A record that a later job has read
    anew is not run again: it would put an older value over a newer one.
    """
    session.working = target if target in session.app.sync_names() else _job(session, target).sync
    choice = Choice(cause=cause, keys=keys)
    with session.progress() as progress:
        job = session.app.replay(target, choice, started_by=who(), progress=progress, apply=not plan_only)
    say_plan(session, job, sample=sample, export=export)
    return exit_code(job)
