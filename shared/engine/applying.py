"""Applies a stored plan: chunk by chunk, each noted before it is sent and after it is answered.

A plain run writes at bulk speed. A plan that a person approved is applied carefully: the planned columns are read again
first, a row that moved is a conflict, and the write carries the row's fresh ETag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from shared.brakes import stops_apply
from shared.definitions.behaviour import Brakes
from shared.engine.chunks import CHUNK, Chunk, chunks, write_kind
from shared.engine.cleared import standing
from shared.engine.creating import Creator, RowWriter
from shared.engine.guarding import Claims, Guard, NoClaims, no_guard
from shared.engine.linking import Linker
from shared.engine.noted import (
    answered,
    begun,
    doubtful,
    fits,
    is_settled,
    refusals,
    refuse_other_portions,
    settled_before,
)
from shared.engine.plan import PlanFile, PlanRow
from shared.engine.readback import Present, ReadBack, stands_as_after
from shared.errors import RetryError
from shared.ports import OutcomeStore, ProgressListener
from shared.values.changes import Action, ChunkOutcome, Outcome, OutcomeStatus, Write, WriteKind
from shared.values.jobs import Brake, Phase, Progress

MOST_THREADS = 256
LOOKS = 3
"""So often in a row are rows read and written in vain, each time changed between; then it is a conflict."""
_MOVED = "the row was changed after the plan was made; make a new plan to see what it holds now"
_TAKEN = "a row with this key was created after the plan was made"


Tally = Counter[tuple[Action, bool, OutcomeStatus]]
"""How many changes had which outcome: (action, stands for a source record, status)."""


Answered = tuple[Chunk, Mapping[int, Outcome]]
"""A chunk and the outcomes of its changes."""


@dataclass(slots=True)
class Applied:
    """What an apply did. `brake` is set when it stopped in its course; `refused_before` counts for no brake again."""

    tally: Tally = field(default_factory=Counter)
    brake: Brake | None = None
    refused_before: int = 0

    @property
    def refused(self) -> int:
        """Changes that Dataverse refused."""
        return sum(n for (_, _, status), n in self.tally.items() if status is OutcomeStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies one job's plan. `careful` compares every row before it is written; `same_keys`: its key, too.

    `parallel` says how many requests at a time make sense now; the writer itself keeps to the limits. `guard` is asked
    for changes that must not be sent, with each careful chunk that is about to be; `claims` with every chunk.
    """

    job_id: str
    plan: PlanFile
    writer: RowWriter
    readback: ReadBack
    outcomes: OutcomeStore
    brakes: Brakes
    parallel: Callable[[], int] = lambda: 4
    chunk_size: int = CHUNK
    careful: bool = False
    same_keys: bool = False
    progress: ProgressListener = lambda _: None
    cancelled: Callable[[], bool] = lambda: False
    guard: Guard = no_guard
    claims: Claims = field(default_factory=NoClaims)

    def apply(self) -> Applied:
        """Apply what is not applied yet; safe to call again after a stop at any point.

        Raises:
            FailError: Dataverse refuses the whole job; chunks without an answer stay in doubt.
        """
        known = {chunk.chunk: chunk for chunk in self.outcomes.chunks(self.job_id)}
        applied = Applied(refused_before=sum(map(refusals, known.values())))
        pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="dynsync-apply")
        try:
            self._submit_all(pool, known, applied)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        if sum(applied.tally.values()) < self.plan.total:
            applied.tally = self.noted()
        return applied

    def noted(self) -> Tally:
        """What is known of all changes, earlier applies included: for an apply that did not come to its end."""
        known = {chunk.chunk: chunk for chunk in self.outcomes.chunks(self.job_id) if chunk.answered}
        tally: Tally = Counter()
        linker = Linker(self.plan)
        for number, chunk in enumerate(chunks(self.plan, self.chunk_size)):
            if number not in known or not fits(known[number], chunk.rows):
                continue
            exceptions = {outcome.change: outcome for outcome in known[number].exceptions}
            for row in chunk.rows:
                outcome = exceptions.get(row.change) or Outcome(row.change, OutcomeStatus.DONE)
                if _counts(chunk, row, outcome, linker):
                    tally[row.action, row.row_no is not None, outcome.status] += 1
        return tally

    def _submit_all(self, pool: ThreadPoolExecutor, known: Mapping[int, ChunkOutcome], applied: Applied) -> None:
        running: set[Future[Answered]] = set()
        linker = Linker(self.plan)
        kind: tuple[WriteKind, bool] | None = None
        for number, chunk in enumerate(chunks(self.plan, self.chunk_size)):
            refuse_other_portions(known.get(number), chunk.rows)
            if chunk.kind != kind or chunk.rows[0].change in self.plan.manifest.waves:
                self._collect(running, applied, linker, leave=0)
                kind = chunk.kind
            if applied.brake or (not is_settled(known.get(number)) and self.cancelled()):
                break
            running.add(pool.submit(self._apply_chunk, number, chunk, known.get(number), linker))
            self._collect(running, applied, linker, leave=self._ahead())
        self._collect(running, applied, linker, leave=0)

    def _ahead(self) -> int:
        """Chunks under way while the next is prepared: enough that no request that may start has to wait for one."""
        parallel = self.parallel()
        return 0 if parallel == 1 else min(parallel + max(1, parallel // 4), MOST_THREADS) - 1

    def _collect(self, running: set[Future[Answered]], applied: Applied, linker: Linker, *, leave: int) -> None:
        while len(running) > leave:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            running -= done
            for future in done:
                self._count(applied, linker, *future.result())

    def _count(self, applied: Applied, linker: Linker, chunk: Chunk, outcomes: Mapping[int, Outcome]) -> None:
        pairs = ((row, outcomes[row.change]) for row in chunk.rows)
        applied.tally.update(
            (row.action, row.row_no is not None, outcome.status)
            for row, outcome in pairs
            if _counts(chunk, row, outcome, linker)
        )
        applied.brake = applied.brake or stops_apply(
            self.brakes, refused=applied.refused - applied.refused_before, planned=self.plan.total
        )
        done = sum(applied.tally.values())
        self.progress(Progress(Phase.APPLY, done, self.plan.total, applied.refused))

    def _apply_chunk(self, number: int, chunk: Chunk, noted: ChunkOutcome | None, linker: Linker) -> Answered:
        rows = chunk.rows
        outcomes = settled_before(rows, noted)
        still_open = [row for row in rows if row.change not in outcomes]
        if still_open:
            if noted is None:
                self.outcomes.mark_sent(self.job_id, begun(number, rows))
            elif noted.answered:  # what was not attempted then may be from now on: an undo has to know
                self.outcomes.record(self.job_id, doubtful(noted))
            attempt = self._linked if chunk.links else self._attempted
            writing = [row for row in still_open if not (chunk.links and linker.undone(row))]
            outcomes |= (lost := self.claims.take(writing))
            if free := [row for row in still_open if row.change not in lost]:
                outcomes |= attempt(free, linker, in_doubt=noted is not None)
            self.claims.settle(outcomes)
            self.outcomes.record(self.job_id, answered(number, rows, outcomes))
        return chunk, outcomes

    def _linked(self, rows: list[PlanRow], linker: Linker, *, in_doubt: bool) -> dict[int, Outcome]:
        """The second step of changes whose links wait for new rows."""
        steps = [linker.step(row) for row in rows]
        writes = [step.write for step in steps if step.write]
        written = self._attempted(writes, linker, in_doubt=in_doubt) if writes else {}
        return {step.change: step.final(written.get(step.change)) for step in steps}

    def _attempted(self, rows: list[PlanRow], _: Linker, *, in_doubt: bool) -> dict[int, Outcome]:
        """Send what is to be sent. In doubt or careful, the rows are read first, and written under that read's ETag.

        A row that changed between the read and the write is looked at again, as long as that brings any of them on: it
        may have been touched in other columns, by what was written beside it.
        """
        if not in_doubt and not self.careful:
            return self._known(rows, self._written(rows, {}))
        outcomes: dict[int, Outcome] = {}
        again, in_vain = rows, 0
        while again and in_vain < LOOKS:
            outcomes |= self._guarded(again, in_doubt=in_doubt)
            left = [row for row in again if _is_outrun(row, outcomes[row.change])]
            in_vain = in_vain + 1 if len(left) == len(again) else 0
            again = left
        return outcomes

    def _guarded(self, rows: list[PlanRow], *, in_doubt: bool) -> dict[int, Outcome]:
        outcomes, etags = self._looked_at(rows, in_doubt=in_doubt)
        outcomes |= self.guard([row for row in rows if row.change not in outcomes])
        unsent = [row for row in rows if row.change not in outcomes]
        return outcomes | self._known(unsent, self._written(unsent, etags))

    def _looked_at(self, rows: list[PlanRow], *, in_doubt: bool) -> tuple[dict[int, Outcome], dict[str, str | None]]:
        """What a look at the rows decides, and their versions; the rows themselves, which take room, are let go."""
        present = self._present(rows)
        outcomes = self._settled(rows, present) if in_doubt else self._compared(rows, present)
        return outcomes, {row_id: row.etag for row_id, row in present.items()}

    def _known(self, rows: list[PlanRow], outcomes: dict[int, Outcome]) -> dict[int, Outcome]:
        """The outcomes, after a look at the rows whose answer was lost; what stands as before stays in doubt."""
        doubtful = [row for row in rows if outcomes[row.change].status is OutcomeStatus.IN_DOUBT]
        if not doubtful:
            return outcomes
        try:
            return outcomes | self._settled(doubtful, self._present(doubtful))
        except RetryError:
            return outcomes

    # ---- comparing with what stands there now

    def _compared(self, rows: list[PlanRow], present: Mapping[str, Present]) -> dict[int, Outcome]:
        """The rows that moved since the plan was made, as conflicts; one to delete that is gone is done."""
        if rows[0].action is Action.CREATE:
            return {change: _conflict(change, _TAKEN) for change in self.readback.taken(rows)}
        same = standing(rows, present, self.plan, self.readback)
        if self.same_keys:
            same -= {row.change for row in rows if row.change in same and self._has_other_key(row, present)}
        moved = [row for row in rows if row.change not in same]
        gone = {row.change for row in moved if row.action is Action.DELETE and row.id not in present}
        outcomes = {row.change: _conflict(row.change, _MOVED) for row in moved}
        return outcomes | {change: Outcome(change, OutcomeStatus.DONE) for change in gone}

    def _settled(self, rows: list[PlanRow], present: Mapping[str, Present]) -> dict[int, Outcome]:
        """The in-doubt rule: as planned = done, as before = still to send, neither = conflict."""
        if rows[0].action is Action.CREATE:
            return self._settled_creates(rows, present)
        outcomes = {}
        as_before = standing(rows, present, self.plan, self.readback)
        for row in rows:
            if _is_done(self.plan, row, present.get(row.id)):
                outcomes[row.change] = Outcome(row.change, OutcomeStatus.DONE)
            elif row.change not in as_before:
                outcomes[row.change] = _conflict(row.change, _MOVED)
        return outcomes

    def _settled_creates(self, rows: list[PlanRow], present: Mapping[str, Present]) -> dict[int, Outcome]:
        """A row with the id and the key is the one that was created; a missing second step is made up for."""
        taken = self.readback.taken([row for row in rows if row.id not in present])
        outcomes = {change: _conflict(change, _TAKEN) for change in taken}
        begun: list[PlanRow] = []
        for row in rows:
            now = present.get(row.id)
            if now is None or not self.readback.same_key(row, now):
                continue
            if not row.later or stands_as_after(self.plan, row, now.values):
                outcomes[row.change] = Outcome(row.change, OutcomeStatus.DONE)
            else:
                begun.append(row)
        return outcomes | self._creator.finish(begun)

    def _has_other_key(self, row: PlanRow, present: Mapping[str, Present]) -> bool:
        return self.readback.has_other_key(row, present[row.id])

    def _present(self, rows: list[PlanRow]) -> dict[str, Present]:
        ids = [row.id for row in rows]
        return self.readback.whole(ids) if rows[0].action is Action.DELETE else self.readback.rows(ids)

    # ---- writing

    def _written(self, rows: list[PlanRow], etags: Mapping[str, str | None]) -> dict[int, Outcome]:
        if not rows:
            return {}
        kind = write_kind(rows[0].action)
        if kind is WriteKind.CREATE:
            return self._creator.create(rows)
        idle = [row for row in rows if _is_idle(row)]
        writes = [Write(row.change, row.id, row.after or "{}", etags.get(row.id)) for row in rows if not _is_idle(row)]
        outcomes = {outcome.change: outcome for outcome in self.writer.write(kind, writes)} if writes else {}
        return outcomes | {row.change: Outcome(row.change, OutcomeStatus.DONE) for row in idle}

    @property
    def _creator(self) -> Creator:
        return Creator(self.writer, self.readback, self.plan.manifest.ids == "derived")


def _is_idle(row: PlanRow) -> bool:
    """Whether all that differs waits for rows that the job creates."""
    return row.deferred is not None and row.after == "{}"


def _counts(chunk: Chunk, row: PlanRow, outcome: Outcome, linker: Linker) -> bool:
    """Whether this is the change's final word; a change whose link is still to be set is counted with that."""
    if chunk.links:
        return not linker.undone(row)
    linker.learn(row, outcome)
    return not row.deferred or outcome.status is not OutcomeStatus.DONE


def _conflict(change: int, message: str) -> Outcome:
    return Outcome(change, OutcomeStatus.CONFLICT, message=message)


def _is_outrun(row: PlanRow, outcome: Outcome) -> bool:
    """Whether Dataverse found that the row had another version than the one that was read."""
    conflict = outcome.status is OutcomeStatus.CONFLICT and outcome.code is not None
    return conflict and row.action is not Action.CREATE


def _is_done(plan: PlanFile, row: PlanRow, now: Present | None) -> bool:
    if row.action is Action.DELETE or now is None:
        return row.action is Action.DELETE and now is None
    return stands_as_after(plan, row, now.values)
