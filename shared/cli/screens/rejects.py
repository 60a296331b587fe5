"""Rejects, grouped by cause."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console

from shared.cli.screens.paper import say
from shared.cli.texts import counted, cut, safe
from shared.values.jobs import Job
from shared.values.records import Reject

MOST_CAUSES = 100
EXAMPLES = 5
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|0x[0-9a-fA-F]+|\d[\d.,]*")


@dataclass
class Cause:
    """Rejects that say the same about the same column."""

    type: str
    column: str | None
    reason: str
    rejecting: bool
    count: int = 0
    rows: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def add(self, reject: Reject) -> None:
        """Count one more, and keep it as an example while there are few."""
        self.count += 1
        if reject.row is not None and len(self.rows) < EXAMPLES:
            self.rows.append(reject.row)
        if reject.key is not None and len(self.keys) < EXAMPLES and reject.key not in self.keys:
            self.keys.append(reject.key)
        if reject.found and len(self.found) < EXAMPLES and reject.found not in self.found:
            self.found.append(reject.found)


def pattern(reason: str) -> str:
    """The reason without what is particular to one record: quoted texts, ids and numbers."""
    return _PARTICULARS.sub("…", reason)


def by_cause(rejects: Iterable[Reject]) -> list[Cause]:
    """The causes, the most frequent first. Beyond a hundred, the rest of a type is counted together."""
    causes: dict[tuple[object, ...], Cause] = {}
    for reject in rejects:
        name: tuple[object, ...] = (reject.type, reject.column, pattern(reject.reason), reject.rejecting)
        cause = Cause(reject.type.value, reject.column, reject.reason, reject.rejecting)
        if name not in causes and len(causes) >= MOST_CAUSES:
            name = (reject.type, reject.rejecting)
            cause = Cause(reject.type.value, None, "various other reasons", reject.rejecting)
        causes.setdefault(name, cause).add(reject)
    return sorted(causes.values(), key=lambda cause: -cause.count)


def print_rejects(out: Console, job: Job, rejects: Iterable[Reject]) -> None:
    """The whole screen."""
    causes = by_cause(rejects)
    if not causes:
        say(out, f"Job {job.id} of {job.sync} set nothing aside.")
        return
    total = counted(sum(cause.count for cause in causes), "reject")
    say(out, (f"Job {job.id} of {job.sync}: {total}, {counted(len(causes), 'cause')}", "bold"))
    for cause in causes:
        say(out, "")
        _print_cause(out, cause)
    say(out, f"\n`dynsync rejects {job.id} --csv FILE` writes them all.")


def _print_cause(out: Console, cause: Cause) -> None:
    where = f" in {safe(cause.column)}" if cause.column else ""
    kept = "" if cause.rejecting else "  (reported; the record was kept)"
    say(out, (f"{cause.count:>8,}  ", "bold"), (cause.type, "bold red"), where, (kept, "dim"))
    first = "" if cause.count == 1 or not _PARTICULARS.search(cause.reason) else "for example: "
    say(out, f"          {first}{cut(safe(cause.reason), 300)}")
    shown = (("found  ", cause.found), ("records", [f"{row:,}" for row in cause.rows]), ("keys   ", cause.keys))
    for title, examples in shown:
        if examples:
            more = ", …" if cause.count > len(examples) and len(examples) == EXAMPLES else ""
            texts = ", ".join(cut(safe(example), 60) for example in examples)
            say(out, (f"          {title} {texts}{more}", "dim"))
