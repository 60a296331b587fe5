"""The first half of a job: source and destination are read, compared, and the plan is drafted. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from shared import reconcile
from shared.columns import TypedColumn, TypedSource, compose
from shared.dataverse.client import DataverseClient
from shared.definitions.sync import SyncDefinition
from shared.engine import reading
from shared.engine.cases.noting import LeftOut
from shared.engine.draft import Draft, Planned
from shared.engine.fingerprint.known import KnownRows
from shared.engine.fingerprint.making import tracking_of
from shared.engine.fingerprint.tracking import Tracking
from shared.engine.identity import sequence_start
from shared.engine.incremental import reached, watched
from shared.engine.keeping import keep_deleted_rows
from shared.engine.planning import Planner, create_id
from shared.engine.preparing import Filters, record_filter
from shared.engine.present import PresentRows
from shared.engine.realtime.overtaking import Overtaking
from shared.engine.reconciling import Comparison, Found
from shared.engine.rejecting import Rejections, tell_records
from shared.engine.resolving import Resolver
from shared.engine.ruling import ids_of, rules_of
from shared.engine.slicing import Begun, SliceOverError, leave, shape
from shared.engine.steady import SteadyFiles
from shared.engine.taking import Taken, taken_along
from shared.engine.workspace import SourceTable, Workspace
from shared.errors import DefinitionError, FailError
from shared.mapping.build import Metadata, Prepared, prepare
from shared.ports import ProgressListener, Source, StagedSource
from shared.values.jobs import Phase, Progress
from shared.values.watermarks import Since

_LEFT_OUT = "(SELECT * FROM source WHERE row_no NOT IN (SELECT row_no FROM records))"
EXPRESSION_LIMIT_S = 1800.0
"""The longest that a definition's formulas, conditions and filters may take over the whole source, in seconds."""


