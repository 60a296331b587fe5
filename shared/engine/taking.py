"""What deletes take along: rows of other tables that hang below the rows of a plan, and are deleted with them.

They are counted when the deletes are planned, while they are there: one question for each lookup that leads to the
table, where few rows are deleted. For many it is only told which tables these are: the questions would cost more than
the deletes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.dataverse.client import DataverseClient
from shared.dataverse.reading import COUNT_CAP
from shared.dataverse.relations import Relations, Relationship
from shared.errors import DestinationError, RetryError
from shared.values.tables import Table

MOST = 500
"""Deleted rows of which the rows below are counted: so many ids fit into one request."""
_SIDE_BY_SIDE = 8

Taken = tuple[tuple[str, int | None], ...]
"""Tables whose rows go along, with how many do, as counted when the deletes were planned; None: not counted."""


def taken_along(client: DataverseClient, table: Table, ids: Sequence[str]) -> Taken:
    """What deleting the rows of a table takes along; a table that cannot be read is not counted."""
    if not ids:
        return ()
    relations = Relations(client)
    below = [one for one in relations.below(table.name) if one.on_delete == "Cascade"]
    if len(ids) > MOST:
        return tuple(dict.fromkeys((one.entity, None) for one in below))
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="dynsync-taking") as pool:
        counts = list(pool.map(lambda one: _count(relations, one, table, ids), below))
    return tuple(_by_table(zip(below, counts, strict=True)))


def _count(relations: Relations, below: Relationship, table: Table, ids: Sequence[str]) -> int | None:
    try:
        if below.entity != table.name:
            return relations.count(below, ids)
        return len({child for child, _ in relations.referring(below, ids)} - set(ids))  # the others are told anyway
    except (DestinationError, RetryError):
        return None


def _by_table(counts: Iterable[tuple[Relationship, int | None]]) -> Iterable[tuple[str, int | None]]:
    """The sum for each table that has such rows; of one that several lookups lead to, a row may count for each."""
    sums: dict[str, int | None] = {}
    for below, count in counts:
        so_far = sums.get(below.entity, 0)
        sums[below.entity] = None if so_far is None or count is None else so_far + count
    return ((entity, count) for entity, count in sums.items() if count != 0)


def told(taken: Taken) -> str:
    """How many rows of which tables; empty when there are none."""
    counted = [(entity, count) for entity, count in taken if count is not None]
    listed = ", ".join(f"{count:,}{' or more' if count >= COUNT_CAP else ''} of {entity}" for entity, count in counted)
    uncounted = ", ".join(entity for entity, count in taken if count is None)
    return "; ".join(part for part in (listed, f"not counted: {uncounted}" if uncounted else "") if part)
