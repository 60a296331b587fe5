"""One turn of a batch: read the matching rows, compare, plan and send, with the batch job's own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from shared import reconcile
from shared.dataverse.error_dictionary import explain
from shared.engine import reading
from shared.engine.identity import sequence_start
from shared.engine.linking import OPEN
from shared.engine.plan import PlanRow
from shared.engine.planning import Beside, Planner
from shared.engine.realtime.judging import rejected, source_text
from shared.engine.realtime.line import Line
from shared.engine.realtime.sending import Sent
from shared.engine.realtime.statements import AS_TOLD, FRESH, ONE_EACH
from shared.engine.realtime.turns import Fold
from shared.engine.realtime.verdicts import Verdict, refused, waits
from shared.engine.rejecting import Rejections
from shared.errors import DynsyncError, UnavailableError
from shared.mapping.build import Prepared
from shared.values.changes import Action, Outcome, OutcomeStatus
from shared.values.events import Bucket, Event, Hold
from shared.values.records import Reject, RejectType

_PLANNED = """
    SELECT rowid + 1 AS change, action, id::VARCHAR, key, row_no, before, after, later, deferred
    FROM plan ORDER BY change
"""
_BUCKETS = {
    Action.CREATE: Bucket.CREATED,
    Action.UPDATE: Bucket.UPDATED,
    Action.REVIVE: Bucket.UPDATED,
    Action.EXPIRE: Bucket.DELETED,
    Action.DEACTIVATE: Bucket.DELETED,
    Action.DELETE: Bucket.DELETED,
}
_OVERTAKEN = frozenset({"0x80040237", "0x80060892", "0x80040217"})
"""A row with the key or id was made meanwhile, or the row is gone: the record is looked at once more."""

Judged = tuple[dict[int, Verdict], list[Fold], DynsyncError | None]
"""Verdicts by leader, folds to look at once more, and why the rest has no verdict."""


def apply_turn(line: Line, events: Sequence[Event], folds: Sequence[Fold]) -> Judged:
    """Apply folds, no two of one record; `events` are those of the whole batch."""
    if not folds:
        return {}, [], None
    _choose(line, events, folds)
    rejections = Rejections(line.workspace, line.prepared.mapping, line.hearing.staged_names)
    beside = _compare(line, rejections)
    deletes = any(fold.leader.delete for fold in folds)
    _plan(line, line.prepared if deletes else line.upserting, beside, rejections)
    rows = [PlanRow._make((n, Action(str(action)), *rest)) for n, action, *rest in line.workspace.rows(_PLANNED)]
    planned = {row.row_no: row for row in rows if row.row_no is not None}
    return _Judge(line, events, planned, line.sender.send(rows)).judged(folds)


# ---- as in a batch job


def _choose(line: Line, events: Sequence[Event], folds: Sequence[Fold]) -> None:
    """Fill `wanted` with the turn's records."""
    members = [(step.row_no, fold.leader.row_no) for fold in folds for step in fold.steps]
    if len(folds) == len(events):
        line.workspace.run(AS_TOLD)
        return
    line.workspace.run("CREATE OR REPLACE TABLE turn (row_no BIGINT, leader BIGINT)")
    line.workspace.append("turn", members)
    line.workspace.run(ONE_EACH if len(members) == len(folds) else line.statements.fold)


def _compare(line: Line, rejections: Rejections) -> Beside:
    """Read the rows with the turn's keys, and put both sides beside each other."""
    workspace = line.workspace
    workspace.run(line.statements.present)
    found = _load(line, "present", _keys(line, "wanted w"), reading.selected_columns(line.prepared), line.owned)
    if found > 1:
        _set_ambiguous_aside(line, rejections)
    pairs = workspace.run(line.statements.pairs) if found or not workspace.emptied("pairs") else 0
    fresh = workspace.run(FRESH)
    if line.owned and fresh:
        _set_outside_aside(line, rejections)
    return Beside(pairs=pairs > 0, fresh=fresh > 0)


def _set_ambiguous_aside(line: Line, rejections: Rejections) -> None:
    """A row that two requests brought counts once; a key that several rows have names none of them."""
    workspace = line.workspace
    if workspace.value(reconcile.MET_TWICE):
        workspace.run(reconcile.DEDUPLICATE_PRESENT)
    if workspace.run(reconcile.TWINS):
        reason = f"r.times || ' rows of {line.metadata.table.name} have this key; it must name one'"
        column = ", ".join(line.prepared.mapping.key)
        rejections.reject_rows(line.statements.ambiguous, RejectType.DUPLICATE_KEY, column, reason)


def _keys(line: Line, records: str) -> list[tuple[object, ...]]:
    return reading.keys(line.workspace, line.prepared.mapping.key, records)


