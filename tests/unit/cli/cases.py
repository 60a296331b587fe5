"""A hand-made app with jobs of every kind, and a way to run the command against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from shared.cli.looking import SourceLook
from shared.cli.root import dynsync
from shared.cli.session import Session
from shared.errors import DefinitionError, DynsyncError, NotFoundError, UnavailableError, UnknownTableError
from shared.ports import ProgressListener
from shared.values.cases import ANY, Case, Choice
from shared.values.changes import Action, Outcome, OutcomeStatus
from shared.values.jobs import Brake, DestinationBalance, Job, JobState, Phase, Progress, SourceBalance
from shared.values.looks import SourceSample
from shared.values.plans import FieldChange, PlannedChange
from shared.values.problems import Problem, Severity
from shared.values.records import Reject, RejectType
from shared.values.stories import ChangeStory, RecordStory
from shared.values.tables import AlternateKey, Column, ColumnKind, LookupTarget, Table

FIXTURES = Path(__file__).parents[2] / "fixtures" / "cli"
STARTED = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)

CLEAN = Job(
    id="7f3c0a1e",
    sync="accounts-from-erp",
    state=JobState.SUCCEEDED,
    started_by="nia",
    created_at=STARTED,
    finished_at=STARTED + timedelta(seconds=12.4),
    planned={"create": 100, "update": 40, "delete": 15},
    source=SourceBalance(read=10_000, created=100, updated=40, unchanged=9_850, filtered=10),
    destination=DestinationBalance(read=9_910, matched=9_890, deleted=15, kept=5),
    notes=("12 cells were absent and left alone.",),
    requests={"read": 3, "write": 4},
    variables={"region": "EMEA"},
    definition_version="1.0.0",
    definition_hash="3fa9c1d27be804d5a6",
    timings_s={"read source": 1.2, "read destination": 8.0, "apply": 3.2},
)
WITH_REJECTS = replace(
    CLEAN,
    id="8a11b2c3",
    state=JobState.COMPLETED_WITH_ERRORS,
    source=replace(CLEAN.source, unchanged=9_847, rejected=3),
    open_rejects=3,
    applied_by="otto",
)
HELD = replace(
    CLEAN,
    id="91d0e4f5",
    state=JobState.AWAITING_APPROVAL,
    finished_at=None,
    source=SourceBalance(read=100, unchanged=88, rejected=2, not_attempted=10),
    destination=DestinationBalance(read=200, matched=95, not_attempted=105),
    planned={"create": 2, "update": 8, "delete": 105},
    brakes=(
        Brake("removals", 105, 200, 10, "105 rows would be removed, of 200 rows of the destination; 10 are allowed"),
        Brake("empty source", 100, 9_000, 4_500, "the source holds far fewer records than last time"),
    ),
)
WAITING = replace(HELD, id="a2b3c4d5", brakes=())
FAILED = Job(
    id="b3c4d5e6",
    sync="accounts-from-erp",
    state=JobState.FAILED,
    started_by="timer",
    created_at=STARTED,
    finished_at=STARTED + timedelta(minutes=3, seconds=5),
    error="line 17 of customers.csv has 5 fields where 6 are expected\nnothing was written",
)
UNDO = replace(
    WAITING,
    id="c4d5e6f7",
    undoes=CLEAN.id,
    source=SourceBalance(read=155, unchanged=1, ignored=3, conflict=5, asked_to_delete=98, not_attempted=48),
    destination=DestinationBalance(read=140, matched=40, kept=2, not_attempted=98),
    planned={"create": 15, "update": 33, "delete": 98},
    variables={},
    notes=("a run of accounts-from-erp that reads these records again brings the changes back",),
)
JOBS = [FAILED, WAITING, HELD, WITH_REJECTS, CLEAN]

CHANGES = [
    PlannedChange(
        0,
        Action.CREATE,
        "C-1001",
        "6f0c2f4e-0000-4000-8000-000000000001",
        17,
        (FieldChange("accountnumber", None, "C-1001"), FieldChange("name", None, "Łódź Werke [bold]AG")),
    ),
    PlannedChange(
        1,
        Action.UPDATE,
        "C-2002",
        "6f0c2f4e-0000-4000-8000-000000000002",
        18,
        (
            FieldChange("creditlimit", Decimal("1000.00"), Decimal("2500.00")),
            FieldChange("donotemail", False, True),
            FieldChange("telephone1", "+31 20 555 0101", None),
            FieldChange("description", "first\nsecond \x1b[31mred", "x" * 300),
        ),
    ),
    PlannedChange(2, Action.EXPIRE, "C-3003", "6f0c2f4e-0000-4000-8000-000000000003", None,
                  (FieldChange("new_expiredon", None, "2025-03-01T12:00:00Z"),)),
    PlannedChange(3, Action.DELETE, "C-4004", "6f0c2f4e-0000-4000-8000-000000000004", None,
                  (FieldChange("name", "Old Ltd", None),)),
]  # fmt: skip

REJECTS = [
    *(
        Reject(
            row, f"C-{row}", RejectType.MAX_LENGTH, "telephone1", "9" * 60, f"'{'9' * row}' has {row} signs, at most 50"
        )
        for row in range(51, 60)
    ),
    Reject(3, None, RejectType.MALFORMED_ROW, None, "a;b", "5 fields where 6 are expected"),
    Reject(4, "C-4", RejectType.MANDATORY, "name", None, "the value is empty", rejecting=False),
    Reject(9, "=C9", RejectType.REFUSED, "creditlimit", "-5", "A value is out of range", "0x80044331", "req-1"),
]

OPEN_CASES = [Case("8a11b2c3", one, kept=one.key is not None) for one in REJECTS if one.rejecting]
REPLAY = replace(
    WITH_REJECTS,
    id="d5e6f7a8",
    replays="accounts-from-erp with cause 'Max Length Violation'",
    source=SourceBalance(read=9, updated=6, stale=1, rejected=2),
    destination=DestinationBalance(read=8, matched=8),
    planned={"update": 6},
    variables={},
    notes=(),
    open_rejects=4,
    applied_by=None,
)

PROBLEMS = [
    Problem("behaviour.brakes.removals", "is 80%", "think about a lower share", Severity.WARNING),
    Problem("mappings.2.target", "account has no column 'nmae'", "did you mean 'name'?"),
]
BROKEN = DefinitionError("contacts", [Problem("source.type", "'cvs' is not a kind of source", "write delimited")])


def column(name: str, kind: ColumnKind = ColumnKind.TEXT, **members: Any) -> Column:
    return Column(name=name, schema_name=name.title(), kind=kind, type_name=kind.value, **members)


ACCOUNT = Table(
    name="account",
    schema_name="Account",
    entity_set="accounts",
    id_column="accountid",
    name_column="name",
    columns={
        one.name: one
        for one in (
            column("accountid", ColumnKind.UNIQUEIDENTIFIER, primary_id=True),
            column("accountnumber", label="Account Number"),
            column("name", label="Account Name"),
            column("creditlimit", ColumnKind.MONEY, label="Credit Limit"),
            column("telephone1", label="Main Phone"),
            column("new_openedon", ColumnKind.DATETIME, label="Opened On"),
            column("parentaccountid", ColumnKind.LOOKUP, targets=(LookupTarget("account", "accounts", "parent"),)),
            column("createdon", ColumnKind.DATETIME, creatable=False, updatable=False),
        )
    },
    keys=(AlternateKey("by_number", ("accountnumber",), active=True),),
)
LOOK = SourceLook(
    settings={"type": "delimited", "delimiter": ";", "encoding": "utf-8"},
    columns=(
        {"name": "accountnumber", "type": "number"},
        {"name": "Credit Limit", "type": "number"},
        {"name": "openedon", "type": "date", "input_format": "%d/%m/%Y"},
        {"name": "telephone", "type": "text"},
        {"name": "parentaccountid", "type": "text"},
        {"name": "shoe: size", "type": "number", "validate": True},
        {"name": "createdon", "type": "date"},
    ),
    doubts={"openedon": "day or month\nfirst?", "accountnumber": "looks like a number"},
)


@dataclass
class MadeUpApp:
    """Answers from the values above and notes what it was asked."""

    result: Job = CLEAN
    error: BaseException | None = None
    reachable: bool = True
    tables: tuple[str, ...] | None = None
    problems: list[Problem] = field(default_factory=list)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    open_cases: Sequence[Case] = ()

    def sync_names(self) -> list[str]:
        return ["accounts-from-erp", "contacts"]

    def broken(self) -> Mapping[str, DefinitionError]:
        return {"contacts": BROKEN}

    def check(self, sync: str) -> list[Problem]:
        return self.problems

    def _ended(self, verb: str, progress: ProgressListener, **asked: object) -> Job:
        self.asked.append((verb, asked))
        progress(Progress(Phase.READ_SOURCE))
        progress(Progress(Phase.READ_SOURCE, 10_000))
        progress(Progress(Phase.APPLY, 50, 155, rejected=3))
        progress(Progress(Phase.APPLY, 155, 155, rejected=3))
        if self.error is not None:
            raise self.error
        return self.result

    def start(self, sync: str, *, progress: ProgressListener, apply: bool, **asked: object) -> Job:
        return self._ended("run" if apply else "plan", progress, sync=sync, **asked)

    def queue(self, sync: str, **asked: object) -> Job:
        self.asked.append(("queue", {"sync": sync, **asked}))
        return self.result

    def apply(self, job_id: str, *, progress: ProgressListener, **asked: object) -> Job:
        return self._ended("apply", progress, job_id=job_id, **asked)

    def undo(self, job_id: str, *, progress: ProgressListener, **asked: object) -> Job:
        return self._ended("undo", progress, job_id=job_id, **asked)

    def replay(self, target: str, choice: Choice, *, progress: ProgressListener, **asked: object) -> Job:
        return self._ended("replay", progress, target=target, choice=choice, **asked)

    def open_rejects(self, target: str, choice: Choice = ANY) -> Iterator[Case]:
        self.asked.append(("open_rejects", {"target": target, "choice": choice}))
        return (case for case in self.open_cases if choice.fits(case))

    def cancel(self, job_id: str, *, by: str) -> Job:
        self.asked.append(("cancel", {"job_id": job_id, "by": by}))
        return self.result

    def stories(
        self, key: str, *, job_id: str | None = None, sync: str | None = None, limit: int = 20
    ) -> list[RecordStory]:
        self.asked.append(("stories", {"key": key, "job_id": job_id, "sync": sync, "limit": limit}))
        refused = Outcome(1, OutcomeStatus.REJECTED, "0x8004", "no")
        changes = tuple(ChangeStory(one, refused) for one in CHANGES if one.key == key)
        return [RecordStory(CLEAN, changes, tuple(REJECTS[:1]) if changes else ())]

    def jobs(self, *, sync: str | None = None, limit: int = 20) -> list[Job]:
        return [job for job in JOBS if sync in (None, job.sync)][:limit]

    def job(self, job_id: str) -> Job:
        for job in JOBS:
            if job.id.startswith(job_id):
                return job
        raise NotFoundError(f"there is no job {job_id!r}; `dynsync jobs` lists them")

    def plan_sample(
        self, job_id: str, *, limit: int, actions: Sequence[Action] | None = None, key: str | None = None
    ) -> list[PlannedChange]:
        fitting = [one for one in CHANGES if (not actions or one.action in actions) and key in (None, one.key)]
        return fitting[:limit]

    def export_plan(self, job_id: str, path: Path) -> int:
        path.write_text("change\n", encoding="utf-8")
        return 155

    def rejects(self, job_id: str, *, limit: int | None = None) -> Iterator[Reject]:
        return iter([] if job_id == CLEAN.id else REJECTS[:limit])

    def sample(self, sync: str, source: Mapping[str, object]) -> SourceSample:
        self.asked.append(("sample", dict(source)))
        types = {"accountnumber": "VARCHAR", "Credit Limit": "DECIMAL", "openedon": "TIMESTAMP", "done": "BOOLEAN"}
        return SourceSample(types, (("A1", "1.50", None, "true"),), 25_000)

    def table(self, sync: str, destination: Mapping[str, object]) -> Table:
        self.asked.append(("table", dict(destination)))
        if not self.reachable:
            raise UnavailableError("nobody answers at 127.0.0.1:8765")
        if self.tables is not None and destination["entity"] not in self.tables:
            remedy = f"did you mean {', '.join(self.tables)}?"
            raise UnknownTableError(f"the environment has no table {destination['entity']!r}", remedy=remedy)
        return ACCOUNT


def call(app: MadeUpApp, *words: str, answers: str | None = None, environ: Mapping[str, str] | None = None) -> Result:
    """One call of the command, without a terminal; `catch_exceptions=False`, so that a traceback fails the test."""
    session = Session(open_app=lambda state, syncs: app, look=lambda path: LOOK, clock=lambda: 0.0)
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "LOGNAME": "nia", **(environ or {})})
    return runner.invoke(dynsync, words, obj=session, input=answers, catch_exceptions=False)


def spoken(app: MadeUpApp, *words: str) -> Any:
    """What the command says with --json, read back."""
    return json.loads(call(app, *words, "--json").stdout)


def failing(error: DynsyncError) -> MadeUpApp:
    return MadeUpApp(error=error)
