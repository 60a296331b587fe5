"""A plan and rejects of a job, to look at: changes of most actions, long and hostile values, open and closed cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from shared.engine.cases.ledger import COLUMNS, LEDGER
from shared.engine.plan import MANIFEST, ROWS, Manifest, PlannedColumn
from shared.engine.rejects import FILE
from shared.ports import State
from shared.values.changes import Action, ChunkOutcome, Outcome, OutcomeStatus
from shared.values.jobs import DestinationBalance, Job, SourceBalance
from shared.values.records import RejectType

LONG = "A remark that goes on and on. " * 40
ID = "94adea23-8067-8ed7-aafb-d60689d6000"
_PLAN = (
    "change BIGINT, action VARCHAR, id VARCHAR, key VARCHAR, row_no BIGINT, before VARCHAR, after VARCHAR, "
    "later VARCHAR, deferred VARCHAR"
)
_REJECTS = (
    "row_no BIGINT, key VARCHAR, type VARCHAR, col VARCHAR, found VARCHAR, reason VARCHAR, code VARCHAR, "
    "request_id VARCHAR, rejecting BOOLEAN, source VARCHAR"
)
_SOURCE = SourceBalance(read=1200, created=1, updated=1, unchanged=1194, rejected=4)
_ROWS = DestinationBalance(read=1198, matched=1196, deleted=1, deactivated=1)
_CHANGES: Sequence[tuple[object, ...]] = (
    (Action.CREATE, "A1", 1, None, {"accountnumber": "A1", "name": "<b>One</b> \u202eeno", "description": LONG}),
    (Action.UPDATE, "A2", 2, {"name": "Contoso Benelux B.V.", "tier": 1}, {"name": "Contoso Benelux NV", "tier": 2}),
    (Action.UPDATE, "A3", 3, {"description": LONG + "old"}, {"description": LONG + "new"}),
    (Action.DEACTIVATE, "A4", None, {"tier": 1}, {"tier": None}),
    (Action.DELETE, "A5", None, {"accountnumber": "A5", "name": "Five"}, None),
)  # fmt: skip
_SET_ASIDE: Sequence[tuple[object, ...]] = (
    (7, "A7", RejectType.INVALID_FORMAT, "tier", "VIP" * 30, "not a number of at most 28 digits, such as 1234.56"),
    (8, "A8", RejectType.INVALID_FORMAT, "tier", "<i>gold</i>", "not a number of at most 28 digits, such as 1234.56"),
    (9, None, RejectType.MALFORMED_ROW, None, "A9,One", "line 9: 2 cells instead of 9"),
)


def keep_work(state: State, job: Job) -> None:
    """Give the job a plan, rejects and a list of what is open: the first of them."""
    counts = {"create": 1, "update": 2, "deactivate": 1, "delete": 1}
    job = replace(
        job, planned=counts, open_rejects=1, settled=1, definition_hash="f062840c26de" * 5, source=_SOURCE,
        destination=_ROWS, timings_s={"read source": 0.5, "resolve": 1.4, "read destination": 5.3, "apply": 4.6},
        requests={"requests": 168, "retries": 2, "throttled_s": 12}, applied_by="otto@contoso.com",
        notes=("Writing: 8 requests at a time; Dataverse asked for a pause of 12 s.",),
    )  # fmt: skip
    state.save(job)
    manifest = Manifest(
        job=job.id, sync=job.sync, organization="", table="account", key=("accountnumber",), ids="derived",
        accent_sensitive=False, columns=tuple(_columns()), counts=counts, source=job.source,
        destination=job.destination, reported=0,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder)
        (path / MANIFEST).write_bytes(manifest.to_json())
        rows = [
            (n, a, f"{ID}{n}", k, r, _text(b), _text(w), None, None) for n, (a, k, r, b, w) in enumerate(_CHANGES, 1)
        ]
        _write(path / ROWS, _PLAN, rows)
        cells = json.dumps({"no": "A7", "label": "Seven", "changed_at": None})
        _write(path / FILE, _REJECTS, [(*one, None, None, True, cells) for one in _SET_ASIDE])
        case = (job.id, *_SET_ASIDE[0], None, None, "accountnumber", "a7", "", True)
        _write(path / LEDGER, ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items()), [case])
        for name in (MANIFEST, ROWS, FILE, LEDGER):
            state.put(job.id, name, path / name)
    refused = Outcome(3, OutcomeStatus.REJECTED, "0x80040265", "A remark may not end in 'new'.", "8f2c41d0-77aa")
    state.record(job.id, ChunkOutcome(0, 1, len(_CHANGES), answered=True, exceptions=(refused,)))


def _columns() -> Sequence[PlannedColumn]:
    options = ((1, "Silver"), (2, "Gold"))
    plain = [PlannedColumn(name, name, name, None, kind="text") for name in ("accountnumber", "name", "description")]
    return [*plain, PlannedColumn("tier", "tier", "Tier", None, options=options)]


def _row(number: int, action: object, key: object, row_no: object, old: object, new: object) -> Sequence[object]:
    return number, action, f"{ID}{number}", key, row_no, _text(old), _text(new), None, None


def _text(members: object) -> str | None:
    return None if members is None else json.dumps(members)


def _write(path: Path, columns: str, rows: Sequence[Sequence[object]]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE kept ({columns})").fetchall()
        for row in rows:
            connection.execute(f"INSERT INTO kept VALUES ({', '.join('?' * len(row))})", list(row)).fetchall()
        connection.execute(f"COPY kept TO '{path}' (FORMAT parquet)").fetchall()
