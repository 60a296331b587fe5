"""Makes the plan of an undo, and stores it as the plan of a job of its own.

The undone job's changes are the undo's source records, each with its number as row number; the rows that they touched
are its destination. What is taken back:

    created                          deleted, or deactivated where the table or the definition wants it
    updated, expired, deactivated,   the old values of the columns that the job wrote
    revived
    deleted                          made again under its id
    not carried out                  a link that pointed at a deleted row, and that the delete cleared

A row that somebody changed since is left alone: a conflict. One that stands as it did before the job needs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from shared.engine.draft import Draft, store
from shared.engine.making import Running, superseding
from shared.engine.noted import Noted
from shared.engine.plan import MANIFEST, ROWS, PlanFile
from shared.engine.slicing import SliceOverError, fetch, keep
from shared.engine.surroundings import Destination
from shared.engine.undoing.drafting import UndoDrafter
from shared.engine.undoing.originals import Originals
from shared.engine.undoing.removing import Removal
from shared.engine.undoing.resting import left_in
from shared.engine.workspace import Workspace, workspace_folder
from shared.errors import DestinationError, RefuseError
from shared.values.jobs import Job


@dataclass(frozen=True, slots=True)
class UndoMaking:
    """Makes the plan of one undo."""

    run: Running
    destination: Destination

    def made(self, job: Job) -> tuple[Job, Draft]:
        """The job with its plan stored, and its counts."""
        undone = self.run.state.get(job.undoes or "")
        rows, manifest = (self.run.state.path(undone.id, name) for name in (ROWS, MANIFEST))
        with workspace_folder(self.run.around.workspaces) as folder, PlanFile(rows, manifest) as plan:
            self._refuse_another_place(undone, plan)
            fetch(self.run.state, job, folder)
            try:
                drafter, draft = self._draft_in(folder, job, undone, plan)
            except SliceOverError:
                keep(self.run.state, job, folder)
                raise
        return self._planned(job, draft, drafter), draft

    def _draft_in(self, folder: Path, job: Job, undone: Job, plan: PlanFile) -> tuple[UndoDrafter, Draft]:
        """Draft in a folder, from the beginning or from where an earlier slice stopped; store the plan."""
        with Workspace(folder, limits=self.run.around.limits) as workspace:
            drafter = self._drafter(job, undone, plan, workspace, folder)
            self.run.timings_s = drafter.timings_s
            try:
                draft = drafter.draft()
            except SliceOverError:
                raise SliceOverError(drafter.leave()) from None
            for name, path in store(workspace, draft, folder).items():
                self.run.state.put(job.id, name, path)
        return drafter, draft

    def _drafter(self, job: Job, undone: Job, plan: PlanFile, workspace: Workspace, folder: Path) -> UndoDrafter:
        ended = undone.finished_at or self.run.around.clock()
        table = self.destination.client.table(plan.manifest.table)
        return UndoDrafter(
            workspace=workspace,
            folder=folder,
            client=self.destination.client,
            table=table,
            originals=Originals(plan, Noted(self.run.state.chunks(undone.id))),
            removal=Removal.of(self.run.definition.behaviour.undo, table),
            worked=max(ended - undone.created_at, timedelta()),
            ended=ended,
            job_id=job.id,
            progress=self.run.tell,
            stand=left_in(workspace),
        )

    def _refuse_another_place(self, undone: Job, plan: PlanFile) -> None:
        if self.destination.client.organization_id != plan.manifest.organization:
            raise RefuseError(
                f"job {undone.id} wrote to another environment than the one at service_url; "
                "let the definition name that one again to undo it"
            )
        columns = self.destination.client.table(plan.manifest.table).columns
        gone = [column.name for column in plan.manifest.columns if column.name not in columns]
        if gone:
            raise DestinationError(
                f"{plan.manifest.table} has no column {', '.join(gone)} any more, which job {undone.id} wrote; "
                "it cannot be undone as a whole"
            )

    def _planned(self, job: Job, draft: Draft, drafter: UndoDrafter) -> Job:
        job = replace(
            job,
            requests=self.run.requests(self.destination),
            planned=draft.manifest.counts,
            source=draft.manifest.source,
            destination=draft.manifest.destination,
            notes=draft.notes,
            timings_s=drafter.timings_s,
        )
        return superseding(self.run, job)
