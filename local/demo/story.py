"""The story, step by step. Every command is the real one, in a process of its own; every count is checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local.demo.files import BROKEN, YearLater, first_file, tear, write_records, year_later
from local.demo.places import Record
from local.demo.stage import COMMAND, Dataverse, DemoError, dynsync
from local.demo.telling import Paper
from shared.state import LocalState
from shared.values.jobs import Job

CLEAN, WITH_REJECTS, WAITS = 0, 2, 3
_MEANINGS = {CLEAN: "clean", 1: "failed", WITH_REJECTS: "finished with rejects", WAITS: "waits for approval"}


@dataclass(slots=True)
class Story:
    """The demo once its stage is set: tells it, and notes how many seconds each step took."""

    folder: Path
    dataverse: Dataverse
    paper: Paper
    countries: list[Record]
    cities: list[Record]
    clock_s: Callable[[], float] = time.monotonic
    took_s: dict[str, float] = field(default_factory=dict)

    def tell(self) -> None:
        """The whole story.

        Raises:
            DemoError: a command did not end as it must, or a count is not what the files say.
        """
        first, later = first_file(self.cities), year_later(self.cities)
        with self._step("Countries", f"1. {len(self.countries):,} countries: a small sync to begin with"):
            self._countries()
        with self._step(
            "Cities", f"2. {len(first):,} cities, each with its country (a lookup) and a size class (a choice)"
        ):
            self._cities(first)
        with self._step("Nothing new", "3. The same again: nothing changed, so nothing is written"):
            self._again(first)
        with self._step("A year later", "4. A year later: a changed file, with a dozen broken records"):
            self._year_later(later)
        with self._step("A torn file", "5. A torn file: what cannot be read is no reason to delete"):
            self._torn(later)

    # ---- steps

    def _countries(self) -> None:
        write_records(self.folder / "countries.csv", self.countries)
        self.paper.tell(
            "syncs/countries.yaml says where the records come from, which table they go to, and which column is the "
            "key. `check` holds it against the file and against the table in Dataverse."
        )
        self._run("check", "countries", ends=CLEAN)
        self.paper.tell("The table is empty, so every record becomes a row.")
        self._run("run", "countries", ends=CLEAN)
        self._counts(created=len(self.countries))

    def _cities(self, first: list[Record]) -> None:
        write_records(self.folder / "cities.csv", first)
        self.paper.tell(
            "The file holds the country's code (NL); Dataverse wants the id of the country's row. The definition names "
            "the column to look in, and `dynsync` finds the ids. Names come in many scripts: Łódź, 東京, Πάτρα, بغداد."
        )
        self._run("run", "cities", ends=CLEAN)
        self._counts(created=len(first))

    def _again(self, first: list[Record]) -> None:
        self.dataverse.forget_requests()
        self.paper.tell("Both sides are read and compared as Dataverse would store them.")
        self._run("run", "cities", ends=CLEAN)
        self._counts(unchanged=len(first))
        total, writes = self.dataverse.logged()
        _demand(not writes, f"a run without changes sent {len(writes)} writing requests, the first: {writes[:1]}")
        self.paper.verdict(f"Dataverse's own log: {total:,} requests in this run, 0 of them wrote anything.")

    def _year_later(self, later: YearLater) -> None:
        write_records(self.folder / "cities.csv", later.records)
        self.paper.tell(
            f"In the new file {later.new:,} cities are new, {later.changed:,} have grown, {later.dropped:,} small ones "
            f"are gone, and {BROKEN} records are broken, each in its own way. `plan` shows what would happen, column "
            "by column, and writes nothing."
        )
        self._run("plan", "cities", "--sample", "3", ends=WAITS)
        self.paper.tell(
            f"Nobody is asked yet. So let it run, as a timer would at night: {later.dropped:,} removals are more than "
            "the 5% that the definition allows, a brake holds the job before its first write, and the exit code is 3."
        )
        held = self._run("run", "cities", ends=WAITS)
        _demand([brake.name for brake in held.brakes] == ["removals"], f"the brakes are {held.brakes}, not removals")
        self.paper.tell(
            "The small cities are meant to go. A person looks at the plan and approves: exactly it is carried out."
        )
        self._run("apply", held.id, ends=WITH_REJECTS)
        self._counts(
            created=later.new, updated=later.changed, unchanged=later.unchanged, rejected=BROKEN, deleted=later.dropped
        )
        self.paper.tell("The broken records were set aside and did not hold up their neighbours. Which, and why:")
        self._run("rejects", held.id, ends=CLEAN)
        self.paper.tell(
            "Every job stays readable, with its plan. Here is one city that grew beyond 100,000 inhabitants: its size "
            "class changed with it. Both balances close: each record read, and each row, is accounted for."
        )
        self._run("show", held.id, "--changes", "--key", later.risen, ends=CLEAN)

    def _torn(self, later: YearLater) -> None:
        write_records(self.folder / "cities.csv", later.records[len(later.records) // 12 :])
        tear(self.folder / "cities.csv")
        self.paper.tell(
            "One more file. A twelfth of the cities is missing, one line has lost half of its fields, and one city its "
            "code. Those two could be any of the missing, so no row is removed at all."
        )
        job = self._run("run", "cities", ends=WITH_REJECTS)
        _demand(job.destination.deleted == 0 < job.destination.kept, "rows were removed although keys cannot be read")
        write_records(self.folder / "cities.csv", later.records)

    # ---- how a step is told

    @contextmanager
    def _step(self, name: str, title: str) -> Iterator[None]:
        self.paper.title(title)
        began = self.clock_s()
        yield
        self.took_s[name] = self.clock_s() - began

    def _run(self, *words: str, ends: int) -> Job:
        """Run one command; the job that it left."""
        line = f"{COMMAND} {' '.join(words)}"
        self.paper.command(line)
        code = dynsync(self.folder, *words)
        meant = f"{code} ({_MEANINGS.get(code, 'unknown')})"
        _demand(code == ends, f"`{line}` ended with {meant}; here it must end with {ends} ({_MEANINGS[ends]})")
        return self._last_job() if words[0] != "check" else None  # type: ignore[return-value]

    def _last_job(self) -> Job:
        state = LocalState(self.folder / ".dynsync")
        try:
            return state.list(limit=1)[0]
        finally:
            state.close()

    def _counts(self, **expected: int) -> None:
        """Hold the last job's counts against what the files say; whatever is not named must be 0."""
        job = self._last_job()
        found = {name: getattr(job.source, name) for name in ("created", "updated", "unchanged", "rejected")}
        found["deleted"] = job.destination.deleted
        wanted = dict.fromkeys(found, 0) | expected
        _demand(found == wanted, f"job {job.id} counted {found}; the files say {wanted}")
        _demand(job.source.closes and job.destination.closes, f"the balances of job {job.id} do not close")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoError(otherwise)


