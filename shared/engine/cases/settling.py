"""The list of open rejects at the end of a job: what was read again is closed, what the job set aside is added.

What jobs of another choice of variables have set aside is closed only by a record that has landed: then the row holds
something newer. One that was set aside itself, left alone, or is outside of what this choice may write tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from shared import temporary
from shared.definitions.sync import SyncDefinition
from shared.engine.cases.ledger import COLUMNS, LEDGER, RECORDS, REPLAYED, SEEN, last_settled, ledger, made, read_again
from shared.engine.rejects import rejects
from shared.ports import State
from shared.sql import identifier, literal
from shared.values.jobs import Job

_SET_ASIDE = "SELECT canonical FROM own WHERE canonical IS NOT NULL"


def settled(state: State, job: Job, definition: SyncDefinition) -> Job:
    """The job, knowing how many rejects of its sync are open at its end; the list is kept with it.

    Safe to call again: the list is made anew from the one before.
    """
    if job.undoes is not None:
        return job
    last = last_settled(state, job.sync, before=job)
    job = replace(job, settled=max(job.settled or 0, (last.settled or 0) + 1 if last else 1))
    older = ledger(state, job.sync, before=job)
    if older is None and not (job.source.rejected or job.source.conflict):
        state.drop(job.id, RECORDS)
        return replace(job, open_rejects=0)
    with _settling() as (connection, folder):
        _note_own(connection, state, job)
        _carry_over(connection, state, job, definition, older)
        _add_own(connection, job, definition)
        return _kept(connection, state, job, folder)


@contextmanager
def _settling() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in COLUMNS.items())
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "256MB"})
    with temporary.folder("cases") as folder, connection:
        connection.execute(f"CREATE TABLE cases ({columns})").fetchall()
        yield connection, folder


def choice_of(job: Job, definition: SyncDefinition) -> str:
    """Which records a job was asked to read, by the variables that were given."""
    return definition.choice(job.variables)


def _reads_all(job: Job, definition: SyncDefinition) -> bool:
    """Whether the job read every record of its choice, so that one which it did not meet is gone."""
    by_file = any(variable.file for variable in definition.variables.values())
    return not (job.replays or definition.reads_a_part or by_file or definition.only_new_files)


def _carry_over(
    connection: duckdb.DuckDBPyConnection, state: State, job: Job, definition: SyncDefinition, older: Path | None
) -> None:
    if older is None:
        return
    connection.execute(f"INSERT INTO cases FROM {literal(str(older))}").fetchall()
    _drop_forgotten(connection, state)
    if job.replays:
        _close_replayed(connection, state, job)
    elif SEEN in state.names(job.id):
        _close_read(connection, read_again(state, job.id), choice_of(job, definition))
    if _reads_all(job, definition):
        choice = choice_of(job, definition)
        connection.execute("DELETE FROM cases WHERE choice = $choice", {"choice": choice}).fetchall()


def _close_read(connection: duckdb.DuckDBPyConnection, seen: str, choice: str) -> None:
    """Close what a run of this choice has read again, and of other choices that of which its record has landed."""
    connection.execute(
        f"""
        DELETE FROM cases WHERE canonical IN (SELECT canonical FROM ({seen})) AND (
            choice = $choice
            OR (canonical IN (SELECT canonical FROM ({seen}) WHERE lands) AND canonical NOT IN ({_SET_ASIDE}))
        )
        """,
        {"choice": choice},
    ).fetchall()


def _close_replayed(connection: duckdb.DuckDBPyConnection, state: State, job: Job) -> None:
    """Close what was run again, and what is older than a record that landed so: it must not be put over that one."""
    path = literal(str(state.path(job.id, REPLAYED)))
    if SEEN in state.names(job.id):
        seen = f"SELECT canonical FROM ({read_again(state, job.id)}) WHERE lands"
        landed = f'SELECT "!canonical", max("!made") AS made FROM {path} WHERE NOT "!stale" GROUP BY ALL'
        connection.execute(
            f"""
            CREATE TABLE landed AS
            SELECT "!canonical" AS canonical, made FROM ({landed})
            WHERE "!canonical" IN ({seen}) AND "!canonical" NOT IN ({_SET_ASIDE})
            """
        ).fetchall()
        _close_older(connection, state)
    replayed = f'SELECT ("!job", "!row") FROM {path}'
    connection.execute(f"DELETE FROM cases WHERE (job, row_no) IN ({replayed})").fetchall()


def _close_older(connection: duckdb.DuckDBPyConnection, state: State) -> None:
    """Close what jobs have set aside that were made before a record which `landed`."""
    same_key = "SELECT DISTINCT job FROM cases WHERE canonical IN (SELECT canonical FROM landed)"
    for (job_id,) in connection.execute(same_key).fetchall():
        connection.execute(
            f"DELETE FROM cases k WHERE job = $job AND EXISTS "
            f"(FROM landed l WHERE l.canonical = k.canonical AND l.made > {made(state, job_id)})",
            {"job": job_id},
        ).fetchall()


def _drop_forgotten(connection: duckdb.DuckDBPyConnection, state: State) -> None:
    """Rejects of jobs that are not kept any more go with them."""
    for (job_id,) in connection.execute("SELECT DISTINCT job FROM cases").fetchall():
        if not state.find(job_id, limit=1):
            connection.execute("DELETE FROM cases WHERE job = $job", {"job": job_id}).fetchall()


def _note_own(connection: duckdb.DuckDBPyConnection, state: State, job: Job) -> None:
    """Fill `own`: what the job set aside, and its records' keys as far as they are kept."""
    connection.execute(
        'CREATE TABLE refused (row_no BIGINT, key VARCHAR, type VARCHAR, "column" VARCHAR, found VARCHAR, '
        "reason VARCHAR, code VARCHAR, request_id VARCHAR)"
    ).fetchall()
    with connection.appender("refused") as appender:
        for one in rejects(state, job.id):
            if one.rejecting and one.row is not None:
                row = (one.row, one.key, one.type.value, one.column, one.found, one.reason, one.code, one.request_id)
                appender.append_rows([row])
    record = "SELECT NULL::BIGINT AS row_no, NULL::VARCHAR AS keys, NULL::VARCHAR AS canonical LIMIT 0"
    if RECORDS in state.names(job.id):
        path = literal(str(state.path(job.id, RECORDS)))
        record = f'SELECT row_no, "!keys" AS keys, "!canonical" AS canonical FROM {path}'
    connection.execute(
        f"""
        CREATE TABLE own AS
        SELECT o.*, r.keys, r.canonical, r.row_no IS NOT NULL AS kept
        FROM refused o LEFT JOIN ({record}) r ON r.row_no = o.row_no
        """
    ).fetchall()


