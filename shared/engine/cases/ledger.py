"""The list of a sync's open rejects, kept with the last job that came to its end."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import duckdb

from shared.engine.rejects import key_test
from shared.ports import State
from shared.sql import literal
from shared.values.cases import Case
from shared.values.jobs import Job
from shared.values.records import Reject, RejectType

LEDGER = "cases.parquet"
RECORDS = "records.parquet"
SEEN = "seen.parquet"
REPLAYED = "replayed.parquet"
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


def read_again(state: State, job_id: str) -> str:
    """The open rejects' keys that a job has read, as a query: `canonical`, and `lands` (by its plan the record does).

    A job of an earlier version of the program did not tell which: there, all of them count so.
    """
    kept = f"(FROM {literal(str(state.path(job_id, SEEN)))})"
    told = f"{kept} UNION ALL BY NAME (SELECT NULL::BOOLEAN AS lands LIMIT 0)"
    return f"SELECT canonical, coalesce(lands, TRUE) AS lands FROM ({told})"


def made(state: State, job_id: str) -> str:
    """SQL: when a job was made; of a replay, the job whose record it ran again, by the row number in `k`."""
    if REPLAYED in state.names(job_id):
        replayed = literal(str(state.path(job_id, REPLAYED)))
        return f'(SELECT any_value(r."!made") FROM {replayed} r WHERE r.row_no = k.row_no)'
    return f"TIMESTAMP {literal(utc(state.get(job_id)))}"


def utc(job: Job) -> str:
    """When a job was made, as text."""
    return job.created_at.strftime("%Y-%m-%d %H:%M:%S.%f")


def open_cases(state: State, sync: str, keys: Collection[str] = ()) -> Iterator[Case]:
    """The open rejects of a sync, job by job and row by row; only those of some keys when asked.

    A key is found as `show --record` finds it: by the columns that it had when its job set it aside.
    """
    path = ledger(state, sync)
    if path is None:
        return
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as connection:
        relation = literal(str(path))
        jobs = connection.execute(f"SELECT DISTINCT job FROM {relation}").fetchall() if keys else []
        meant = [f"(job = {literal(job)} AND ({_of(state, job, keys)}))" for (job,) in jobs]
        connection.execute(
            'SELECT job, kept, row_no, key, type, "column", found, reason, code, request_id '
            f"FROM {relation} WHERE {' OR '.join(meant) or 'TRUE'} ORDER BY job, row_no"
        )
        while rows := connection.fetchmany(_AT_A_TIME):
            for job, kept, row_no, key, type_, *rest in rows:
                yield Case(job, Reject(row_no, key, RejectType(type_), *rest), kept)


def _of(state: State, job_id: str, keys: Collection[str]) -> str:
    return " OR ".join(key_test(state, job_id, key) for key in keys)
