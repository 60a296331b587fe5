"""One job: its state, its counts, both balances, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from shared.brakes import is_empty, settings_of
from shared.cli.screens.paper import draw, say
from shared.cli.texts import as_called, called, counted, cut, duration, instant, safe, safe_lines, state_words
from shared.values.changes import Action
from shared.values.jobs import FATES, SOURCE_BUCKETS, Brake, DestinationBalance, Job, JobState, bucket_word
from shared.values.life import resumable

LONGEST_VALUE = 80
"""Characters of a variable's value; `show --json` has it whole."""
STYLES = {
    JobState.SUCCEEDED: "bold green",
    JobState.COMPLETED_WITH_ERRORS: "bold yellow",
    JobState.AWAITING_APPROVAL: "bold cyan",
    JobState.FAILED: "bold red",
}
_UNDER_WAY = {
    JobState.QUEUED: ("carry it out here and now", "take it off the queue"),
    JobState.RUNNING: ("go on with it, if its process has died", "stop it within one batch"),
}


def print_job(out: Console, job: Job) -> None:
    """State, counts, balances, notes, error and brakes."""
    _print_head(out, job)
    if job.planned or job.source.read or job.destination.read:
        _print_counts(out, job)
        _print_balances(out, job)
    for step in job.steps:
        verdict = ("done", "green") if step.succeeded else ("failed", "red")
        say(out, ("Step ", "bold"), f"{safe(step.name)}: ", verdict, f", {safe_lines(step.detail)}")
    for note in job.notes:
        say(out, f"Note: {safe_lines(as_called(note))}")
    if job.error:
        say(out, (safe_lines(as_called(job.error)), "red"))
    _print_brakes(out, job)


def print_origin(out: Console, job: Job) -> None:
    """By which definition the job went, and how long each phase took."""
    if job.definition_hash:
        say(out, (f"definition {safe(job.definition_version)}, hash {job.definition_hash[:12]}", "dim"))
    if job.timings_s:
        phases = ", ".join(f"{safe(name)} {duration(seconds)}" for name, seconds in job.timings_s.items())
        say(out, (f"phases: {phases}", "dim"))


def print_next_steps(out: Console, job: Job) -> None:
    """The commands that lead on from here, if any."""
    steps = _next_steps(job)
    width = max((len(command) for command, _ in steps), default=0)
    for number, (command, words) in enumerate(steps):
        say(out, "" if number else "\n", "  ", (command.ljust(width), "bold"), "  ", (words, "dim"), hang=width + 4)


def print_head(out: Console, job: Job) -> None:
    """One line: which job, of which sync, and its state."""
    say(out, f"Job {job.id}  {job.sync}  ", (state_words(job.state.value), STYLES.get(job.state, "bold")))


def _print_head(out: Console, job: Job) -> None:
    print_head(out, job)
    words = [f"started by {safe(job.started_by)} at {instant(job.created_at)}"]
    if job.finished_at is not None:
        words.append(f"took {duration(job.worked_s)}")
    if job.requests:
        words.append(counted(job.requests.get("requests", sum(job.requests.values())), "request"))
        throttled_s = job.requests.get("throttled_s", 0)
        words += [f"{duration(throttled_s)} of pauses that the service asked for"] if throttled_s else []
    say(out, (", ".join(words), "dim"))
    if job.applied_by is not None:
        say(out, (f"applied by {safe(job.applied_by)}", "dim"))
    if job.undoes:
        say(out, (f"takes back job {job.undoes}", "dim"))
    if job.replays:
        say(out, (f"replays rejects of {safe(job.replays)}", "dim"))
    if job.variables:
        values = ", ".join(f"{safe(name)}={cut(safe(value), LONGEST_VALUE)}" for name, value in job.variables.items())
        say(out, (f"with {values}", "dim"))


def _print_counts(out: Console, job: Job) -> None:
    """Three small tables side by side."""
    grid = Table.grid(padding=(0, 4))
    planned = [(action.value, job.planned.get(action.value, 0)) for action in Action]
    source = [(bucket_word(job, name), getattr(job.source, name)) for name in ("read", *SOURCE_BUCKETS)]
    title = "Changes of that job" if job.undoes else "Source records"
    destination = [(name, getattr(job.destination, name)) for name in ("read", "matched", "duplicate", *FATES)]
    grid.add_row(_counts("Changes planned", planned), _counts(title, source), _counts("Destination rows", destination))
    draw(out, Padding(grid, (1, 0, 1, 0)))


