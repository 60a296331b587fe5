"""Rejects, grouped by cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console

from shared.cli.screens.paper import say
from shared.cli.texts import called, counted, cut, safe
from shared.values.cases import Case
from shared.values.causes import Cause, Tally, by_cause
from shared.values.jobs import Job
from shared.values.records import Reject


def print_rejects(out: Console, job: Job, rejects: Iterable[Reject], *, still_open: int = 0) -> None:
    """What a job set aside; of how many records nothing has become since."""
    if not _print_causes(out, f"Job {job.id} of {job.sync}", rejects):
        say(out, f"Job {job.id} of {job.sync} set nothing aside.")
        return
    say(out, f"\n`{called()} rejects {job.id} --csv FILE` writes them all.")
    if still_open:
        verb, them = ("is", "it") if still_open == 1 else ("are", "them")
        say(out, f"{counted(still_open, 'record')} {verb} still open.")
        say(out, _again(job.id, job.sync, them))


def print_open(out: Console, sync: str, cases: Iterable[Case]) -> None:
    """What is open of a sync, by cause."""
    causes = _print_causes(out, f"Open rejects of {safe(sync)}", (case.reject for case in cases))
    if not causes:
        say(out, f"Sync {safe(sync)} has no open rejects.")
        return
    name = f"{causes[0].type}/{causes[0].column}" if causes[0].column else causes[0].type
    say(out, f"\n`{called()} rejects {sync} --cause '{safe(name)}'` shows each, `--csv FILE` writes them all.")
    say(out, _again(sync, sync, "them"))


def _again(target: str, sync: str, them: str) -> str:
    replay = f"`{called()} replay {target}` runs {them} again as read, once the definition or Dataverse is mended"
    return f"{replay}; mended in the source: `{called()} run {sync}` reads {them} anew."


def print_overview(out: Console, syncs: Mapping[str, int]) -> None:
    """How many records every sync has open."""
    width = max((len(name) for name in syncs), default=0)
    if not any(syncs.values()):
        say(out, "No sync has open rejects.")
        return
    for name, count in syncs.items():
        style = "bold yellow" if count else "dim"
        say(out, (safe(name).ljust(width), "bold"), "  ", (counted(count, "open record"), style))


def print_each(out: Console, cases: Iterable[Case]) -> None:
    """One by one: where it was, its key, what was found and why it was set aside."""
    nothing = True
    for case in cases:
        nothing = False
        reject = case.reject
        place = f"  record {reject.row:,}" if reject.row is not None else ""
        where = f" in {safe(reject.column)}" if reject.column else ""
        key = "(none)" if not reject.key else cut(safe(reject.key), 60)
        say(out, (reject.type.value, "bold red"), f"{where}  ", (key, "bold"), (f"{place}  job {case.job}", "dim"))
        found = f"    found {cut(safe(reject.found), 60)}: " if reject.found else "    "
        say(out, f"{found}{cut(safe(reject.reason), 300)}")
    if nothing:
        say(out, f"No reject fits; `{called()} rejects` lists what is open, and by a sync's name its causes.")


def _print_causes(out: Console, what: str, rejects: Iterable[Reject]) -> list[Cause]:
    """The groups under a head."""
    tally = Tally()
    causes = by_cause(tally.counting(rejects))
    if causes:
        say(out, (f"{what}: {tally.words()}; {counted(len(causes), 'cause')}", "bold"))
    for cause in causes:
        say(out, "")
        _print_cause(out, cause)
    return causes


def _print_cause(out: Console, cause: Cause) -> None:
    where = f" in {safe(cause.column)}" if cause.column else ""
    kept = "" if cause.rejecting else "  (reported; the record was kept)"
    say(out, (f"{cause.count:>8,}  ", "bold"), (cause.type, "bold red"), where, (kept, "dim"))
    first = "for example: " if len(cause.reasons) > 1 and cause.reason in cause.reasons else ""
    say(out, f"          {first}{cut(safe(cause.reason), 300)}")
    shown = (("found  ", cause.found), ("records", [f"{row:,}" for row in cause.rows]), ("keys   ", cause.keys))
    for title, examples in shown:
        if examples:
            more = ", …" if title.strip() in cause.more else ""
            texts = ", ".join(cut(safe(example), 60) for example in examples)
            say(out, (f"          {title} {texts}{more}", "dim"))
