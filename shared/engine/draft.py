"""What a job knows when its plan is drafted: what the plan means, what it would do, and sentences for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.brakes import PlanCounts
from shared.dataverse.client import DataverseClient
from shared.definitions.sync import SyncDefinition
from shared.engine.balances import planned_changes, planned_destination, planned_source
from shared.engine.findings import emptied_columns, notes, skipped_cells
from shared.engine.fingerprint.tracking import Tracking
from shared.engine.plan import Manifest, store_rows
from shared.engine.reconciling import Found
from shared.engine.ruling import planned_columns
from shared.engine.taking import Taken, told
from shared.engine.workspace import Workspace, room_in_words
from shared.mapping.build import Metadata, Prepared
from shared.ports import StagedSource
from shared.sql import literal
from shared.values.changes import Action
from shared.values.files import FileRead
from shared.values.watermarks import Watermark


@dataclass(frozen=True, slots=True)
class Draft:
    """What a job knows when its plan is drafted; the plan's rows stand in the workspace's table `plan`."""

    manifest: Manifest
    counts: PlanCounts
    skipped_cells: int
    notes: tuple[str, ...]
    files: tuple[FileRead, ...] = ()
    watermark: Watermark | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """One job's tables, its plan among them, about to be told. `ids`: how new ids were made; `taken`: what its
    deletes take along; `owned`: the filter of the rows that the sync owns, its variables bound.
    """

    workspace: Workspace
    definition: SyncDefinition
    client: DataverseClient
    metadata: Metadata
    prepared: Prepared
    job_id: str
    staged: StagedSource
    found: Found
    ids: str
    taken: Taken
    owned: str | None
    tracking: Tracking | None

    def draft(self) -> Draft:
        """Count, and say it."""
        manifest, found = self._manifest(), self.found
        planned = manifest.counts
        counts = PlanCounts(
            present=self._owned_rows(manifest),
            creates=planned.get(Action.CREATE, 0),
            updates=planned.get(Action.UPDATE, 0) + planned.get(Action.REVIVE, 0),
            removals=sum(planned.get(action, 0) for action in (Action.DELETE, Action.EXPIRE, Action.DEACTIVATE)),
            read=manifest.source.read,
            rejected=manifest.source.rejected,
            emptied=emptied_columns(self.workspace, self.prepared, self.tracking.filled if self.tracking else ()),
        )
        read = self.tracking.note if self.tracking else ""
        return Draft(
            manifest,
            counts,
            skipped_cells(self.workspace, self.prepared),
            (*notes(self.workspace, self.prepared, found, manifest.reported, read), *self._goes_along()),
            self.staged.files,
        )

    def _goes_along(self) -> Iterator[str]:
        if self.taken:
            yield f"rows that hang below those to delete go along with them: {told(self.taken)}"

    def _manifest(self) -> Manifest:
        return Manifest(
            job=self.job_id,
            sync=self.definition.name,
            organization=self.metadata.environment.organization_id,
            table=self.metadata.table.name,
            key=self.prepared.mapping.key,
            ids=self.ids,
            accent_sensitive=self.prepared.mapping.accent_sensitive,
            columns=planned_columns(self.prepared),
            counts=planned_changes(self.workspace),
            source=planned_source(self.workspace, staged=self.staged.records, malformed=len(self.staged.malformed)),
            destination=planned_destination(self.workspace, self.found),
            reported=self.workspace.value("SELECT count(DISTINCT row_no) FROM rejects WHERE NOT rejecting"),
            taken=self.taken,
        )

    def _owned_rows(self, manifest: Manifest) -> int:
        """Rows the sync owns. A part of the source needs those of its few records only, so the service counts them."""
        if not self.definition.reads_a_part or not manifest.counts:
            return self.found.present
        return max(self.found.present, self.client.at_least(self.metadata.table, self.owned))


def store(workspace: Workspace, draft: Draft, folder: Path) -> dict[str, Path]:
    """The draft as files: the plan's rows and manifest, and the rejects."""
    rows, manifest, rejects = folder / "plan.parquet", folder / "plan.json", folder / "rejects.parquet"
    store_rows(workspace, rows)
    with room_in_words():
        manifest.write_bytes(draft.manifest.to_json())
    workspace.run(f"COPY (FROM told ORDER BY row_no) TO {literal(str(rejects))} (FORMAT parquet, COMPRESSION zstd)")
    return {path.name: path for path in (rows, manifest, rejects)}
