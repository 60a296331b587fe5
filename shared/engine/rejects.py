"""The rejects of a job: those found while reading, and those that Dataverse refused while the plan was applied."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from shared.engine.linking import OPEN
from shared.engine.plan import MANIFEST, ROWS, Manifest, PlanFile, PlanRow
from shared.ports import State
from shared.sql import literal
from shared.values.changes import Outcome, OutcomeStatus
from shared.values.records import Reject, RejectType

_AT_A_TIME = 1000
FILE = "rejects.parquet"


def rejects(state: State, job_id: str) -> Iterator[Reject]:
    """Every reject of a job, by row number; then those of the apply, by the plan's order.

    A change that was not attempted, or has no answer yet, is none: another apply goes on with it.
    """
    yield from while_reading(state, job_id)
    if ROWS in state.names(job_id):
        yield from _while_applying(state, job_id)


def while_reading(state: State, job_id: str, *, key: str | None = None) -> Iterator[Reject]:
    """The rejects found while the job read, by row number; those of one key when asked."""
    if FILE not in state.names(job_id):
        return
    where = "" if key is None else f" WHERE {key_test(state, job_id, key)}"
    with duckdb.connect(config={"threads": 1, "memory_limit": "128MB"}) as connection:
        connection.execute(f"FROM {literal(str(state.path(job_id, FILE)))}{where}")
        while rows := connection.fetchmany(_AT_A_TIME):
            for row_no, found, type_, *rest in rows:
                yield Reject(row_no, found, RejectType(type_), *rest)


def key_test(state: State, job_id: str, key: str) -> str:
    """SQL over `key`: it is this one, as the server compares keys; without a plan's manifest, as it is written."""
    if MANIFEST not in state.names(job_id):
        return f"key = {literal(key)}"
    return Manifest.from_json(state.path(job_id, MANIFEST).read_bytes()).key_test(key)


def _while_applying(state: State, job_id: str) -> Iterator[Reject]:
    chunks = state.chunks(job_id)
    with PlanFile(state.path(job_id, ROWS), state.path(job_id, MANIFEST)) as plan:
        told: set[int] = set()
        for chunk in chunks:
            outcomes = {o.change: o for o in chunk.exceptions if o.status not in (OutcomeStatus.DONE, *OPEN)}
            for row in plan.rows(outcomes.keys() - told):
                yield _refused(row, outcomes[row.change])
            told |= outcomes.keys()


def _refused(row: PlanRow, outcome: Outcome) -> Reject:
    moved = outcome.status is not OutcomeStatus.REJECTED
    refused = RejectType.UNRESOLVED_LINK if outcome.link else RejectType.REFUSED
    return Reject(
        row=row.row_no,
        key=row.key,
        type=RejectType.CONFLICT if moved else refused,
        column=outcome.link,
        found=None,
        reason=outcome.message or "Dataverse gave no reason",
        code=outcome.code,
        request_id=outcome.request_id,
    )
