"""What the laws of writing share: rows that are good or bad in known ways, faults that end, and a job that goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.dataverse import LocalDataverse
from shared.dataverse.auth import ClientSecretTokens
from shared.dataverse.client import DataverseClient
from shared.dataverse.writing import Writer
from shared.errors import RetryError
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind

CITY, NOBULK, READING, COUNTRY = "new_city", "new_nobulk", "new_reading", "new_country"
TABLES = (CITY, NOBULK, READING, COUNTRY)
"""With bulk messages; without; elastic; and one whose rows others hold on to."""
GOOD = "good"
DONE, REJECTED, CONFLICT = OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.CONFLICT
OPEN = (OutcomeStatus.NOT_ATTEMPTED, OutcomeStatus.IN_DOUBT)
NAMED = "after"
"""The name that a row has when its write has landed."""
_ROUNDS = 20


def row_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


PARENT, ABSENT = row_id(0xAAAA), row_id(0xDEAD)


@dataclass(frozen=True)
class Case:
    """One row of a task. `there`: the table holds it before; `held`: another row hangs on it; `stale`: an old ETag."""

    body: dict[str, object] = field(default_factory=dict)
    status: OutcomeStatus = DONE
    code: str | None = None
    there: bool = True
    held: bool = False
    stale: bool = False


def refused(code: str, **more: object) -> Case:
    return Case(status=REJECTED, code=code, **more)


TOO_LONG = refused("0x80044331", body={"new_name": "x" * 5000})
NO_OPTION = refused("0x8004431a", body={"new_sizeclass": 7})
NO_PARENT = refused("0x80040217", body={"new_CountryId@odata.bind": f"/new_countries({ABSENT})"})
TOO_LARGE = refused("0x80044330", body={"new_value": 5_000_000})
WRONG_PAIR = refused("0x80048408", body={"statecode": 1, "statuscode": 1})
GONE = refused("0x80040217", there=False)
BAD = {
    CITY: {"too long": TOO_LONG, "no option": NO_OPTION, "no parent": NO_PARENT},
    NOBULK: {"too long": TOO_LONG},
    READING: {"too long": TOO_LONG, "too large": TOO_LARGE},
    COUNTRY: {"too long": TOO_LONG},
}
_LANDS = Case({"new_name": NAMED})
_CLOSES = Case({"statecode": 1, "statuscode": 2})
_LINKS = Case({"new_CountryId@odata.bind": f"/new_countries({PARENT})"})
_STALE = Case({"new_name": NAMED}, CONFLICT, "0x80060882", stale=True)


@dataclass(frozen=True)
class Task:
    """Writes of one kind to one table. `guarded`: each carries the ETag that its row had."""

    name: str
    table: str
    kind: WriteKind
    cases: dict[str, Case]
    guarded: bool = False


def _tasks() -> list[Task]:
    found = []
    for table, bad in BAD.items():
        new = {word: Case(case.body, case.status, case.code, there=False) for word, case in bad.items()}
        good = Case({"new_name": NAMED}, there=False)
        found.append(Task("create", table, WriteKind.CREATE, {GOOD: good, **new}))
        found.append(Task("update", table, WriteKind.UPDATE, {GOOD: _LANDS, "gone": GONE, **bad}))
        found.append(Task("guarded", table, WriteKind.UPDATE, {GOOD: _LANDS, "stale": _STALE, **bad}, guarded=True))
        found.append(Task("delete", table, WriteKind.DELETE, {GOOD: Case(), "gone": Case(there=False)}))
        if table != READING:
            found.append(Task("deactivate", table, WriteKind.UPDATE, {GOOD: _CLOSES, "wrong pair": WRONG_PAIR}))
    found.append(Task("link", CITY, WriteKind.UPDATE, {GOOD: _LINKS, "no parent": NO_PARENT}))
    held = refused("0x80040227", held=True)
    found.append(Task("delete parents", COUNTRY, WriteKind.DELETE, {GOOD: Case(), "held": held}))
    return found


TASKS = _tasks()
FAULTS: list[dict[str, object]] = [
    {"kind": "drop_before"},
    {"kind": "drop_during"},
    {"kind": "drop_after"},
    {"kind": "drop_answer"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 504},
    {"kind": "deadlock"},
    {"kind": "sql_timeout", "larger_than": 3},
    {"kind": "status", "status": 413, "larger_than": 3},
    {"kind": "status", "status": 429, "code": "0x80072321", "headers": {"Retry-After": "1"}},
    {"kind": "status", "status": 429, "code": "0x80072322", "headers": {"Retry-After": "2"}},
    {"kind": "status", "status": 429, "code": "0x80072326", "headers": {"Retry-After": "1"}},
]
WRITING: dict[str, object] = {"method": "POST", "path": "api/data"}


class Quick:
    """A clock that also moves when somebody sleeps, so that no pause takes time."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead, UTC)

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