def ending(story: Story, *, keep: bool) -> None:
    """How long it took, where everything is, and how to go on."""
    paper, folder = story.paper, _shown(story.folder)
    paper.title("What you have seen")
    paper.rows([(name, f"{seconds:5.1f} s") for name, seconds in story.took_s.items()])
    paper.tell(f"Everything is in {folder}:")
    paper.rows(
        [
            ("cities.csv", "the source file: whole again, and a year later"),
            ("syncs/cities.yaml", "the definition: read it, change it"),
            (".dynsync/jobs", "every job's plan and rejects"),
            ("dataverse.db", "the rows of the local Dataverse (SQLite)"),
        ]
    )
    paper.tell(
        "To go on, for instance after a change of your own to cities.csv, type:"
        if not keep
        else "To go on in another terminal, for instance after a change of your own to cities.csv, type:"
    )
    paper.rows([(line, "") for line in _lines_to_go_on(story, keep=keep)])


def _lines_to_go_on(story: Story, *, keep: bool) -> list[str]:
    port = story.dataverse.origin.rpartition(":")[2]
    start = [] if keep else [f"{COMMAND} dataverse --file dataverse.db --port {port} &"]
    return [f"cd {_shown(story.folder)}", ". ./sign-in.sh", *start, f"{COMMAND} plan cities", f"{COMMAND} jobs"]


def _shown(folder: Path) -> str:
    """The folder as it is shortest to type."""
    here = Path.cwd()
    return folder.relative_to(here).as_posix() if folder.is_relative_to(here) else str(folder)
