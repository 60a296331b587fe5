"""The rules of claims, entry by entry; every store applies them (tests/contract/test_event_stores.py)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.engine.realtime.claiming import PATIENCE, applied, being_written, claimed, in_doubt, withdrawn, written
from shared.values.events import Claim, LedgerEntry

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
