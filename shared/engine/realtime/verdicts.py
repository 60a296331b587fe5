"""What became of each event of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from shared.values.events import Bucket, Hold
from shared.values.records import Reject

SETTLED = frozenset(
    {
        Bucket.CREATED,
        Bucket.UPDATED,
        Bucket.DELETED,
        Bucket.UNCHANGED,
        Bucket.IGNORED,
        Bucket.OUTSIDE,
    }
)
"""Buckets of events that were decided on: the ledger remembers them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One event's bucket; with a rejected one its reason, with one that waits why."""

    bucket: Bucket
    reject: Reject | None = None
    hold: Hold | None = None
    why: str = ""


def waits(hold: Hold, why: str) -> Verdict:
    """The event has to wait."""
    return Verdict(Bucket.PARKED, hold=hold, why=why)


CLAIMED = waits(Hold.JOB, "a batch job is writing the record")
BEHIND = waits(Hold.BEHIND, "an earlier event of the record waits")


def refused(reject: Reject) -> Verdict:
    """The event can never succeed."""
    return Verdict(Bucket.REJECTED, reject)
