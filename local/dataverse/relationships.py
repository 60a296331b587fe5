"""How tables relate, seen from the row that is pointed at: collections of rows, one-to-many and many-to-many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.dataverse.tables import ManyToMany, Table


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection-valued navigation property of a table: rows of `table`, through `relationship`.

    One-to-many: the rows whose lookup `column` points here. Many-to-many: the rows whose ids stand in the column
    `other` of the table `intersect`, beside this row's id in its column `own`.
    """

    name: str
    relationship: str
    table: str
    column: str = ""
    intersect: str = ""
    own: str = ""
    other: str = ""

    @property
    def many_to_many(self) -> bool:
        """Whether pairs are kept in a table between the two."""
        return bool(self.intersect)


def collections_of(tables: Sequence[Table], pairs: Sequence[ManyToMany]) -> dict[str, dict[str, Collection]]:
    """The collection-valued navigation properties: by table, then by property."""
    found: dict[str, dict[str, Collection]] = {table.name: {} for table in tables}
    for table in tables:
        for owner, collection in _of_lookups(table):
            found.setdefault(owner, {})[collection.name] = collection
    for relationship in pairs:
        for own, other in ((relationship.first, relationship.second), (relationship.second, relationship.first)):
            collection = Collection(
                name=own.navigation,
                relationship=relationship.schema_name,
                table=other.table,
                intersect=relationship.intersect,
                own=own.column,
                other=other.column,
            )
            found.setdefault(own.table, {})[collection.name] = collection
    return found


def _of_lookups(table: Table) -> Iterable[tuple[str, Collection]]:
    for column in table.columns.values():
        for target in column.targets:
            yield target.table, Collection(target.collection_name, target.relationship, table.name, column.name)
