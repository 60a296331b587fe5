"""Incremental syncs: only what is newer is read, and the watermark moves when the destination has confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

from shared.columns import TypedSource
from shared.definitions.schema_column import SchemaColumn
from shared.definitions.sync import SyncDefinition
from shared.engine.workspace import Workspace
from shared.errors import RefuseError
from shared.ports import WatermarkMemory
from shared.sql import identifier
from shared.values.jobs import Job
from shared.values.watermarks import ANY, Mark, Since, Watermark, earlier

_EXACT = Context(prec=60)
"""DuckDB's numbers have up to 38 digits; what is rounded up passes records by."""


def watched(definition: SyncDefinition) -> SchemaColumn | None:
    """The column that tells which records are newer; None where the sync is not incremental."""
    wanted = definition.source.watermark
    return definition.source.column(wanted.column) if wanted else None


def since(definition: SyncDefinition, memory: WatermarkMemory, variables: Mapping[str, str]) -> Since | None:
    """Which records the next run reads; None: all, as the sync is not incremental or has not run yet.

    A run that is asked for other records than those that the watermark tells of, by its variables, reads all of them.
    """
    wanted, column = definition.source.watermark, watched(definition)
    if wanted is None or column is None:
        return None
    kept = memory.watermark(definition.name)
    if kept is None or not fits(column, kept) or kept.choice not in (ANY, definition.choice(variables)):
        return None
    return Since(column.name, column.label, _before(kept.value, wanted.overlap))


def _before(value: Mark, overlap: timedelta | int) -> Mark:
    """The value that lies an overlap before another; one of the other kind goes back nowhere."""
    if isinstance(value, datetime):
        return earlier(value, overlap) if isinstance(overlap, timedelta) else value
    return _EXACT.subtract(value, overlap) if isinstance(overlap, int) else value


def fits(column: SchemaColumn, kept: Watermark) -> bool:
    """Whether a watermark that was kept is one of the column that the definition names now."""
    return column.label == kept.column and (column.type == "date") is isinstance(kept.value, datetime)


def reached(
    workspace: Workspace, column: SchemaColumn | None, typed: TypedSource, *, choice: str, began: datetime
) -> Watermark | None:
    """The greatest value among the records of a choice that were read; a date never after `began`, when reading began.

    A clock that is ahead, or a mistyped year, would otherwise hide every record until that day has come.
    """
    if column is None:
        return None
    date = column.type == "date"
    name = identifier(f"{column.label}!utc" if date else column.label)
    greatest = f"SELECT CAST(max({name}) AS VARCHAR) FROM ({typed.query})"
    ((found,),) = workspace.rows(greatest, typed.parameters)
    if found is None:
        return None
    text = str(found)
    value = min(datetime.fromisoformat(text).replace(tzinfo=UTC), began) if date else Decimal(text).normalize(_EXACT)
    return Watermark(column.label, value, choice)


def moved(memory: WatermarkMemory, job: Job) -> Job:
    """Move the sync's watermark to where a finished job has come, unless something of it is not confirmed.

    What was set aside as a reject is settled: it waits for a replay. It never moves back. Who has set it since the job
    began to read means the next run, so it stays there.
    """
    if job.watermark is None:
        return job
    kept = memory.watermark(job.sync)
    if kept != job.read_from and (kept is None or kept.choice == ANY):
        note = "the watermark was set after this plan was made, and stays as it was set; the next run reads from there"
        return replace(job, notes=(*job.notes, note))
    open_ = job.source.conflict + job.source.not_attempted + job.source.parked
    if open_:
        note = f"the watermark stays where it is, as {open_:,} records are not confirmed; the next run reads them again"
        return replace(job, notes=(*job.notes, note))
    memory.move_watermark(job.sync, job.watermark.furthest(kept))
    return job


def put(
    definition: SyncDefinition, memory: WatermarkMemory, text: str | None, *, dry: bool = False
) -> Watermark | None:
    """Set the sync's watermark to a value as a person writes it; None takes it away, so that all is read.

    `dry`: only say what it would be.

    Raises:
        RefuseError: the sync is not incremental, or the text is no value of its column.
    """
    column = watched(definition)
    if column is None:
        raise RefuseError(
            f"sync {definition.name} has no watermark: it reads everything each time; "
            "`source.watermark` in its definition makes it read what is newer only"
        )
    to = None if text is None else Watermark.from_text(column.label, text, date=column.type == "date")
    if not dry:
        memory.move_watermark(definition.name, to)
    return to