def _add_own(connection: duckdb.DuckDBPyConnection, job: Job, definition: SyncDefinition) -> None:
    connection.execute(
        "INSERT INTO cases SELECT $job, * EXCLUDE (kept), $choice, kept FROM own ORDER BY row_no",
        {"job": job.id, "choice": choice_of(job, definition)},
    ).fetchall()


def _kept(connection: duckdb.DuckDBPyConnection, state: State, job: Job, folder: Path) -> Job:
    ((total,),) = connection.execute("SELECT count(*) FROM (SELECT DISTINCT job, row_no FROM cases)").fetchall()
    if total:
        path = folder / LEDGER
        connection.execute(f"COPY cases TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)").fetchall()
        state.put(job.id, LEDGER, path)
    ((own,),) = connection.execute("SELECT count(*) FROM cases WHERE job = $job AND kept", {"job": job.id}).fetchall()
    if not own:
        state.drop(job.id, RECORDS)
    elif RECORDS in state.names(job.id):
        old, new = state.path(job.id, RECORDS), folder / RECORDS
        rows = "SELECT row_no FROM cases WHERE job = $job"
        copy = f"COPY (FROM {literal(str(old))} WHERE row_no IN ({rows})) TO {literal(str(new))} (FORMAT parquet)"
        connection.execute(copy, {"job": job.id}).fetchall()
        state.put(job.id, RECORDS, new)
    return replace(job, open_rejects=total)