@dataclass(slots=True)
class Drafter:
    """Drafts one job's plan in a workspace. `begun` is where an earlier slice stopped, or this one did.

    `lasting`: the draft may be left in its course, and gone on with where the source cannot be read.
    `remembered` is what the sync knows of the destination's rows, a file in the workspace's folder; afterwards
    `tracking` tells what it knows now.
    """

    workspace: Workspace
    definition: SyncDefinition
    client: DataverseClient
    metadata: Metadata
    source: Source | None
    variables: Mapping[str, str]
    job_id: str
    now: datetime
    progress: ProgressListener
    since: Since | None = None
    overtaking: Overtaking | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    begun: Begun | None = None
    lasting: bool = False
    timings_s: dict[str, float] = field(default_factory=dict)
    clock_s: Callable[[], float] = time.perf_counter
    remembered: Path | None = None
    tracking: Tracking | None = None

    def draft(self) -> Draft:
        """Read, map, compare and plan.

        Raises:
            SourceError: the source cannot be read to its end; nothing else has been done.
            DefinitionError: a formula or mapping does not fit the source.
        """
        if self.begun is not None:
            self.workspace.seal()
            return self._drafted(self.begun, self._typed("source"))
        if self.source is None:
            raise TypeError("a draft that was not begun needs its source")
        began = self.client.server_time()
        files = SteadyFiles.of(self.source.files)
        with self._phase(Phase.READ_SOURCE), files.while_read():
            staged = self.source.stage(SourceTable(self.workspace, lasting=self.lasting))
            read = staged.records + len(staged.malformed)
            self.progress(Progress(Phase.READ_SOURCE, read, read, len(staged.malformed)))
            self.workspace.seal()
            typed = self._typed("source")
        self.begun = Begun(began, staged, self.columns)
        with files.while_read() if staged.in_place and not self.lasting else nullcontext():
            return self._drafted(self.begun, typed)

    def _drafted(self, begun: Begun, typed: TypedSource) -> Draft:
        prepared = self._prepared(typed)
        records = reconcile.records(prepared.mapping, typed)
        begun = self.begun = self._of_this_shape(begun, prepared, records)
        present = self._present(prepared, begun)
        with self._left(present), present.ahead() as ahead:
            if not begun.resolved:
                with self._phase(Phase.RESOLVE):
                    Resolver(self.workspace, self.client, prepared, typed, self._filters.bound).resolve()
                    self.workspace.run(records, typed.parameters, within_s=EXPRESSION_LIMIT_S)
                present.begun = replace(begun, resolved=True)
            with self._phase(Phase.READ_DESTINATION):
                present.read(ahead, typed)
            self.progress(Progress(Phase.RECONCILE))
        with self._phase(Phase.RECONCILE):
            found, rejections = self._comparison(prepared, begun.staged).run(begun.began)
            if self.tracking is not None:
                self.tracking.check()
                self.tracking.keep(self.workspace.folder)
            self._set_outside_aside(prepared, rejections)
            if self.overtaking is not None:
                self.overtaking.set_aside(self.workspace, prepared, typed, rejections)
        with self._phase(Phase.PLAN):
            ids, taken = self._plan(prepared, rejections, found)
            tell_records(self.workspace, reconcile.CLOSER)
        draft = self._planned(prepared, begun.staged, found, ids, taken).draft()
        column, choice = watched(self.definition), self.definition.choice(self.variables)
        mark = reached(self.workspace, column, typed, choice=choice, began=self.now)
        return replace(draft, watermark=mark)

    def _of_this_shape(self, begun: Begun, prepared: Prepared, records: str) -> Begun:
        """The same, if the tables in the workspace are those that this slice would make.

        Raises:
            FailError: Dataverse's metadata, or this program, was changed between two slices.
        """
        now = shape(records, reconcile.present_table(prepared), reconcile.page_rows(prepared))
        if begun.resolved and begun.shape != now:
            table = self.metadata.table.name
            raise FailError(f"the columns of {table} were changed while the job was worked on; start a new one")
        return replace(begun, shape=now)

    @contextmanager
    def _left(self, present: PresentRows) -> Iterator[None]:
        """Write down how far the draft is, also when the slice is over in the course."""
        try:
            yield
        except SliceOverError:
            self.begun = present.left()
            raise
        self.begun = present.left()

    def leave(self) -> str:
        """Write into the workspace where the draft stands, after `SliceOverError`; says it in words."""
        if self.begun is None:
            raise TypeError("nothing was begun")
        leave(self.workspace, replace(self.begun, timings_s=self.timings_s))
        return self.begun.reached

    @contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        self.progress(Progress(phase))
        started = self.clock_s()
        try:
            yield
        finally:
            spent = self.timings_s.get(phase.value, 0.0) + self.clock_s() - started
            self.timings_s[phase.value] = round(spent, 3)

    @property
    def _filters(self) -> Filters:
        return Filters(self.variables)

    # ---- source

    def left_out(self) -> LeftOut | None:
        """The records that the source's filter left out, as if it had not; None where it cannot have.

        What earlier jobs have read, before the watermark, is not among them. A filter that asks for a file's name tells
        of the records of that file only, not of any that were set aside before.
        """
        wanted = record_filter(self.definition)
        if wanted is None or self.definition.names_files(wanted):
            return None
        if not self.workspace.value(f"SELECT count(*) FROM {_LEFT_OUT}"):
            return None
        return LeftOut(self._typed(_LEFT_OUT, keep_all=True), self.definition.choice(self.variables))

    def _typed(self, relation: str, *, keep_all: bool = False) -> TypedSource:
        staged = self.workspace.columns("source")
        return compose(
            self.definition.source.columns,
            relation=relation,
            staged={name: type_ for name, type_ in staged.items() if name != "row_no"},
            variables=self.variables,
            time_zone=self.definition.source.time_zone,
            record_filter=None if keep_all else record_filter(self.definition),
            since=self.since,
        )

    def _prepared(self, typed: TypedSource) -> Prepared:
        columns: dict[str, TypedColumn] = {column.name: column for column in typed.columns}
        prepared, problems = prepare(self.definition, self.metadata, columns)
        if prepared is None:
            raise DefinitionError(self.definition.name, problems)
        return self.overtaking.prepared(prepared, typed) if self.overtaking else prepared

    # ---- destination

    @property
    def _owned(self) -> str | None:
        """The destination filter with its variables bound: the rows that the sync owns."""
        return self._filters.bound(self.definition.destination.filter, self.metadata.table)

    def _present(self, prepared: Prepared, begun: Begun) -> PresentRows:
        few = self.definition.reads_a_part
        table = self.metadata.table
        creates = self.definition.behaviour.new == "insert"
        rows = KnownRows(self.workspace, self.client, table, prepared, self._owned, creates, self.job_id, self._typed)
        self.tracking = tracking_of(
            self.definition,
            self.metadata,
            rows,
            began=begun.began,
            remembered=self.remembered,
            progress=self.progress,
        )
        reader = PresentRows(self.workspace, self.client, table, prepared, self._owned, few, begun, self.progress)
        return replace(reader, tracking=self.tracking)

    def _comparison(self, prepared: Prepared, staged: StagedSource) -> Comparison:
        return Comparison(
            self.workspace,
            prepared,
            self._typed,
            staged,
            {column.label: column.name for column in self.definition.source.columns if not column.calculated},
            self.definition.behaviour.duplicates,
            self.metadata.table.name,
        )

    def _set_outside_aside(self, prepared: Prepared, rejections: Rejections) -> None:
        """New keys are looked up again without the destination filter; a hit is never created."""
        if not self.definition.destination.filter or not self.workspace.value("SELECT count(*) FROM fresh"):
            return
        key, table = prepared.mapping.key, self.metadata.table
        fresh = "w.ok AND w.row_no IN (SELECT row_no FROM fresh)"
        self.workspace.run("CREATE OR REPLACE TABLE elsewhere AS FROM present LIMIT 0")
        few = self.workspace.value("SELECT count(*) FROM fresh") <= reading.KEY_READS
        keys = reading.keys(self.workspace, key, f"wanted w WHERE {fresh}") if few else []
        pages = (
            reading.as_pages(self.client.rows_by_key(table, key, keys, key))
            if few
            else self.client.pages(table, list(key))
        )
        reading.load_all(self.workspace, "elsewhere", reconcile.page_rows(prepared), pages)
        same = reconcile.same_key(prepared.mapping, "w", "p")
        rows = f"SELECT DISTINCT w.row_no FROM wanted w JOIN elsewhere p ON w.kh = p.kh AND {same} WHERE {fresh}"
        self.workspace.run(f"CREATE OR REPLACE TABLE outside AS {rows}")
        rejections.fate("FROM outside", "outside")
        self.workspace.run("UPDATE wanted SET ok = FALSE WHERE row_no IN (FROM outside)")

    # ---- plan

    def _plan(self, prepared: Prepared, rejections: Rejections, found: Found) -> tuple[str, Taken]:
        """How new ids are made, and what the deletes take along."""
        ids = ids_of(prepared, self.metadata.table)
        planner = Planner(
            self.workspace,
            prepared,
            rules_of(self.definition, prepared, self.variables),
            rejections,
            self.now,
            self.metadata.table.name,
        )
        start = sequence_start(self.now) if ids == "growing" else None
        environment, table = self.metadata.environment.organization_id, self.metadata.table.name
        id_sql = create_id(prepared, environment=environment, table=table, job=self.job_id, sequence_start=start)
        planner.plan(id_sql=id_sql, drop=not self.definition.reads_a_part and found.withheld is None)
        deleted = keep_deleted_rows(self.workspace, self.client, self.metadata.table)
        return ids, taken_along(self.client, self.metadata.table, deleted)

    def _planned(self, prepared: Prepared, staged: StagedSource, found: Found, ids: str, taken: Taken) -> Planned:
        return Planned(
            self.workspace,
            self.definition,
            self.client,
            self.metadata,
            prepared,
            self.job_id,
            staged,
            found,
            ids,
            taken,
            self._owned,
            self.tracking,
        )
