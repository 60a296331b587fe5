"""A batch job and a listener write the same records: per record the ledger says whose turn it is, and who is newer.

    job       claims a chunk's records ── writes ── settles: the version counts only of what was written, or is in doubt
    listener  looks at the ledger ── writes ── notes; an event of a claimed record waits, and so does one whose record
              was claimed between look and note, to be looked at again

A record to which the listener applied something newer is not claimed and not written. What tells no version, as a row
that no record told of, is not claimed; it is left alone where an event was applied since the job began. The claims of a
job that died are taken up by who goes on with it; after `PATIENCE` nobody waits for them any more, and what they wrote
is in doubt.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from shared.engine.guarding import Claims, NoClaims
from shared.engine.plan import PlanRow
from shared.engine.realtime.hearing import ledger_key_sql
from shared.engine.workspace import Workspace
from shared.mapping.compose import Mapping as Mapped
from shared.ports import Clock, Ledger, State
from shared.sql import literal
from shared.values.changes import Outcome, OutcomeStatus
from shared.values.events import Claim, LedgerEntry, Rule
from shared.values.jobs import Job

FILE = "claims.parquet"
"""The job's file of the records that its plan writes, by change, each with its version ("" for none)."""
PATIENCE = timedelta(minutes=15)
"""So long an event waits for a job to settle what it writes; the longest that one request is held for throttling."""
_PAGE = 10_000
_WRITTEN = (OutcomeStatus.DONE, OutcomeStatus.IN_DOUBT)
_OVERTAKEN = "the sync's listener applied a newer event to the record after the plan was made"


# ---- rules: of what is stored and an entry, what is to be stored


def applied(stored: LedgerEntry | None, entry: LedgerEntry) -> LedgerEntry | None:
    """The listener applied an event. Older than what is stored it changes nothing; left alone: a job came between."""
    if stored is None:
        return entry
    if stored.claim != entry.claim:
        return None
    return entry.behind(stored) if stored.gives_way_to(entry) else stored


def claimed(stored: LedgerEntry | None, entry: LedgerEntry) -> LedgerEntry | None:
    """A job is about to write. Left alone: something newer was applied."""
    if stored is None:
        return entry
    wanted = entry.claim.version if entry.claim else ""
    return None if stored.version > wanted else replace(stored, claim=entry.claim)


def written(stored: LedgerEntry | None, entry: LedgerEntry) -> LedgerEntry | None:
    """What a job claimed was written, or may have been: its version counts, unless a newer one does."""
    claim = entry.claim
    if stored is None or claim is None or claim.version < stored.version:
        return withdrawn(stored, entry)
    told = replace(stored, version=claim.version, tombstone=claim.gone, at=entry.at)
    return replace(told, claim=_through(claim)) if _is_its(claim, stored.claim) else told


def withdrawn(stored: LedgerEntry | None, entry: LedgerEntry) -> LedgerEntry | None:
    """What a job claimed was not written: the record is as it was before."""
    if stored is None or entry.claim is None or not _is_its(entry.claim, stored.claim):
        return stored
    return replace(stored, claim=_through(entry.claim))


def _is_its(claim: Claim, stored: Claim | None) -> bool:
    """Whether the stored claim is the job's own, though a process of it that had stalled may have claimed again."""
    return stored is not None and (stored.job, stored.version) == (claim.job, claim.version)


def _through(claim: Claim) -> Claim:
    """A claim that is through; it still tells a listener that the job came between."""
    return Claim(claim.job, claim.at)


# ---- the listener's side


def being_written(entry: LedgerEntry, now: datetime) -> bool:
    """Whether a job is writing the record."""
    return entry.claim is not None and bool(entry.claim.version) and now < entry.claim.at + PATIENCE


def in_doubt(entry: LedgerEntry) -> LedgerEntry:
    """The entry, with what a job claimed and never settled: it may have been written, so it counts."""
    version = entry.claim.version if entry.claim else ""
    return replace(entry, version=max(entry.version, version))


# ---- the job's side


def keep_versions(workspace: Workspace, mapping: Mapped, folder: Path) -> dict[str, Path]:
    """The records that the plan writes, dropped rows among them, as a file of the job; none without a change."""
    if not workspace.value("SELECT count(*) FROM plan"):
        return {}
    path = folder / FILE
    told = "p.rowid + 1 AS change, {} AS key, {} AS version, p.action IN ('delete', 'expire', 'deactivate') AS gone"
    records = f"SELECT {told.format('t.key', 't.version')} FROM told_versions t JOIN plan p ON p.row_no = t.row_no"
    key = ledger_key_sql(mapping, "d", present=True)
    dropped = f"SELECT {told.format(key, literal(''))} FROM plan p JOIN present d ON d.id = p.id WHERE p.row_no IS NULL"
    workspace.run(
        f"COPY ({records} UNION ALL {dropped} ORDER BY change) "
        f"TO {literal(str(path))} (FORMAT parquet, ROW_GROUP_SIZE {_PAGE})"
    )
    return {FILE: path}


