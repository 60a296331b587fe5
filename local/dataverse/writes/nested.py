"""Deep insert: rows created together with the related rows inside their bodies, all or none.

Source: Microsoft Learn, "Create a table row using the Web API", create related table rows in one operation.
"""

from __future__ import annotations

from collections.abc import Sequence

from local.dataverse import refusals
from local.dataverse.partitions import id_of
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.relationships import Collection
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.associations import Associations, WriterOf, named_row
from local.dataverse.writes.plans import Row

_INSIDE = frozenset((dict, list))
MAX_DEPTH = 20
_Members = dict[str, object]


class Nested:
    """Creates rows and what is nested in them; the caller holds the transaction."""

    def __init__(self, world: World, writer_of: WriterOf) -> None:
        self._world = world
        self._writer_of = writer_of
        self._associations = Associations(world, writer_of)

    def create(self, table: Table, rows: Sequence[Row]) -> list[str]:
        """Creates rows; their ids in the order given.

        Raises:
            RowRefusal: the first row that is refused, itself or something in it.
        """
        if all(_INSIDE.isdisjoint(map(type, row.values())) for row in rows):
            return self._writer_of(table).create(rows)
        return [self._one(table, row, index) for index, row in enumerate(rows)]

    def _one(self, table: Table, row: Row, index: int) -> str:
        try:
            return self._create(table, row, 0)
        except RowRefusal as found:
            raise RowRefusal(index, found.refusal) from None
        except Refusal as refusal:
            raise RowRefusal(index, refusal) from None

    def _create(self, table: Table, row: Row, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise refusals.payload(table.name, f"The body is nested more than {MAX_DEPTH} rows deep.")
        plain: _Members = {}
        below: list[tuple[Collection, bool, list[object]]] = []
        for name, value in row.items():
            navigation, _, annotation = name.partition("@")
            found = self._world.tables.collections[table.name].get(navigation)
            if isinstance(value, dict) and name in table.navigations:
                plain[f"{name}@odata.bind"] = self._parent(table, name, value, depth)
            elif isinstance(value, list) and found is not None and annotation in ("", "odata.bind"):
                below.append((found, annotation != "", value))
            else:
                plain[name] = value
        (row_id,) = self._writer_of(table).create([plain])
        for collection, bound, values in below:
            for value in values:
                self._add(table, row_id, collection, value, bound=bound, depth=depth)
        return row_id

    def _parent(self, table: Table, name: str, value: _Members, depth: int) -> str:
        """Creates the row that a lookup of the new row is to point at; its bind."""
        _, targets = table.navigations[name]
        if len(targets) > 1:
            raise refusals.payload(table.name, f"A row under '{name}' could be of several tables; bind one instead.")
        parent = self._world.tables.by_name[targets[0].table]
        return f"{parent.entity_set}({id_of(self._create(parent, value, depth + 1))})"

    def _add(
        self, table: Table, row_id: str, collection: Collection, value: object, *, bound: bool, depth: int
    ) -> None:
        child = self._world.tables.by_name[collection.table]
        if bound:
            other_id = named_row(self._world, child, value)
        elif isinstance(value, dict):
            other_id = id_of(self._create(child, value, depth + 1))
        else:
            raise refusals.payload(table.name, "A row inside another one needs to be a JSON object.")
        self._associations.add(table, row_id, collection, other_id)
