"""All metadata of one state of the tables, as rows; made when they are asked for, and once."""

from __future__ import annotations

from local.dataverse.metadata import columndocuments, documents, optiondocuments
from local.dataverse.metadata.labels import Document, identity
from local.dataverse.tables import Kind, Table, Tables, Target

_OWNERS = (Target("owner", "ownerid", "owner"),)
"""An owner is shown as one reference to the abstract table of users and teams."""
_MESSAGES = ("Create", "Update", "Delete", "Retrieve", "RetrieveMultiple")
PARTS = ("Attributes", "Keys", "ManyToOneRelationships", "OneToManyRelationships", "ManyToManyRelationships")
"""The collections of a row of EntityDefinitions."""


class Catalogue:
    """The rows of EntityDefinitions, RelationshipDefinitions, GlobalOptionSetDefinitions and sdkmessagefilters.

    `secured`: table ('' = any) and name of each column that is secured.
    """

    def __init__(self, tables: Tables, secured: frozenset[tuple[str, str]] = frozenset()) -> None:
        self.tables = tables
        self.secured = secured
        self._kept: dict[tuple[str, str], list[Document]] = {}

    def entities(self) -> list[Document]:
        """The rows of EntityDefinitions, the tables between two others among them."""
        if ("", "entities") not in self._kept:
            found = [documents.table_document(table) for table in self.tables.by_name.values()]
            known = self.tables.by_name
            found += [documents.intersect_document(pair) for pair in self.tables.pairs if pair.intersect not in known]
            self._kept["", "entities"] = found
        return self._kept["", "entities"]

    def relationships(self) -> list[Document]:
        """The rows of RelationshipDefinitions."""
        found = [row for table in self.tables.by_name.values() for row in self.part(table.name, PARTS[2])]
        return found + [documents.pair_document(pair) for pair in self.tables.pairs]

    def option_sets(self) -> list[Document]:
        """The rows of GlobalOptionSetDefinitions."""
        return [optiondocuments.global_set(found) for found in self.tables.option_sets.values()]

    def part(self, name: str, part: str) -> list[Document]:
        """One of the collections of a table."""
        if (name, part) not in self._kept:
            table = self.tables.by_name.get(name)
            self._kept[name, part] = [] if table is None else self._part(table, part)
        return self._kept[name, part]

    def with_parts(self, row: Document, parts: set[str]) -> Document:
        """A row of EntityDefinitions with some of its collections."""
        return row | {part: self.part(str(row["LogicalName"]), part) for part in PARTS if part in parts}

    def message_filters(self) -> list[Document]:
        """The rows of sdkmessagefilters: which messages a table takes."""
        if ("", "filters") not in self._kept:
            self._kept["", "filters"] = [
                _message_filter(table, message)
                for table in self.tables.by_name.values()
                for message in (*_MESSAGES, *_bulk_messages(table))
            ]
        return self._kept["", "filters"]

    def _part(self, table: Table, part: str) -> list[Document]:
        if part == "Attributes":
            sets = dict(self.tables.option_sets)
            listed = enumerate(table.columns.values(), 1)
            rows = [columndocuments.column_document(table, column, sets, number) for number, column in listed]
            here = {column for named, column in self.secured if named in ("", table.name)}
            return [row | {"IsSecured": row["LogicalName"] in here} for row in rows]
        if part == "Keys":
            return [documents.key_document(table, key) for key in table.keys]
        if part == "ManyToOneRelationships":
            return self._lookups(table)
        if part == "OneToManyRelationships":
            tables = self.tables.by_name
            listed_lookups = [row for name in tables for row in self.part(name, "ManyToOneRelationships")]
            return [row for row in listed_lookups if row["ReferencedEntity"] == table.name]
        return [
            documents.pair_document(pair)
            for pair in self.tables.pairs
            if table.name in (pair.first.table, pair.second.table)
        ]

    def _lookups(self, table: Table) -> list[Document]:
        return [
            documents.lookup_document(self.tables.by_name, table, column, target)
            for column in table.columns.values()
            for target in (_OWNERS if column.kind is Kind.OWNER else column.targets)
        ]


def _bulk_messages(table: Table) -> tuple[str, ...]:
    messages = ("CreateMultiple", "UpdateMultiple") if table.bulk else ()
    return (*messages, "DeleteMultiple") if table.elastic else messages


def _message_filter(table: Table, message: str) -> Document:
    message_id = identity("message", message)
    return {
        "sdkmessagefilterid": identity("filter", table.name, message),
        "primaryobjecttypecode": table.name,
        "_sdkmessageid_value": message_id,
        "sdkmessageid": {"name": message, "sdkmessageid": message_id},
        "isvalid": True,
    }
