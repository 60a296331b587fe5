"""Which rows of other tables refer to rows of a table, and which ids have a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.dataverse.literals import encoded, quoted
from shared.dataverse.metadata.json import inner, text
from shared.dataverse.reading import Reader
from shared.values.tables import Column, ColumnKind, Table

_IDS = "EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute"
_BOOKKEEPING = frozenset(
    {
        "activitypointer", "asyncoperation", "bulkdeletefailure", "duplicaterecord", "mailboxtrackingfolder",
        "principalobjectattributeaccess", "processsession", "syncerror", "userentityinstancedata", "workflowlog",
    }
)  # fmt: skip
"""The platform's own notes about rows, which come and go with them. An activity is met as the table of its kind.
Source: Microsoft Learn, "Account table reference", one-to-many relationships (2025)."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """A lookup of another table that may point at a table's rows. `on_delete`: Cascade, RemoveLink, Restrict …"""

    entity: str
    entity_set: str
    id_column: str
    column: str
    on_delete: str

    def __str__(self) -> str:
        return f"{self.entity}.{self.column}"


class Relations:
    """The one-to-many relationships of one environment's tables."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._ids: Mapping[str, tuple[str, str]] = {}

    def below(self, table: str) -> tuple[Relationship, ...]:
        """The lookups that may point at rows of `table`, but for the platform's own notes about rows.

        Raises:
            DestinationError: the metadata cannot be read.
        """
        path = (
            f"EntityDefinitions(LogicalName={encoded(quoted(table))})/OneToManyRelationships"
            "?$select=ReferencingEntity,ReferencingAttribute,CascadeConfiguration"
        )
        found = {
            Relationship(entity, *self._known[entity], column, text(inner(row, "CascadeConfiguration"), "Delete"))
            for row in self._reader.all_rows(path)
            if (entity := text(row, "ReferencingEntity")) in self._known
            and entity not in _BOOKKEEPING
            and (column := text(row, "ReferencingAttribute"))
        }
        return tuple(sorted(found, key=str))

    def referring(self, relationship: Relationship, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The rows that point at one of the ids, as (their id, the id pointed at).

        Raises:
            DestinationError: the table cannot be read.
        """
        lookup = Column(relationship.column, relationship.column, ColumnKind.LOOKUP, "LookupType")
        table = _bare(relationship.entity, relationship.entity_set, relationship.id_column, lookup)
        keys = ((row_id,) for row_id in ids)
        for rows in self._reader.rows_by_key(table, [lookup.name], keys, [lookup.name]):
            for row in rows:
                yield str(row[relationship.id_column]).lower(), str(row[lookup.read_name]).lower()

    def count(self, relationship: Relationship, ids: Iterable[str]) -> int:
        """How many rows point at one of the ids: of each request's ids 5,000 at the most.

        Raises:
            DestinationError: the table cannot be read.
        """
        lookup = Column(relationship.column, relationship.column, ColumnKind.LOOKUP, "LookupType")
        table = _bare(relationship.entity, relationship.entity_set, relationship.id_column, lookup)
        return self._reader.count_by_key(table, lookup.name, ids)

    def present(self, entity: str, ids: Sequence[str]) -> set[str]:
        """Which of the ids have a row in a table; none when there is no such table."""
        if entity not in self._known:
            return set()
        entity_set, id_column = self._known[entity]
        key = Column(id_column, id_column, ColumnKind.UNIQUEIDENTIFIER, "UniqueidentifierType", primary_id=True)
        return set(self._reader.rows_by_id(_bare(entity, entity_set, id_column, key), ids, []))

    @property
    def _known(self) -> Mapping[str, tuple[str, str]]:
        """Set name and id column of every table that has both, by logical name."""
        if not self._ids:
            rows = self._reader.all_rows(_IDS)
            named = {
                text(row, "LogicalName"): (text(row, "EntitySetName"), text(row, "PrimaryIdAttribute")) for row in rows
            }
            self._ids = {name: pair for name, pair in named.items() if all(pair)}
        return self._ids


def _bare(entity: str, entity_set: str, id_column: str, column: Column) -> Table:
    """As much of a table as a read of one column needs."""
    own = Column(id_column, id_column, ColumnKind.UNIQUEIDENTIFIER, "UniqueidentifierType", primary_id=True)
    return Table(entity, entity, entity_set, id_column, None, {column.name: column, id_column: own})
