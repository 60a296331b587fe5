"""One batch of a line: staged, judged by the schema and the mapping, put into turns, and each turn applied.

source  the events as told        heard   all that the filter keeps, mapped
wanted  those of the present turn, folded; from here on everything is as in a batch job
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.engine.realtime.claiming import applied, being_written, in_doubt
from shared.engine.realtime.hearing import staged_rows
from shared.engine.realtime.judging import rejected
from shared.engine.realtime.line import Line
from shared.engine.realtime.statements import AS_TOLD, STEPS
from shared.engine.realtime.turn import apply_turn
from shared.engine.realtime.turns import Fold, Step, turns_of
from shared.engine.realtime.verdicts import BEHIND, CLAIMED, SETTLED, Verdict
from shared.engine.rejecting import Rejections
from shared.engine.resolving import Resolver
from shared.engine.workspace import Row
from shared.errors import DynsyncError, StateError
from shared.values.events import Bucket, Event, LedgerEntry, Operation


@dataclass(slots=True)
class Applied:
    """What became of the events, by their place in the batch (from 1). `stopped` is why some have no verdict."""

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    stopped: DynsyncError | None = None


@dataclass(slots=True)
class Batch:
    """One batch. `events` stand in the order in which they were sent; row numbers count them from 1."""

    line: Line
    events: Sequence[Event]
    done: Applied = field(default_factory=Applied)
    _held: set[str] = field(default_factory=set)

    def apply(self) -> Applied:
        """Apply what can be applied; an event without a verdict was not reached because the service failed.

        Raises:
            StateError: the ledger cannot be read or written.
        """
        try:
            self._apply()
        except StateError:
            raise  # our own store: the messages come again
        except DynsyncError as error:
            self.done.stopped = error
        finally:
            self.line.workspace.tidy()
        return self.done

    def _apply(self) -> None:
        self._stage()
        steps = self._steps(self._judged())
        entries = self.line.ground.ledger.entries(self._sync, {step.key for step in steps})
        now = self.line.ground.clock()
        claimed = {key for key, entry in entries.items() if being_written(entry, now)}
        self.done.verdicts |= {step.row_no: CLAIMED for step in steps if step.key in claimed}
        known = {key: in_doubt(entry) for key, entry in entries.items()}
        turns = turns_of([step for step in steps if step.key not in claimed], known)
        self.done.verdicts |= dict.fromkeys(turns.stale, Verdict(Bucket.STALE))
        for turn in turns.turns:
            self._turn(turn)
            if self.done.stopped:
                return

    @property
    def _sync(self) -> str:
        return self.line.hearing.definition.name

    # ---- reading the events

    def _stage(self) -> None:
        line, statements = self.line, self.line.statements
        hearing = line.hearing
        needed = hearing.needed_for_delete(line.prepared)
        line.workspace.run(statements.create_source)
        line.workspace.append("source", staged_rows(self.events, hearing.shape.columns, needed))
        client, bound = line.destination.client, line.filters.bound
        Resolver(line.workspace, client, line.prepared, statements.upserts, bound, whole_tables=False).resolve()
        if any(event.operation is Operation.DELETE for event in self.events):
            line.workspace.run(statements.heard_all, statements.parameters)
        else:
            line.workspace.run(statements.heard_upserts, statements.upserts.parameters)

    def _judged(self) -> list[Row]:
        """What breaks a rule is rejected, what lacks its parent waits, what the filter leaves out is filtered.

        Row number, ledger key and version of the good events.
        """
        line, verdicts = self.line, self.done.verdicts
        heard = line.workspace.rows(STEPS)
        told = {row_no for row_no, *_ in heard}
        verdicts |= {n: Verdict(Bucket.FILTERED) for n in range(1, len(self.events) + 1) if n not in told}
        if not all(ok for _, ok, *_ in heard):
            line.workspace.run(AS_TOLD)
            rejections = Rejections(line.workspace, line.prepared.mapping, line.hearing.staged_names)
            rejections.by_schema(line.statements.flagged)
            rejections.by_mapping(line.statements.unsound)
            rejections.by_key_and_action()
            verdicts |= rejected(line.workspace, self.events)
        return [(row_no, key, version) for row_no, ok, key, version in heard if ok]

    def _steps(self, good: Sequence[Row]) -> list[Step]:
        """The good events with their places; those behind one of their record that waits, wait too."""
        at = self.line.ground.clock()
        steps = []
        for row_no, key, version in good:
            number = int(str(row_no))
            origin, delete = self.events[number - 1].origin, self.events[number - 1].operation is Operation.DELETE
            entry = LedgerEntry(str(key), str(version), origin.number, origin.part, None, delete, at)
            steps.append(Step(number, entry))
        held = self._held_places()
        behind = [s for s in steps if s.key in held and (s.entry.number, s.entry.part) > held[s.key]]
        self.done.verdicts |= {step.row_no: BEHIND for step in behind}
        return [step for step in steps if step.row_no not in self.done.verdicts]

    def _held_places(self) -> dict[str, tuple[int, int]]:
        """The first place at which an event of a record waits, by the ledger's key."""
        waiting = [n for n, verdict in self.done.verdicts.items() if verdict.bucket is Bucket.PARKED]
        if not waiting:
            return {}
        sql = f'SELECT row_no, "!ledger" FROM heard WHERE row_no IN ({", ".join(map(str, waiting))})'
        held: dict[str, tuple[int, int]] = {}
        for row_no, key in self.line.workspace.rows(sql):
            place = self.events[int(str(row_no)) - 1].origin.place
            held[str(key)] = min(held.get(str(key), place), place)
        return held

    # ---- a turn

    def _turn(self, folds: Sequence[Fold]) -> None:
        """Apply one turn; what the world has overtaken meanwhile is looked at once more."""
        behind = [fold for fold in folds if fold.leader.key in self._held]
        self.done.verdicts |= {step.row_no: BEHIND for fold in behind for step in fold.steps}
        free = [fold for fold in folds if fold.leader.key not in self._held]
        verdicts, again, stopped = apply_turn(self.line, self.events, free)
        for fold in again:
            verdicts.pop(fold.leader.row_no)  # it may well succeed: without a second look it has no verdict
        if again and not stopped:
            more, _, stopped = apply_turn(self.line, self.events, again)
            verdicts |= more
        self.done.stopped = stopped
        self._take(free, verdicts)

    def _take(self, folds: Sequence[Fold], verdicts: Mapping[int, Verdict]) -> None:
        settled: list[Fold] = []
        torn: list[Fold] = []
        for fold in folds:
            verdict = verdicts.get(fold.leader.row_no)
            if verdict is None:
                continue
            if verdict.bucket is Bucket.REJECTED and len(fold.steps) > 1:
                torn.append(fold)
                continue
            members = Verdict(Bucket.FOLDED) if verdict.bucket in SETTLED else verdict
            self.done.verdicts |= {step.row_no: members for step in fold.steps[:-1]}
            self.done.verdicts[fold.leader.row_no] = verdict
            if verdict.bucket in SETTLED:
                settled.append(fold)
            elif verdict.bucket is Bucket.PARKED:
                self._held.add(fold.leader.key)
        self._note(settled)
        self._one_by_one(torn)

    def _note(self, folds: Sequence[Fold]) -> None:
        """Note what was applied; where a batch job claimed the record meanwhile, it is looked at again later."""
        crossed = self.line.ground.ledger.change(self._sync, [fold.leader.entry for fold in folds], applied)
        self.done.verdicts |= {
            step.row_no: CLAIMED for fold in folds if fold.leader.key in crossed for step in fold.steps
        }
        self._held |= crossed

    def _one_by_one(self, folds: Sequence[Fold]) -> None:
        """Events that were refused as one: each by itself, so that only the bad one is rejected."""
        for number in range(max((len(fold.steps) for fold in folds), default=0)):
            if not self.done.stopped:
                self._turn([Fold((fold.steps[number],)) for fold in folds if number < len(fold.steps)])