def tokens(dataverse: LocalDataverse) -> ClientSecretTokens:
    return ClientSecretTokens(
        dataverse.tenant_id,
        dataverse.client_id,
        dataverse.client_secret,
        dataverse.url,
        dataverse.authority,
        clock=lambda: datetime.now(UTC),
        allowed_authorities=[dataverse.authority],
        sleep=lambda _: None,
    )


def emptied(dataverse: LocalDataverse) -> None:
    """No rows and no faults; the parent that links are made to is there."""
    with dataverse.application.lock:
        for table in TABLES:
            dataverse.application.service.world.store.run(f'DELETE FROM "{table}"')
        dataverse.application.faults.clear()
    dataverse.insert(COUNTRY, [{"new_countryid": PARENT, "new_name": "parent"}])


@dataclass(frozen=True)
class Laid:
    """A task with its rows: what each is, and the writes to them."""

    task: Task
    cases: Sequence[Case]
    writes: Sequence[Write]

    def present(self, dataverse: LocalDataverse) -> dict[str, dict[str, object]]:
        """The rows of the task that are there, by their ids."""
        ids = {write.row_id for write in self.writes}
        rows = {str(row[f"{self.task.table}id"]): row for row in dataverse.rows(self.task.table)}
        return {one: row for one, row in rows.items() if one in ids}


def laid(dataverse: LocalDataverse, task: Task, words: Sequence[str], first: int) -> Laid:
    """Puts the rows there that a task needs; `first` numbers its rows."""
    cases = [task.cases[word] for word in words]
    ids = [row_id(first + n) for n in range(len(words))]
    column = f"{task.table}id"
    there = [one for one, case in zip(ids, cases, strict=True) if case.there]
    dataverse.insert(task.table, [{column: one, "new_name": "before"} for one in there])
    held = [one for one, case in zip(ids, cases, strict=True) if case.held]
    dataverse.insert(
        CITY, [{"new_name": "child", "new_CountryId@odata.bind": f"/new_countries({one})"} for one in held]
    )
    versions = {str(row[column]): row["versionnumber"] for row in dataverse.rows(task.table)} if task.guarded else {}
    writes = [
        Write(first + n, one, json.dumps(case.body), _etag(case, versions.get(one)) if task.guarded else None)
        for n, (one, case) in enumerate(zip(ids, cases, strict=True))
    ]
    return Laid(task, cases, writes)


def _etag(case: Case, version: object) -> str:
    return 'W/"1"' if case.stale else f'W/"{version}"'


def strays(dataverse: LocalDataverse, done: Sequence[Laid]) -> list[object]:
    """Rows that were written under an id that nobody sent."""
    sent = {write.row_id for one in done for write in one.writes}
    rows = [(row, row[f"{table}id"]) for table in TABLES for row in dataverse.rows(table)]
    return [row for row, one in rows if row["new_name"] == NAMED and one not in sent]


def settled(client: DataverseClient, writer: Writer, laid: Laid) -> list[Outcome]:
    """The outcomes; what was not settled is looked at and sent again, as a job does that goes on."""
    outcomes: dict[int, Outcome] = {}
    for _ in range(_ROUNDS):
        doubtful = [write for write in laid.writes if _status(outcomes, write) is OutcomeStatus.IN_DOUBT]
        outcomes |= _looked_at(client, laid, doubtful)
        again = [write for write in laid.writes if _status(outcomes, write) in OPEN]
        if not again:
            break
        with contextlib.suppress(RetryError):
            outcomes |= {outcome.change: outcome for outcome in writer.write(laid.task.kind, again)}
    return [outcomes[write.change] for write in laid.writes]


def _looked_at(client: DataverseClient, laid: Laid, writes: Sequence[Write]) -> dict[int, Outcome]:
    """What stands there as it was to be is done. (An update or a delete that is not guarded is simply sent again.)"""
    task = laid.task
    if not writes or (task.kind is not WriteKind.CREATE and not task.guarded):
        return {}
    rows = client.rows_by_id(client.table(task.table), [write.row_id for write in writes], ["new_name"])
    return {
        write.change: Outcome(write.change, DONE)
        for write in writes
        if write.row_id in rows and json.loads(write.body).get("new_name") == rows[write.row_id]["new_name"]
    }


def _status(outcomes: dict[int, Outcome], write: Write) -> OutcomeStatus:
    found = outcomes.get(write.change)
    return found.status if found else OutcomeStatus.NOT_ATTEMPTED