def _counts(title: str, rows: list[tuple[str, int]]) -> Table:
    table = Table(title, "", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.columns[1].justify = "right"
    for name, count in [(name, count) for name, count in rows if count] or [("none", 0)]:
        table.add_row(name.replace("_", " "), f"{count:,}")
    return table


def _print_balances(out: Console, job: Job) -> None:
    for title, sentence, closes in (
        ("Changes" if job.undoes else "Source", source_sentence(job), job.source.closes),
        ("Destination", destination_sentence(job.destination), job.destination.closes),
    ):
        verdict = ("balances", "green") if closes else ("DOES NOT BALANCE, please report this job", "bold red")
        say(out, (f"{title} ", "bold"), verdict, ": ".ljust(13 - len(title)), sentence, hang=22)


def source_sentence(job: Job) -> str:
    """`10,000 read = 100 created + 9,900 unchanged`."""
    balance = job.source
    return (
        f"{balance.read:,} read = {_sum({bucket_word(job, name): getattr(balance, name) for name in SOURCE_BUCKETS})}"
    )


def destination_sentence(balance: DestinationBalance) -> str:
    """`9,900 read = 9,880 matched + 20 dropped (15 deleted + 5 kept)`."""
    parts = {"matched": balance.matched, "duplicate": balance.duplicate, "dropped": balance.dropped}
    sentence = f"{balance.read:,} read = {_sum(parts)}"
    fates = {name: getattr(balance, name) for name in FATES}
    return f"{sentence} ({_sum(fates)})" if balance.dropped else sentence


def _sum(buckets: dict[str, int]) -> str:
    parts = [f"{count:,} {name.replace('_', ' ')}" for name, count in buckets.items() if count]
    return " + ".join(parts) or "0"


def _print_brakes(out: Console, job: Job) -> None:
    if not job.brakes:
        return
    head = "Held by a brake:" if len(job.brakes) == 1 else f"Held by {len(job.brakes)} brakes:"
    say(out, "\n", (head, "bold yellow"))
    for brake in job.brakes:
        say(out, f"  {safe_lines(brake.message)}")
    if job.state is JobState.AWAITING_APPROVAL:
        once = f"`{called()} apply {job.id}` lets it through once"
        say(out, "; ".join([once, *_for_good(job.brakes)]) + ".")


def _for_good(brakes: Sequence[Brake]) -> Iterator[str]:
    """What lets such a plan through in every job: all the settings that it takes."""
    settings = settings_of(brakes)
    if settings:
        limits = " and ".join(f"`behaviour.brakes.{name}`" for name in settings)
        null = "" if settings == ("at_least",) else "null: no limit; "
        floor = "`at_least`: so many are always let through"
        yield f"for every job, raise {limits} in the definition ({null}{floor}) and plan again"
    if any(map(is_empty, brakes)):
        yield "no setting lets an empty source through"


def _next_steps(job: Job) -> list[tuple[str, str]]:
    aside = job.source.rejected or job.source.conflict
    look = [(f"{called()} rejects {job.id}", "what was set aside, by cause")] if aside else []
    again = (
        [(f"{called()} replay {job.id}", "run that again as read, once the definition or Dataverse is mended")]
        if aside and job.open_rejects
        else []
    )
    match job.state:
        case JobState.QUEUED | JobState.RUNNING:
            words, stop = _UNDER_WAY[job.state]
            return [(f"{called()} apply {job.id}", words), (f"{called()} cancel {job.id}", stop)]
        case JobState.AWAITING_APPROVAL:
            words = "carry it out all the same" if job.brakes else "carry out this plan"
            plan = (f"{called()} show {job.id} --changes", "the plan, field by field")
            return [plan, *look, (f"{called()} apply {job.id}", words)]
        case JobState.FAILED | JobState.CANCELLED if resumable(job):
            apply = (f"{called()} apply {job.id}", "go on where it stopped, once the cause is mended")
            return [*look, apply, (f"{called()} plan {job.sync}", "or plan anew")]
        case JobState.FAILED:
            check = (f"{called()} check {job.sync}", "the definition's problems, or those of source and table")
            return [*look, check, (f"{called()} plan {job.sync}", "plan again, once the cause is mended")]
        case JobState.CANCELLED:
            return [*look, (f"{called()} plan {job.sync}", "plan again")]
        case _:
            return [*look, *again]
