"""What changed in a source's own columns since the last job: noticed before a record is read, and explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.definitions.source import ParquetSource, SqlSource
from shared.definitions.sync import SyncDefinition
from shared.ports import Source
from shared.values.jobs import Job
from shared.values.problems import Problem, Severity


def told_columns(definition: SyncDefinition, source: Source) -> Mapping[str, str]:
    """The source's columns and types, where it tells types and telling them is quick; else none.

    Raises:
        SourceError: the source cannot be asked.
    """
    kind = definition.source
    quick = isinstance(kind, SqlSource) or (isinstance(kind, ParquetSource) and not kind.several)
    return dict(source.column_types()) if quick else {}


def drifted(definition: SyncDefinition, now: Mapping[str, str], finished: Sequence[Job]) -> list[Problem]:
    """Columns of the schema that are gone or of another type than at the last finished job that knew them."""
    before = next((job for job in finished if job.columns), None)
    if before is None or not now:
        return []
    found = []
    for column in definition.source.columns:
        then, name = before.columns.get(column.name), column.name
        if column.calculated or then is None or then == now.get(name):
            continue
        if name not in now:
            found.append(Problem("source.schema", gone(name), _since(before, then)))
        else:
            changed = f"the source's column {name!r} is {now[name]} now"
            remedy = f"{_since(before, then)}; values that do not fit type {column.type} become rejects"
            found.append(Problem("source.schema", changed, remedy, Severity.WARNING))
    return found


def gone(name: str) -> str:
    """What is found when a column is gone."""
    return f"the source's column {name!r} is gone"


def _since(job: Job, then: str) -> str:
    return f"it was {then} in job {job.id} of {job.created_at:%Y-%m-%d}"