def _load(line: Line, table: str, keys: Sequence[tuple[object, ...]], columns: Sequence[str], owned: str | None) -> int:
    """Look the keys up; how many rows came."""
    found = line.destination.client.rows_by_key(
        line.metadata.table, line.prepared.mapping.key, keys, columns, filter=owned
    )
    files = [
        str(line.workspace.spooled(f"{table}/{number}.json", orjson.dumps(rows)))
        for number, rows in enumerate(found)
        if rows
    ]
    if not files:
        return 0
    line.workspace.run(line.statements.read, {"files": files})
    return line.workspace.run(f"INSERT INTO {table} {line.statements.pages}")


def _set_outside_aside(line: Line, rejections: Rejections) -> None:
    """A new key that a row outside the destination filter has is never created."""
    workspace = line.workspace
    fresh = "w.ok AND w.row_no IN (SELECT row_no FROM fresh)"
    workspace.run("CREATE OR REPLACE TABLE elsewhere AS FROM present LIMIT 0")
    _load(line, "elsewhere", _keys(line, f"wanted w WHERE {fresh}"), line.prepared.mapping.key, None)
    joined = f"wanted w JOIN elsewhere p ON w.kh = p.kh AND {line.statements.same_key}"
    workspace.run(f"CREATE OR REPLACE TABLE outside AS SELECT DISTINCT w.row_no FROM {joined} WHERE {fresh}")
    rejections.fate("FROM outside", "outside")
    workspace.run("UPDATE wanted SET ok = FALSE WHERE row_no IN (FROM outside)")


def _plan(line: Line, prepared: Prepared, beside: Beside, rejections: Rejections) -> None:
    now = line.ground.clock()
    moment = {"job": line.ground.new_id(), "start": str(sequence_start(now))} if line.growing else {}
    planner = Planner(line.workspace, prepared, line.rules, rejections, now, line.metadata.table.name)
    planner.plan(id_sql=line.statements.new_id, drop=False, beside=beside, moment=moment)


# ---- verdicts


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says what became of a turn's folds."""

    line: Line
    events: Sequence[Event]
    planned: Mapping[int, PlanRow]
    sent: Sent

    def judged(self, folds: Sequence[Fold]) -> Judged:
        """One verdict for each fold that was decided."""
        set_aside, fates = rejected(self.line.workspace, self.events), self._fates()
        verdicts: dict[int, Verdict] = {}
        again: list[Fold] = []
        for fold in folds:
            leader = fold.leader.row_no
            row = self.planned.get(leader)
            if row is None:
                verdicts[leader] = set_aside.get(leader) or Verdict(self._bucket(fates.get(leader)))
                continue
            outcome = self.sent.outcomes.get(row.change)
            if outcome is None or outcome.status in OPEN:
                continue
            if outcome.status is OutcomeStatus.REJECTED and _code(outcome) in _OVERTAKEN:
                again.append(fold)
            verdicts[leader] = self._outcome(leader, row, outcome)
        verdicts |= self._unlinked(verdicts)
        missing = any(fold.leader.row_no not in verdicts for fold in folds)
        return verdicts, again, self.sent.stopped or (_no_answer() if missing else None)

    def _fates(self) -> dict[int, str]:
        return {int(str(row_no)): str(bucket) for row_no, bucket in self.line.workspace.rows("FROM fates")}

    def _bucket(self, fate: str | None) -> Bucket:
        """The bucket of a record for which nothing is written."""
        if fate == "asked_to_delete":
            return Bucket.IGNORED if self.line.rules.deletes == "ignore" else Bucket.UNCHANGED
        return {"ignored": Bucket.IGNORED, "outside": Bucket.OUTSIDE}.get(fate or "", Bucket.UNCHANGED)

    def _outcome(self, leader: int, row: PlanRow, outcome: Outcome) -> Verdict:
        if outcome.status is OutcomeStatus.DONE:
            return Verdict(_BUCKETS[row.action])
        reject = Reject(
            None,
            row.key,
            RejectType.UNRESOLVED_LINK if outcome.link else RejectType.REFUSED,
            outcome.link,
            None,
            outcome.message or "Dataverse gave no reason",
            outcome.code,
            outcome.request_id,
            source=source_text(self.events[leader - 1]),
        )
        return refused(reject)

    def _unlinked(self, verdicts: Mapping[int, Verdict]) -> dict[int, Verdict]:
        """Records that were written without a link whose row may come: they wait, to be linked when it is there."""
        sql = "SELECT row_no, reason FROM rejects WHERE NOT rejecting AND type = 'Unresolved Link'"
        waiting = {int(str(row_no)): str(reason) for row_no, reason in self.line.workspace.rows(sql)}
        return {n: waits(Hold.PARENT, reason) for n, reason in waiting.items() if n in verdicts}


def _code(outcome: Outcome) -> str | None:
    """The code of a refusal as the dictionary writes it, where it knows it."""
    entry = explain(outcome.code, outcome.message or "")
    return entry.code if entry else outcome.code


def _no_answer() -> DynsyncError:
    return UnavailableError("Dataverse gave no answer for some changes", maybe_done=True)
