"""The rules of claims, entry by entry; every store applies them (tests/contract/test_event_stores.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from shared.engine.plan import PlanRow
from shared.engine.realtime.claiming import (
    PATIENCE,
    JobClaims,
    applied,
    being_written,
    claimed,
    in_doubt,
    withdrawn,
    written,
)
from shared.state.events import LocalLedger, open_database
from shared.values.changes import Action, Outcome, OutcomeStatus
from shared.values.events import Claim, LedgerEntry, Rule
from shared.values.jobs import Job, JobState

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
MINE = LedgerEntry("a", "", 0, claim=Claim("mine", NOW, "5", gone=True))
OTHER = Claim("other", NOW + timedelta(minutes=20), "6")


def test_a_job_that_settles_late_lowers_no_version() -> None:
    """Nobody waited for it any more: what became newer stays, no tombstone comes back, and the claim is through."""
    late = LedgerEntry("a", "7", 9, claim=MINE.claim)
    assert written(late, MINE) == replace(late, claim=Claim("mine", NOW))


def test_a_job_settles_its_own_claim_only() -> None:
    """The claim of who claimed the record after it stays open, whatever became of its own change."""
    stored = LedgerEntry("a", "3", 8, claim=OTHER)
    assert withdrawn(stored, MINE) == stored
    told = written(stored, replace(MINE, at=NOW))
    assert told == replace(stored, version="5", tombstone=True, at=NOW)
    assert told and being_written(told, OTHER.at)


@pytest.mark.parametrize("rule", [written, withdrawn])
def test_a_claim_is_settled_though_a_stalled_process_of_the_job_claimed_again(rule: Rule) -> None:
    """Who went on with the job settles it; otherwise messages would wait until the patience is over."""
    assert MINE.claim is not None
    again = replace(MINE, claim=replace(MINE.claim, at=NOW + timedelta(minutes=1)))
    told = rule(again, MINE)
    assert told and not being_written(told, NOW + timedelta(minutes=2))


def test_a_claim_keeps_who_it_met_and_is_waited_for_in_time() -> None:
    """A new record, one that is older, and one that is newer; an event waits until the patience is over, not longer."""
    assert claimed(None, MINE) == MINE
    older = LedgerEntry("a", "3", 8, tombstone=True, claim=OTHER)
    assert claimed(older, MINE) == replace(older, claim=MINE.claim)
    assert claimed(replace(older, version="6"), MINE) is None
    assert being_written(MINE, NOW + PATIENCE - timedelta(seconds=1))
    assert not being_written(MINE, NOW + PATIENCE)
    assert in_doubt(MINE).version == "5"
    assert in_doubt(replace(MINE, version="6")).version == "6"


def test_an_event_is_noted_beside_a_claim_that_it_knew() -> None:
    """One that it did not know came between; an older event leaves the entry as it is."""
    stored = LedgerEntry("a", "3", 8, claim=MINE.claim)
    assert applied(stored, LedgerEntry("a", "4", 9)) is None
    assert applied(stored, LedgerEntry("a", "4", 9, claim=MINE.claim)) == LedgerEntry("a", "4", 9, claim=MINE.claim)
    assert applied(stored, LedgerEntry("a", "2", 9, claim=MINE.claim)) == stored


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (Outcome(1, OutcomeStatus.DONE), True),
        (Outcome(1, OutcomeStatus.IN_DOUBT), True),
        (Outcome(1, OutcomeStatus.REJECTED), False),
        (Outcome(1, OutcomeStatus.REJECTED, row_id="made, but refused its second step"), True),
        (Outcome(1, OutcomeStatus.CONFLICT), False),
    ],
)
def test_the_version_counts_of_what_may_have_been_written(tmp_path: Path, outcome: Outcome, counts: bool) -> None:
    """What is in doubt counts, too; what was not written leaves the record as it was."""
    claims = claims_to(tmp_path, "(1, 'a', '5', false)")
    claims.ledger.change("accounts", [LedgerEntry("a", "3", 8)], applied)
    assert claims.take([row(1)]) == {}
    claims.settle({1: outcome})
    entry = claims.ledger.entries("accounts", ["a"])["a"]
    assert (entry.version, being_written(entry, NOW)) == ("5" if counts else "3", False)
    claims.close()


def test_what_tells_no_version_is_left_to_an_event_since_the_job_began(tmp_path: Path) -> None:
    """One of before does not count; what the listener deleted since may be deleted, not written. Nothing is claimed."""
    told = [("a", 0, False), ("b", -1, False), ("c", 0, True), ("d", 0, True)]
    rows = ", ".join(f"({n}, '{key}', '', {n > 4})" for n, key in enumerate("abcdabcd", 1))
    claims = claims_to(tmp_path, rows)
    for key, minutes, tombstone in told:
        at = NOW + timedelta(minutes=minutes)
        claims.ledger.change("accounts", [LedgerEntry(key, "", 8, tombstone=tombstone, at=at)], applied)
    assert sorted(claims.take([row(n) for n in range(1, 9)])) == [1, 3, 4, 5]
    assert not any(one.claim for one in claims.ledger.entries("accounts", "abcd").values())
    claims.close()


def claims_to(folder: Path, records: str) -> JobClaims:
    path = folder / "claims.parquet"
    with duckdb.connect() as connection:
        sql = f"SELECT * FROM (VALUES {records}) t(change, key, version, gone)"
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)").fetchall()
    job = Job("j", "accounts", JobState.RUNNING, "tester", NOW)
    return JobClaims.of(LocalLedger(open_database(folder)), job, lambda: NOW, path)


def row(change: int) -> PlanRow:
    return PlanRow(change, Action.UPDATE, "", "", change, None, None, None, None)
