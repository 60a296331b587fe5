"""`jobs`, `show`: the commands that look back."""

from __future__ import annotations

from pathlib import Path

import click

from shared.cli.job_file import write_jobs
from shared.cli.options import everywhere, exported, session_of
from shared.cli.output import say_json
from shared.cli.screens.changes import print_changes
from shared.cli.screens.job import print_head, print_job, print_next_steps, print_origin
from shared.cli.screens.jobs import print_jobs
from shared.cli.screens.paper import say
from shared.cli.screens.stories import print_stories
from shared.cli.session import Session
from shared.cli.texts import counted
from shared.errors import NotFoundError
from shared.values.changes import Action

_FEW, _ALL = 20, 100_000


@click.command(short_help="List jobs, the newest first.")
@click.option("--sync", help="Only the jobs of this sync.")
@click.option(
    "--limit", type=click.IntRange(1, _ALL), help="How many jobs; when left out, 20, and all that are kept with --csv."
)
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write them to a file.")
@everywhere
@session_of
def jobs(session: Session, sync: str | None, limit: int | None, csv_file: Path | None) -> None:
    """List jobs, the newest first; with --csv or --json, with everything that is kept of them."""
    found = session.app.jobs(sync=sync, limit=limit or (_ALL if csv_file else _FEW))
    if sync is not None and not found and sync not in (known := session.app.sync_names()):
        raise NotFoundError(f"there is no sync {sync!r} and no job of one; syncs: {', '.join(known) or 'none yet'}")
    written = write_jobs(csv_file, found) if csv_file else None
    if session.json:
        say_json(found)
    elif written is not None:
        say(session.out(), f"Wrote {counted(written, 'job')} to {csv_file}.")
    else:
        print_jobs(session.out(), found)


@click.command()
@click.argument("job_id", metavar="[JOB]", required=False)
@click.option("--changes", is_flag=True, help="Show the plan's changes, field by field.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many changes to show.")
@click.option("--record", metavar="KEY", help="What every job of the sync did to one record, the newest first.")
@click.option("--sync", help="With --record and without JOB: of which sync; else of all.")
@click.option(
    "--action", "actions", multiple=True, type=click.Choice([one.value for one in Action]), help="Only these."
)
@click.option("--key", help="Only the change of this key.")
@exported
@everywhere
@session_of
def show(
    session: Session,
    /,
    *,
    job_id: str | None,
    record: str | None,
    sync: str | None,
    changes: bool,
    limit: int,
    actions: tuple[str, ...],
    key: str | None,
    export: Path | None,
) -> None:
    """Show one job: its counts, its balances, and its plan's changes. JOB may be the beginning of an id."""
    if record is not None:
        _show_record(session, record, job_id, sync, limit)
        return
    if job_id is None:
        raise click.UsageError("say which job to show: `show JOB`; or one record of all jobs: `show --record KEY`")
    job = session.app.job(job_id)
    wanted = tuple(Action(action) for action in actions)
    filtered = bool(wanted or key)
    sample = None
    if changes or filtered:
        sample = session.app.plan_sample(job.id, limit=limit, actions=wanted or None, key=key)
    written = session.app.export_plan(job.id, export) if export else None
    if session.json:
        extra = ({"changes": sample} if sample is not None else {}) | ({"exported": written} if export else {})
        say_json({"job": job, **extra})
        return
    out = session.out()
    if key is not None:
        print_head(out, job)
    else:
        print_job(out, job)
        print_origin(out, job)
    if sample is not None:
        print_changes(out, sample, total=None if filtered else sum(job.planned.values()))
    if key is None:
        print_next_steps(out, job)
    if written is not None:
        say(out, f"\nWrote {counted(written, 'change')} to {export}.")


def _one_sync(sync: str, job_id: str, named: str | None) -> str:
    """The sync of the job, whose jobs are asked for."""
    if named not in (None, sync):
        raise click.UsageError(f"job {job_id} is one of sync {sync}, not of {named}; leave --sync or JOB out")
    return sync


def _show_record(session: Session, key: str, job_id: str | None, sync: str | None, limit: int) -> None:
    if job_id is not None:
        sync = _one_sync(session.app.job(job_id).sync, job_id, sync)
    stories = session.app.stories(key, sync=sync, limit=limit)
    if session.json:
        say_json({"record": key, "jobs": stories})
    else:
        print_stories(session.out(), key, stories)
