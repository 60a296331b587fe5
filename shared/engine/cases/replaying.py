"""Runs open rejects again: their kept records are the source of a job of its own, which drops nothing.

    replayed.parquet   row_no (from 1), the records' columns, "!job" and "!row" (where each was rejected),
                       "!made" (when its job was made), "!stale"

A record is stale when a later job that wrote something has read its key (one of another choice of variables: in a
record that it writes, too): it is not replayed, only closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import duckdb

from shared import temporary
from shared.definitions.source import SourceBase
from shared.definitions.sync import SyncDefinition
from shared.engine.cases.giving import given_these
from shared.engine.cases.ledger import RECORDS, REPLAYED, SEEN, made, open_cases, read_again, utc
from shared.engine.draft import Draft
from shared.errors import RefuseError
from shared.ports import SourceSink, StagedSource, State
from shared.sql import identifier, literal
from shared.values.cases import Case, Choice
from shared.values.jobs import Job

CHOICE = "choice.json"
"""Which rejects a queued job is to replay."""
_LOOK_BACK = 1000


def chosen(state: State, sync: str, choice: Choice) -> dict[str, list[int]]:
    """The rows of the open rejects that are meant and whose record is kept, by job.

    Raises:
        RefuseError: there are none; says what there is instead.
    """
    cases = [case for case in open_cases(state, sync, choice.keys) if choice.suits(case)]
    rows: dict[str, set[int]] = {}
    for case in cases:
        if case.kept and case.reject.row is not None:
            rows.setdefault(case.job, set()).add(case.reject.row)
    if not rows:
        raise RefuseError(_nothing(sync, choice, list(open_cases(state, sync)), cases))
    return {job: sorted(found) for job, found in rows.items()}


def _nothing(sync: str, choice: Choice, everything: Sequence[Case], cases: Sequence[Case]) -> str:
    if not everything:
        return f"sync {sync} has no open rejects, so there is nothing to replay"
    if cases:
        return "these records could not be split into cells, so they cannot be replayed: mend the source and run again"
    causes = sorted({f"{case.reject.type.value}/{case.reject.column or ''}".rstrip("/") for case in everything})
    return f"sync {sync} has no open rejects {choice}; their causes are {', '.join(causes)}"


def add_replay(state: State, job: Job, choice: Choice) -> None:
    """Store a queued job together with the choice of rejects that it is to replay."""
    with temporary.folder("cases") as folder:
        path = folder / CHOICE
        path.write_text(json.dumps(asdict(choice)), "utf-8")
        state.add(job, {CHOICE: path})


def choice_of(state: State, job: Job) -> Choice:
    """Which rejects a queued job is to replay."""
    told = json.loads(state.path(job.id, CHOICE).read_text("utf-8"))
    return Choice(told["job"], told["cause"], tuple(told["keys"]))


def keep_open(state: State, job: Job, definition: SyncDefinition, choice: Choice) -> None:
    """Under the lease, keep the records of what is open by now, with the job that replays them.

    What a job with other variables has set aside since the replay was asked for is left to a replay of its own.

    Raises:
        RefuseError: nothing is left of what was meant.
    """
    rows = chosen(state, job.sync, choice)
    alike = {job_id: rows[job_id] for job_id in given_these(state, definition, rows, job.variables)}
    if not alike:
        raise RefuseError(
            f"what is open of sync {job.sync} by now is of jobs with other variables: {', '.join(rows)}; replay these"
        )
    _keep(state, job, definition, alike)


def _keep(state: State, job: Job, definition: SyncDefinition, rows: Mapping[str, Sequence[int]]) -> None:
    """Keep the records with the job that replays them."""
    with temporary.folder("cases") as folder:
        path = folder / REPLAYED
        with duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}) as connection:
            _note_newer(connection, state, job, definition)
            parts = " UNION ALL BY NAME ".join(_part(state, job_id, some) for job_id, some in rows.items())
            query = f'SELECT row_number() OVER (ORDER BY "!job", "!row") AS row_no, * FROM ({parts})'
            connection.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet)").fetchall()
        state.put(job.id, REPLAYED, path)


def _part(state: State, job_id: str, rows: Sequence[int]) -> str:
    listed = ", ".join(str(int(row)) for row in rows)
    return f"""
        SELECT r.*, EXISTS (FROM newer n WHERE n.canonical = r."!canonical" AND n.made > r."!made") AS "!stale"
        FROM (
            SELECT k.* EXCLUDE (row_no), {literal(job_id)} AS "!job", row_no AS "!row",
                   {made(state, job_id)} AS "!made"
            FROM {literal(str(state.path(job_id, RECORDS)))} k WHERE row_no IN ({listed})
        ) r
    """


def _note_newer(connection: duckdb.DuckDBPyConnection, state: State, job: Job, definition: SyncDefinition) -> None:
    """Note the canonical keys that jobs have read which wrote something and have not come to their end.

    A job that came to its end has closed what it read. A replay has read nothing but what is open anyway. Of jobs of
    another choice of variables only what they write counts.
    """
    connection.execute("CREATE TABLE newer (canonical VARCHAR, made TIMESTAMP)").fetchall()
    for other in state.list(sync=job.sync, limit=_LOOK_BACK):
        ended = other.open_rejects is not None or other.undoes or other.replays
        if not ended and other.id != job.id and SEEN in state.names(other.id) and state.chunks(other.id):
            alike = definition.choice(other.variables) == definition.choice(job.variables)
            counts = "TRUE" if alike else "lands"
            query = f"SELECT canonical, TIMESTAMP {literal(utc(other))} FROM ({read_again(state, other.id)})"
            connection.execute(f"INSERT INTO newer {query} WHERE {counts}").fetchall()


def made_before(path: Path) -> list[tuple[int, datetime]]:
    """Of each record of a replay: its row number, and when the job was made that set it aside."""
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as connection:
        query = f'SELECT row_no, "!made" FROM {literal(str(path))}'
        return [(row_no, made) for row_no, made in connection.execute(query).fetchall()]


def as_replayed(definition: SyncDefinition) -> SyncDefinition:
    """The definition for a replay: what is not among the records means nothing, and no watermark cuts them."""
    behaviour = definition.behaviour.model_copy(update={"strategy": "delta"})
    source = definition.source.model_copy(update={"watermark": None})
    return definition.model_copy(update={"behaviour": behaviour, "source": source})


class ReplayedRecords:
    """The kept records as a source (`ports.Source`). A column that the definition got since is absent in them."""

    def __init__(self, path: Path, source: SourceBase) -> None:
        self._path = path
        self._names = [column.name for column in source.columns if not column.calculated]

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self._path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """Put all records that are not stale into the sink."""
        relation = f"read_parquet({literal(str(self._path))})"
        kept = {str(name) for name, *_ in sink.query(f"DESCRIBE SELECT * FROM {relation}")}
        names = [name for name in self._names if name in kept]
        absent = [f"{name}?" for name in names if f"{name}?" in kept]
        columns = [identifier(name) for name in ("row_no", *names, *absent)]
        columns += [f"NULL::VARCHAR AS {identifier(name)}" for name in self._names if name not in kept]
        columns += [f"TRUE AS {identifier(name + '?')}" for name in self._names if name not in kept]
        return StagedSource(sink.fill(f'SELECT {", ".join(columns)} FROM {relation} WHERE NOT "!stale"'))

    def column_types(self) -> Mapping[str, str]:
        """Nothing: drift is a matter of the sync's own source."""
        return {}


def with_stale(draft: Draft, path: Path) -> Draft:
    """The draft, its source's balance counting the stale records."""
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as connection:
        query = f'SELECT count(*) FROM {literal(str(path))} WHERE "!stale"'
        ((stale,),) = connection.execute(query).fetchall()
    source = draft.manifest.source
    balance = replace(source, read=source.read + stale, stale=source.stale + stale)
    return replace(draft, manifest=replace(draft.manifest, source=balance))


__all__ = [
    "ReplayedRecords",
    "as_replayed",
    "choice_of",
    "chosen",
    "keep_open",
    "made_before",
    "with_stale",
]