@dataclass(frozen=True, slots=True)
class JobClaims:
    """The claims of one job, begun at `began`, that applies its plan (`guarding.Claims`). Thread-safe."""

    ledger: Ledger
    sync: str
    job: str
    began: datetime
    clock: Clock
    connection: duckdb.DuckDBPyConnection
    path: Path
    _taken: dict[int, LedgerEntry]
    _lock: threading.Lock

    @classmethod
    def of(cls, ledger: Ledger, job: Job, clock: Clock, path: Path) -> JobClaims:
        """The claims of a job; `path` is its file of versions."""
        connection = duckdb.connect(config={"threads": 1, "memory_limit": "128MB"})
        return cls(ledger, job.sync, job.id, job.created_at, clock, connection, path, {}, threading.Lock())

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def take(self, rows: Sequence[PlanRow]) -> dict[int, Outcome]:
        """Claim the records of changes that are about to be sent; the outcomes of those that must not be."""
        told = self._entries(rows) if rows else {}
        entries = {change: entry for change, (entry, claim) in told.items() if claim.version}
        lost = self.ledger.change(self.sync, entries.values(), claimed) if entries else frozenset()
        left = {change for change, entry in entries.items() if entry.key in lost}
        with self._lock:
            self._taken.update({change: entry for change, entry in entries.items() if change not in left})
        left |= self._touched({change: one for change, one in told.items() if change not in entries})
        return {change: Outcome(change, OutcomeStatus.CONFLICT, message=_OVERTAKEN) for change in left}

    def settle(self, outcomes: Mapping[int, Outcome]) -> None:
        """Say what became of claimed changes."""
        with self._lock:
            mine = {change: self._taken.pop(change) for change in outcomes if change in self._taken}
        now = self.clock()
        done = {change for change in mine if _is_written(outcomes[change])}
        self._say((replace(mine[change], at=now) for change in done), written)
        self._say((entry for change, entry in mine.items() if change not in done), withdrawn)

    def _touched(self, told: Mapping[int, tuple[LedgerEntry, Claim]]) -> set[int]:
        """Of changes without a version, those whose record had an event since the job began."""
        known = self.ledger.entries(self.sync, {entry.key for entry, _ in told.values()}) if told else {}
        later = {key for key, one in known.items() if one.at is not None and one.at >= self.began}
        gone = {key for key in later if known[key].tombstone}  # to remove what the listener removed is no quarrel
        return {n for n, (entry, claim) in told.items() if entry.key in (later - gone if claim.gone else later)}

    def _say(self, entries: Iterable[LedgerEntry], rule: Rule) -> None:
        if told := list(entries):
            self.ledger.change(self.sync, told, rule)

    def _entries(self, rows: Sequence[PlanRow]) -> dict[int, tuple[LedgerEntry, Claim]]:
        """By change the entry of its record, with the claim, which it holds too."""
        wanted, at = {row.change for row in rows}, self.clock()
        sql = f"SELECT change, key, version, gone FROM {literal(str(self.path))} WHERE change BETWEEN $first AND $last"
        with self._lock:
            found = self.connection.execute(sql, {"first": min(wanted), "last": max(wanted)}).fetchall()
        told = ((n, key, Claim(self.job, at, version, bool(gone))) for n, key, version, gone in found if n in wanted)
        return {change: (LedgerEntry(key, "", 0, claim=claim), claim) for change, key, claim in told}


def _is_written(outcome: Outcome) -> bool:
    """Whether the record holds what the job tells, or may: also a row that was made, but refused its second step."""
    return outcome.status in _WRITTEN or outcome.row_id is not None


@contextmanager
def claims_of(ledger: Ledger | None, state: State, job: Job, clock: Clock) -> Iterator[Claims]:
    """A job's claims to the records that its sync's listener writes, too; none where there are no versions."""
    if ledger is None or FILE not in state.names(job.id):
        yield NoClaims()
        return
    claims = JobClaims.of(ledger, job, clock, state.path(job.id, FILE))
    try:
        yield claims
    finally:
        claims.close()
