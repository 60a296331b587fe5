"""Which lookups can wait for rows that the job itself creates."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from shared.definitions.mapping import Link
from shared.values.tables import Column, Table


def undeferrable(
    table: Table, link: Link, column: Column, linked: Sequence[Table], mapped: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Why `missing: defer` makes no sense for a lookup of `table`: what was found, and the remedy.

    `linked` are the tables that the link looks into, `mapped` the columns that this sync fills.
    """
    if table.name not in {one.name for one in linked}:
        names = ", ".join(one.name for one in linked)
        found = f"defer waits for rows that this sync creates in {table.name}, but the link looks into {names}"
        yield found, f"write reject or null, and let the sync of {names} run before this one"
        return
    if link.where:
        found = "defer cannot tell whether a row that is yet to be created will match the link's `where`"
        yield found, "remove `where`, or write reject or null"
    unmapped = [name for name in link.columns if name not in mapped]
    if unmapped:
        found = f"new rows would be found by {', '.join(unmapped)}, which this sync does not fill"
        yield found, f"link by a mapped column, or map {', '.join(unmapped)}"
    if column.required:
        yield f"{column.name} must have a value when a row is created, so it cannot be filled later", "write reject"
    if not (column.updatable and column.readable):
        yield f"{column.name} cannot be read and updated, so it cannot be filled later", "write reject or null"
