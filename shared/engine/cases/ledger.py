"""The list of a sync's open rejects, kept with the last job that came to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from shared.ports import State
from shared.sql import literal
from shared.values.cases import Case
from shared.values.jobs import Job
from shared.values.records import Reject, RejectType

LEDGER = "cases.parquet"
RECORDS = "records.parquet"
SEEN = "seen.parquet"
COLUMNS = {
    "job": "VARCHAR", "row_no": "BIGINT", "key": "VARCHAR", "type": "VARCHAR", "column": "VARCHAR", "found": "VARCHAR",
    "reason": "VARCHAR", "code": "VARCHAR", "request_id": "VARCHAR", "keys": "VARCHAR", "canonical": "VARCHAR",
    "choice": "VARCHAR", "kept": "BOOLEAN",
}  # fmt: skip
"""Of the list: one row per reject. `keys` names the key's columns, `canonical` holds their values as the server sees
them; `choice` is which records the job was asked to read."""
_LOOK_BACK = (20, 5000)
_AT_A_TIME = 1000


def last_settled(state: State, sync: str, *, before: Job | None = None) -> Job | None:
    """The last job of the sync that came to its end and knows the open rejects; never `before` itself.

    That is not always the newest: a start may have waited between being made and being stored.
    """
    own = before.id if before is not None else ""
    for limit in _LOOK_BACK:  # as a rule it is among the first few
        found = [one for one in state.list(sync=sync, limit=limit) if one.open_rejects is not None and one.id != own]
        if found:
            return max(found, key=lambda job: job.settled or 0)
    return None


def ledger(state: State, sync: str, *, before: Job | None = None) -> Path | None:
    """The list; None when nothing is open."""
    last = last_settled(state, sync, before=before)
    return state.path(last.id, LEDGER) if last is not None and last.open_rejects else None


def jobs_with_open_cases(state: State, sync: str) -> set[str]:
    """The jobs that set aside what is open."""
    path = ledger(state, sync)
    if path is None:
        return set()
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as connection:
        return {job for (job,) in connection.execute(f"SELECT DISTINCT job FROM {literal(str(path))}").fetchall()}


def open_cases(state: State, sync: str) -> Iterator[Case]:
    """The open rejects of a sync, job by job and row by row."""
    path = ledger(state, sync)
    if path is None:
        return
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as connection:
        connection.execute(
            'SELECT job, kept, row_no, key, type, "column", found, reason, code, request_id '
            f"FROM {literal(str(path))} ORDER BY job, row_no"
        )
        while rows := connection.fetchmany(_AT_A_TIME):
            for job, kept, row_no, key, type_, *rest in rows:
                yield Case(job, Reject(row_no, key, RejectType(type_), *rest), kept)
