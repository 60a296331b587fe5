"""Image columns: what is kept beside an image whenever it is written.

Source: Microsoft Learn, "Use image column data" (companion columns, timestamp as ticks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from local.dataverse.tables import Kind, Table

_EPOCH_TICKS = 621_355_968_000_000_000
_TICKS_PER_S = 10_000_000


def names(table: Table) -> tuple[str, ...]:
    """The image columns of a table."""
    return tuple(c.name for c in table.columns.values() if c.kind is Kind.IMAGE)


def beside(
    table: Table, columns: Mapping[str, Sequence[object]], ids: Sequence[object], moment: datetime
) -> dict[str, list[object]]:
    """Id, timestamp and address of the images among the columns that are written; nothing where there is none."""
    found: dict[str, list[object]] = {}
    stamp = _EPOCH_TICKS + int(moment.timestamp() * _TICKS_PER_S)
    for name in names(table):
        values = columns.get(name)
        if values is None:
            continue
        tail = f"&Attribute={name}&Entity={table.name}&Timestamp={stamp}"
        urls = [f"/Image/download.aspx?Id={row_id}{tail}" for row_id in ids]
        found[f"{name}id"] = [None if v is None else str(uuid4()) for v in values]
        found[f"{name}_timestamp"] = [None if v is None else stamp for v in values]
        found[f"{name}_url"] = [None if v is None else url for v, url in zip(values, urls, strict=True)]
    return found
