"""Drafts the plan of an undo in a workspace: rows made again first, then old values, then what is to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from shared.canonical import form_of
from shared.dataverse.client import DataverseClient
from shared.dataverse.relations import Relations
from shared.engine.canonical_rows import CanonicalRows
from shared.engine.draft import Draft
from shared.engine.plan import Manifest, PlanRow
from shared.engine.readback import ReadBack, readable_columns
from shared.engine.taking import Taken, told
from shared.engine.undoing.going import Below, Going
from shared.engine.undoing.originals import Original, Originals
from shared.engine.undoing.relinking import Relinker
from shared.engine.undoing.remaking import Remaker, forms, planned
from shared.engine.undoing.removing import Creation, Judge, Removal
from shared.engine.undoing.resting import Stand
from shared.engine.undoing.reverting import AsLeft, Kept, Reverter, Standing
from shared.engine.undoing.sheet import Sheet
from shared.engine.undoing.wire import Referents
from shared.engine.workspace import Workspace
from shared.ports import ProgressListener
from shared.values.changes import Action, OutcomeStatus
from shared.values.jobs import Phase, Progress
from shared.values.tables import Table

_STAYS = (Action.UPDATE, Action.REVIVE, Action.EXPIRE, Action.DEACTIVATE)


@dataclass(slots=True)
class UndoDrafter:
    """Drafts one undo. `removal` is what becomes of created rows; `worked` how long the undone job took, `ended` when
    it ended.

    `stand`: where an earlier slice left the draft, in the same workspace; None for a new one.
    """

    workspace: Workspace
    folder: Path
    client: DataverseClient
    table: Table
    originals: Originals
    removal: Removal
    worked: timedelta
    ended: datetime
    job_id: str
    progress: ProgressListener
    stand: Stand | None = None
    clock_s: Callable[[], float] = time.perf_counter
    _stand: Stand = field(init=False)
    _sheet: Sheet = field(init=False)
    _going: Going = field(init=False)
    _relations: Relations = field(init=False)
    _referents: Referents = field(init=False)
    _as_left: AsLeft = field(init=False)

    def __post_init__(self) -> None:
        self._stand = self.stand or Stand()
        self._sheet = Sheet(self.workspace, self._stand.counts)
        self._going = Going(self.workspace, self.table)
        self._relations = Relations(self.client)
        self._referents = Referents(self._relations, self.table, self._stand.coming)
        columns = {column.read_name: column for column in self.table.columns.values()}
        self._as_left = AsLeft(columns, self._stand.deleted)

    def draft(self) -> Draft:
        """Look at every row that the job touched, and plan what takes its change back.

        Raises:
            SliceOverError: from `progress`, between two batches; `leave` keeps what is done.
        """
        if self.stand is None:
            self._sheet.begin()
            self._going.begin()
        below = None
        with self._phase(Phase.COMPARE):
            for round_ in (self._look, self._remake, self._relink, self._revert, self._remove)[self._stand.stage :]:
                round_()
                self._stand.next_round()
            if self._going.total:
                below = self._below()
                self._refer(below)
        with self._phase(Phase.PLAN):
            waves = self._order() if below else ()
        manifest = self._manifest(waves)
        return Draft(manifest, self._sheet.plan_counts(), 0, tuple(self._notes(manifest.counts, below)))

    def leave(self) -> str:
        """Write into the workspace where the draft stands, after `SliceOverError`; says it in words."""
        self._stand.leave(self.workspace)
        return self._stand.reached

    @property
    def timings_s(self) -> dict[str, float]:
        """The seconds of every phase, those of earlier slices included."""
        return self._stand.timings_s

    @contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        self.progress(Progress(phase))
        started = self.clock_s()
        try:
            yield
        finally:
            spent = self.timings_s.get(phase.value, 0.0) + self.clock_s() - started
            self.timings_s[phase.value] = round(spent, 3)

    def _through[T](self, batches: Iterable[T]) -> Iterator[T]:
        """The batches of this round that are left; before each, a slice may end."""
        for batch in self._stand.through(batches):
            self.progress(Progress(Phase.COMPARE, self._sheet.counts["read"], self.originals.plan.total))
            yield batch

    def _of(self, *actions: Action) -> Iterator[list[Original]]:
        """The changes of some actions that the job may have carried out; the others are only counted."""
        counts = self._sheet.counts
        for originals in self._through(self.originals.of(actions)):
            done = [original for original in originals if original.maybe_done]
            counts["read"] += len(originals)
            counts["ignored"] += len(originals) - len(done)
            yield done

    # ---- deleted rows

    def _look(self) -> None:
        """Which of the deleted rows are there again, and which are to be made again."""
        for originals in self._of(Action.DELETE):
            there = self._relations.present(self.table.name, [original.row.id for original in originals])
            self._sheet.counts["unchanged"] += len(there)
            self._sheet.counts["rows"] += len(there)
            surely = {original.row.id for original in originals if original.first.status is OutcomeStatus.DONE}
            gone = [original for original in originals if original.row.id not in there]
            self._stand.back |= surely & there
            self._stand.deleted |= {original.row.id for original in gone}
            self._stand.coming |= {original.row.id for original in gone if original.row.before}

    def _remake(self) -> None:
        rows = CanonicalRows(self.table.id_column, forms(self.table, self.originals.plan.manifest), self.folder)
        remaker = Remaker(self.table, rows, self._referents)
        with closing(rows):
            for originals in self._through(self.originals.of([Action.DELETE])):
                gone = [one for one in originals if one.maybe_done and one.row.id in self._stand.deleted]
                if gone:
                    self._remake_some(remaker, gone)

    def _remake_some(self, remaker: Remaker, originals: list[Original]) -> None:
        for original, stored in remaker.stored(originals):
            if isinstance(stored, Kept):
                self._sheet.leave([stored])
                continue
            row, lost = remaker.remade(original, stored)
            self._sheet.plan([row])
            self._sheet.lose(lost)

    # ---- rows that lost a link to a deleted one

    def _relink(self) -> None:
        """Links of rows that stand though the plan would have them deleted, or of changes that were not carried out."""
        deleted = self._stand.coming | self._stand.back
        if not deleted:
            return
        relinker = Relinker(self.client, self.table, self._referents, deleted)
        counts = self._sheet.counts
        for originals in self._through(self.originals.of((Action.DELETE, *_STAYS))):
            standing = [one for one in originals if one.row.action is Action.DELETE or not one.maybe_done]
            for original, row in relinker.relinked(standing):
                self._sheet.plan([row])
                counts["unchanged" if original.maybe_done else "ignored"] -= 1
                counts["rows"] += not original.maybe_done
                self._stand.relinked = True

    # ---- changed rows

    def _revert(self) -> None:
        plan = self.originals.plan
        reverter = Reverter(plan, self._as_left, self._referents)
        with closing(ReadBack(self.client, self.table, plan, self.folder)) as readback:
            for originals in self._of(*_STAYS):
                present = readback.rows([original.id for original in originals])
                self._sheet.counts["rows"] += len(present)
                found = [(one, reverter.standing(one, present.get(one.id))) for one in originals]
                self._revert_some(reverter, found)

    def _revert_some(self, reverter: Reverter, found: list[tuple[Original, Standing | Kept]]) -> None:
        left = [one for _, one in found if isinstance(one, Kept)]
        differing = [(one, standing) for one, standing in found if isinstance(standing, Standing) and standing.differs]
        self._sheet.counts["unchanged"] += len(found) - len(left) - len(differing)
        former = ({name: standing.old[name] for name in standing.now} for _, standing in differing)
        self._referents.look_up(former, all_of_them=False)
        reverses = [reverter.reverse(one, standing) for one, standing in differing]
        rows = [one for one in reverses if isinstance(one, PlanRow)]
        self._sheet.leave([*left, *(one for one in reverses if isinstance(one, Kept))])
        self._sheet.plan(rows)
        self._going.unlink([pair for row in rows for pair in self._unlinked(row)])

    def _unlinked(self, row: PlanRow) -> Iterator[tuple[str, str]]:
        """The lookups within the table that a reverse takes away."""
        written = orjson.loads(row.before or "{}")
        for column in self.table.columns.values():
            own = any(target.entity == self.table.name for target in column.targets)
            if own and written.get(column.read_name):
                yield row.id, column.name

    # ---- created rows

    def _remove(self) -> None:
        names = readable_columns(self.table)
        with closing(ReadBack(self.client, self.table, self.originals.plan, self.folder)) as readback:
            judge = Judge(self.originals.plan, readback, self.worked, self.ended, self.removal, self._as_left)
            for originals in self._of(Action.CREATE):
                found = self.client.rows_by_id(self.table, [original.id for original in originals], names)
                verdicts = list(judge.judged(originals, found))
                left = [one for one in verdicts if isinstance(one, Kept)]
                self._sheet.counts["rows"] += len(found)
                self._sheet.counts["unchanged"] += len(originals) - len(verdicts)
                self._sheet.counts["kept"] += len(left)
                self._sheet.leave(left)
                self._going.add([_going(one, self.removal) for one in verdicts if isinstance(one, Creation)])

    def _below(self) -> Below:
        below = Below.of(self._relations, self.table)
        below.unseen.update((str(one), one) for one in below.relationships if str(one) in self._stand.unseen)
        return below

    def _refer(self, below: Below) -> None:
        """Look for the rows that refer to those that go."""
        for ids in self._through(self._going.batches()):
            self._going.look(below, ids)
            self._stand.unseen = tuple(below.unseen)

    def _order(self) -> tuple[int, ...]:
        """Plan the rows that go, but for those that others refer to; gives where a new wave begins."""
        going = self._going
        going.settle()
        left = going.left()
        self._sheet.counts["kept"] += len(left)
        self._sheet.leave_rows(left)
        if self.removal.inactive is None:
            return going.plan_deletes()
        return going.plan_updates(Action.DEACTIVATE, self.removal.members)

    # ---- the whole

    def _manifest(self, waves: tuple[int, ...]) -> Manifest:
        former, counts = self.originals.plan.manifest, self._sheet.planned
        columns = {column.name: column for column in former.columns}
        if counts.get(Action.CREATE) or self._stand.relinked:
            more = forms(self.table, former)
        else:
            more = [form_of(self.table.columns[name]) for name in self.removal.columns]
        columns |= {form.name: planned(form) for form in more if form.name not in columns}
        return Manifest(
            job=self.job_id,
            sync=former.sync,
            organization=former.organization,
            table=former.table,
            key=former.key,
            ids="source",
            accent_sensitive=former.accent_sensitive,
            columns=tuple(columns.values()),
            counts=counts,
            source=self._sheet.source(),
            destination=self._sheet.destination(),
            reported=self._sheet.counts["lost"],
            waves=waves,
        )

    def _taken(self) -> Taken:
        """What the deletes took along; of a plan that did not tell, the tables."""
        known = self.originals.plan.manifest.taken
        below = () if known is not None else self._relations.below(self.table.name)
        return known or tuple(dict.fromkeys((one.entity, None) for one in below if one.on_delete == "Cascade"))

    def _notes(self, counts: Mapping[str, int], below: Below | None) -> Iterator[str]:
        if counts:
            sync = self.originals.plan.manifest.sync
            back = f"`dynsync watermark {sync}` sets back how far an incremental sync has read"
            yield f"a run of {sync} that reads these records again brings the changes back; {back}"
        if counts.get(Action.CREATE):
            yield "rows that are made again have their ids and values; who created and changed them, and when, is new"
            yield "other rows that pointed at deleted ones lost that link when they were deleted; it stays empty"
            taken = told(self._taken())
            if taken:
                lost = "rows that hung below deleted ones were deleted along with them and do not come back"
                yield f"{lost} (as counted when the deletes were planned): {taken}"
        if below is not None and below.unseen:
            names = ", ".join(sorted(below.unseen))
            yield f"this user may not read {names}: whether rows there refer to created ones is not known"
        if counts.get(Action.DEACTIVATE) and not self.table.deletable:
            yield f"rows of {self.table.name} cannot be deleted, so those that were created are deactivated"


def _going(creation: Creation, removal: Removal) -> tuple[object, ...]:
    """A row of `going`."""
    row = creation.original.row
    return creation.original.id, row.key, row.change, orjson.dumps(creation.before(removal)).decode()
