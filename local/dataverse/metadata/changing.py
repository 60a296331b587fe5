"""Definitions made, changed and deleted: what POST, PUT and DELETE do below the roots of the metadata."""

from __future__ import annotations

from collections.abc import Callable

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, body_object
from local.dataverse.metadata import (
    newcolumns,
    newkeys,
    newoptions,
    newrelationships,
    newtables,
    reading,
    refused,
    removals,
    replacing,
)
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.catalogue import Catalogue
from local.dataverse.metadata.documents import relationship_id
from local.dataverse.metadata.indexes import KeyIndexes
from local.dataverse.metadata.labels import Document, identity
from local.dataverse.metadata.reading import Segment
from local.dataverse.metadata.storage import settle
from local.dataverse.tables import Key, Table, Tables
from local.dataverse.world import World


class Changing:
    """Changes the definitions of one environment. A refused change leaves everything as it was."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.indexes = KeyIndexes(world)

    def answer(self, catalogue: Catalogue, segments: list[str], request: Request) -> Reply:
        """The answer to a request that changes definitions.

        Raises:
            Refusal: it cannot be done.
        """
        path = [reading.segment_of(part) for part in segments]
        verbs: dict[str, Callable[[Catalogue, list[Segment], Request], str]] = {
            "POST": self._create,
            "PUT": self._replace,
            "DELETE": self._delete,
        }
        if request.method not in verbs:
            raise refusals.wrong_verb()
        created = verbs[request.method](catalogue, path, request)
        url = f"{request.root}{created}"
        headers = [("OData-EntityId", url), ("Location", url)] if created else []
        return Reply(204, headers=headers, message="Metadata", rows=1)

    def create_tables(self, bodies: list[Body]) -> list[str]:
        """Creates tables, all or none; their ids.

        Raises:
            Refusal: one of them cannot be made.
        """
        tables = self._world.tables
        ids = []
        for body in bodies:
            table = newtables.new_table(tables, body)
            tables = tables.with_tables(table)
            ids.append(identity(table.name))
        self.settle(tables)
        return ids

    def settle(self, tables: Tables) -> None:
        """Makes these the definitions."""
        settle(self._world.store, tables)
        self._world.forget()

    def _create(self, catalogue: Catalogue, path: list[Segment], request: Request) -> str:
        root, rest = path[0], path[1:]
        members = body_object(request)
        if root.name == reading.ENTITIES and not root.key and not rest:
            (table_id,) = self.create_tables([Body("EntityMetadata", members)])
            return f"{reading.ENTITIES}({table_id})"
        if root.name == reading.RELATIONSHIPS and not root.key and not rest:
            return f"{reading.RELATIONSHIPS}({self._relationship(members)})"
        if root.name == reading.OPTION_SETS and not root.key and not rest:
            option_set = newoptions.new_option_set(self._world.tables, Body("OptionSetMetadata", members))
            self.settle(self._world.tables.with_option_set(option_set))
            return f"{reading.OPTION_SETS}({identity('optionset', option_set.name)})"
        if root.name == reading.ENTITIES and root.key and len(rest) == 1 and not rest[0].key:
            part = self._part(self._table(catalogue, root), rest[0].name, members)
            return f"{request.path.partition('/')[0]}/{rest[0].name}({part})"
        raise refusals.wrong_verb()

    def _part(self, table: Table, part: str, members: Document) -> str:
        if part == "Attributes":
            column = newcolumns.new_column(self._world.tables, Body("AttributeMetadata", members))
            if column.primary_name:
                raise refused.second_primary_name(table.name, table.name_column, column.name)
            self.settle(self._world.tables.with_tables(newcolumns.with_columns(table, column)))
            return identity(table.name, column.name)
        if part != "Keys":
            raise refusals.wrong_verb()
        key = newkeys.new_key(table, Body("EntityKeyMetadata", members))
        self.settle(self._world.tables.with_tables(table.changed(keys=(*table.keys, key))))
        self.indexes.wait_for(table, key)
        return identity(table.name, "key", key.name)

    def _relationship(self, members: Document) -> str:
        body = Body("RelationshipMetadataBase", members)
        tables = self._world.tables
        if body.type_name == newrelationships.MANY_TO_MANY:
            pair = newrelationships.many_to_many(tables, Body(newrelationships.MANY_TO_MANY, members))
            self.settle(tables.with_pair(pair))
            return relationship_id(pair.schema_name)
        if body.type_name != newrelationships.ONE_TO_MANY:
            raise refused.wrong_member(body.kind, "@odata.type", "a type that derives from RelationshipMetadataBase")
        table, _, target = newrelationships.one_to_many(tables, Body(newrelationships.ONE_TO_MANY, members))
        self.settle(tables.with_tables(table))
        return relationship_id(target.relationship)

    def _replace(self, catalogue: Catalogue, path: list[Segment], request: Request) -> str:
        root, rest = path[0], path[1:]
        members = body_object(request)
        merge = request.headers.get("mscrm.mergelabels", "").lower() == "true"
        if root.key and root.name == reading.RELATIONSHIPS and not rest:
            name = str(reading.one_of(catalogue.relationships(), root)["SchemaName"])
            self.settle(replacing.relationship(self._world.tables, name, members))
        elif root.key and root.name == reading.OPTION_SETS and not rest:
            name = str(reading.one_of(catalogue.option_sets(), root)["Name"])
            self.settle(replacing.option_set(self._world.tables, name, members, merge=merge))
        elif root.key and root.name == reading.ENTITIES and not rest:
            table = self._table(catalogue, root)
            changed = newtables.changed_table(table, Body("EntityMetadata", members), merge=merge)
            self.settle(self._world.tables.with_tables(changed))
        elif root.key and root.name == reading.ENTITIES and rest[0].name == "Attributes" and rest[0].key:
            table = self._table(catalogue, root)
            name = str(reading.one_of(catalogue.part(table.name, "Attributes"), rest[0])["LogicalName"])
            self.settle(replacing.column(self._world.tables, table, table.columns[name], members, merge=merge))
        else:
            raise refusals.wrong_verb()
        return ""

    def _delete(self, catalogue: Catalogue, path: list[Segment], request: Request) -> str:
        root, rest = path[0], path[1:]
        tables = self._world.tables
        if not root.key or len(rest) > 1 or (rest and (root.name != reading.ENTITIES or not rest[0].key)):
            raise refusals.wrong_verb()
        if root.name == reading.OPTION_SETS:
            name = str(reading.one_of(catalogue.option_sets(), root)["Name"])
            self.settle(removals.without_option_set(tables, tables.option_sets[name]))
        elif root.name == reading.RELATIONSHIPS:
            self.settle(self._without_relationship(reading.one_of(catalogue.relationships(), root)))
        elif not rest:
            self.settle(removals.without_table(tables, self._table(catalogue, root)))
        else:
            table = self._table(catalogue, root)
            self.settle(tables.with_tables(self._without_part(catalogue, table, rest[0])))
        return ""

    def _without_part(self, catalogue: Catalogue, table: Table, segment: Segment) -> Table:
        if segment.name == "Attributes":
            name = str(reading.one_of(catalogue.part(table.name, "Attributes"), segment)["LogicalName"])
            return removals.without_column(table, table.columns[name])
        if segment.name != "Keys":
            raise refusals.wrong_verb()
        name = str(reading.one_of(catalogue.part(table.name, "Keys"), segment)["LogicalName"])
        return removals.without_key(table, key_of(table, name))

    def _without_relationship(self, row: Document) -> Tables:
        tables, name = self._world.tables, str(row["SchemaName"])
        for pair in tables.pairs:
            if pair.schema_name == name:
                return removals.without_pair(tables, pair)
        table = tables.by_name[str(row["ReferencingEntity"])]
        column = table.columns[str(row["ReferencingAttribute"])]
        return tables.with_tables(removals.without_target(table, column, name))

    def _table(self, catalogue: Catalogue, segment: Segment) -> Table:
        name = str(reading.one_of(catalogue.entities(), segment)["LogicalName"])
        found = self._world.tables.by_name.get(name)
        if found is None:
            raise refused.system_component("Update", name, identity(name))
        return found


def key_of(table: Table, name: str) -> Key:
    """A key of a table.

    Raises:
        Refusal: there is none of that name.
    """
    for key in table.keys:
        if key.name == name.lower():
            return key
    raise refused.bad_key(f"Entity {table.name} has no key {name[:100]}.")
