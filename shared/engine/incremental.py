"""Incremental syncs: only what is newer is read, and the watermark moves when the destination has confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from shared.columns import TypedSource
from shared.definitions.sync import SyncDefinition
from shared.engine.workspace import Workspace
from shared.ports import WatermarkMemory
from shared.sql import identifier
from shared.values.jobs import Job
from shared.values.watermarks import Since, Watermark, earlier


def since(definition: SyncDefinition, memory: WatermarkMemory) -> Since | None:
    """Which records the next run reads; None: all, as the sync is not incremental or has not run yet."""
    wanted = definition.source.watermark
    column = definition.source.column(wanted.column) if wanted else None
    kept = memory.watermark(definition.name) if wanted else None
    if wanted is None or column is None or kept is None or not fits(definition, kept):
        return None
    value = earlier(kept.value, wanted.overlap) if isinstance(kept.value, datetime) else kept.value
    return Since(column.name, column.label, value)


def fits(definition: SyncDefinition, kept: Watermark) -> bool:
    """Whether a watermark that was kept is one of the column that the definition names now."""
    wanted = definition.source.watermark
    column = definition.source.column(wanted.column) if wanted else None
    return (
        column is not None and column.label == kept.column and (column.type == "date") is isinstance(kept.value, datetime)
    )


def reached(workspace: Workspace, definition: SyncDefinition, typed: TypedSource, *, began: datetime) -> Watermark | None:
    """The greatest value among the records that were read; a date never after `began`, when reading began.

    A clock that is ahead, or a mistyped year, would otherwise hide every record until that day has come.
    """
    wanted = definition.source.watermark
    column = definition.source.column(wanted.column) if wanted else None
    if column is None:
        return None
    date = column.type == "date"
    name = identifier(f"{column.label}!utc" if date else column.label)
    found = workspace.value(f"SELECT CAST(max({name}) AS VARCHAR) FROM ({typed.query})", typed.parameters)
    if found is None:
        return None
    if not date:
        return Watermark(column.label, Decimal(found).normalize())
    return Watermark(column.label, min(datetime.fromisoformat(found).replace(tzinfo=UTC), began))


def moved(memory: WatermarkMemory, job: Job) -> Job:
    """Move the sync's watermark to where a finished job has come, unless something of it is not confirmed.

    What was set aside as a reject is settled: it waits for a replay. It never moves back.
    """
    if job.watermark is None:
        return job
    open_ = job.source.conflict + job.source.not_attempted + job.source.parked
    if open_:
        note = f"the watermark stays where it is, as {open_:,} records are not confirmed; the next run reads them again"
        return replace(job, notes=(*job.notes, note))
    memory.move_watermark(job.sync, job.watermark.furthest(memory.watermark(job.sync)))
    return job
