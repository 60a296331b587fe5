"""Makes the change tracking of one draft, where the definition asks for it and the table allows it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from shared import reconcile
from shared.dataverse.tracking import ChangeTracking
from shared.definitions.sync import SyncDefinition
from shared.engine.fingerprint.known import KnownRows
from shared.engine.fingerprint.rules import obstacle
from shared.engine.fingerprint.tracking import Tracking, scope_of
from shared.mapping.build import Metadata
from shared.ports import ProgressListener
from shared.values.jobs import Phase, Progress


def tracking_of(
    definition: SyncDefinition,
    metadata: Metadata,
    rows: KnownRows,
    *,
    began: datetime,
    remembered: Path | None,
    progress: ProgressListener,
) -> Tracking | None:
    """The change tracking of a draft; None when it is not asked for, or cannot tell the rows.

    What is remembered is of another scope when anything was changed that decides which rows the sync sees or what is
    compared: the destination part, the columns, the filter's values; or the definition's version, by which a person can
    ask for a whole read.
    """
    wanted = definition.destination.change_tracking and not definition.reads_a_part
    if not wanted or obstacle(definition, metadata.table) is not None:
        return None
    transport = rows.client.transport
    place = f"{transport.service.origin} {metadata.environment.organization_id} {metadata.table.name}"
    statements = (reconcile.present_table(rows.prepared), reconcile.page_rows(rows.prepared))
    # Of several users each sees the same; which of them asked for the environment is chance.
    user = metadata.environment.user_id if len(definition.destination.sign_ins) < 2 else ""
    scope = scope_of(
        place, user, definition.destination.model_dump_json(), definition.version, rows.owned or "", *statements
    )
    every = definition.destination.full_read_every
    changes = ChangeTracking(transport, lambda: progress(Progress(Phase.READ_DESTINATION)))
    return Tracking(rows.workspace, changes, rows, remembered, place, scope, began, every)
