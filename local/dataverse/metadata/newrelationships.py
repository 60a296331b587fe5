"""Relationships from bodies: one-to-many with its lookup, many-to-many with its table of pairs.

Source: Microsoft Learn, "Create and update table relationships using the Web API", "Multi-table lookups".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from local.dataverse.definitions.between import between
from local.dataverse.metadata import newcolumns, refused
from local.dataverse.metadata.bodies import RELATIONSHIP_LENGTH, Body
from local.dataverse.metadata.documents import lookup_document, pair_document
from local.dataverse.tables import Column, Kind, ManyToMany, Side, Table, Tables, Target

ONE_TO_MANY, MANY_TO_MANY = "OneToManyRelationshipMetadata", "ManyToManyRelationshipMetadata"
_TABLE = Table("sample", "Sample", "samples", "Sample", "sampleid", "", 0, "None", {})
_LOOKUP = Column("sample", "Sample", Kind.LOOKUP, "Sample")
_TARGET = Target("sample", "sample", "sample")
_KNOWN = {
    ONE_TO_MANY: frozenset(
        (
            *lookup_document({"sample": _TABLE}, _TABLE, _LOOKUP, _TARGET),
            "Lookup",
            "IsRelationshipAttributeDenormalized",
            "RelationshipBehavior",
            "ReferencedAttribute",
        )
    ),
    MANY_TO_MANY: frozenset(pair_document(ManyToMany("s", "s", Side("s", "s", "s"), Side("s", "s", "s")))),
}
_CASCADES = frozenset(("NoCascade", "Cascade", "Active", "UserOwned", "RemoveLink", "Restrict"))
_DELETES = frozenset(("NoCascade", "Cascade", "RemoveLink", "Restrict"))
_LOOKUPS = frozenset((Kind.LOOKUP,))


@dataclass(frozen=True, slots=True)
class _Link:
    """One one-to-many relationship of a body: the table with the lookup, and what the lookup points at."""

    table: Table
    target: Target
    wanted_attribute: str


def one_to_many(tables: Tables, body: Body) -> tuple[Table, Column, Target]:
    """The table with its new lookup (or with one more target of a lookup that has several), the lookup, the target.

    Raises:
        Refusal: it is malformed, or a table is unknown, or a name is taken.
    """
    link = _link(tables, body, several=False)
    lookup = newcolumns.new_column(tables, Body.of("LookupAttributeMetadata", body.members.get("Lookup")), _LOOKUPS)
    if link.wanted_attribute not in ("", lookup.name):
        raise refused.argument(f"ReferencingAttribute {link.wanted_attribute} is not the Lookup {lookup.name}.")
    present = link.table.columns.get(lookup.name)
    if present is not None and present.is_polymorphic and present.custom:
        return _extended(link, present)
    named = body.text("ReferencingEntityNavigationPropertyName") or lookup.schema_name
    target = replace(link.target, navigation=named)
    column = replace(lookup, targets=(target,))
    _check_navigation(link.table, named)
    return newcolumns.with_columns(link.table, column), column, target


def lookup_of_several(tables: Tables, relationships: list[Body], attribute: Body, kind: Kind) -> tuple[Table, Column]:
    """The table with a new lookup that points at several tables (of CreatePolymorphicLookupAttribute and the like).

    Raises:
        Refusal: a part of it is malformed, or a table is unknown, or a name is taken.
    """
    if not relationships:
        raise refused.missing_member("CreatePolymorphicLookupAttribute", "OneToManyRelationships")
    links = [_link(tables, body, several=True) for body in relationships]
    lookup = replace(newcolumns.new_column(tables, attribute, _LOOKUPS), kind=kind)
    if len({link.table.name for link in links}) > 1 or len({link.target.table for link in links}) < len(links):
        raise refused.argument("The relationships of one lookup start at one table, and each leads to another one.")
    if len({link.target.relationship.lower() for link in links}) < len(links):
        raise refused.relationship_taken()
    targets = tuple(
        replace(link.target, navigation=link.target.navigation or f"{lookup.schema_name}_{link.target.table}")
        for link in links
    )
    table = links[0].table
    for target in targets:
        _check_navigation(table, target.navigation)
    column = replace(lookup, targets=targets)
    return newcolumns.with_columns(table, column), column


def many_to_many(tables: Tables, body: Body) -> ManyToMany:
    """A many-to-many relationship.

    Raises:
        Refusal: it is malformed, or a table is unknown, or a name is taken.
    """
    body.only(_KNOWN[MANY_TO_MANY])
    name = _name(tables, body)
    sides = (table_named(tables, body.text("Entity1LogicalName")), table_named(tables, body.text("Entity2LogicalName")))
    intersect = (body.text("IntersectEntityName") or name).lower()
    if intersect in tables.by_name or intersect in {pair.intersect for pair in tables.pairs}:
        raise refused.name_taken("Entity", intersect)
    named = (body.text("Entity1NavigationPropertyName"), body.text("Entity2NavigationPropertyName"))
    pair = between(name, intersect, sides, named, custom=True)
    for side in (pair.first, pair.second):
        if side.navigation in tables.collections.get(side.table, {}):
            raise refused.argument(f"The navigation property {side.navigation} of {side.table} exists already.")
    return pair


def table_named(tables: Tables, name: str) -> Table:
    """A table by logical name.

    Raises:
        Refusal: there is none.
    """
    found = tables.by_name.get(name)
    if found is None:
        raise refused.no_table(name)
    return found


def cascades(body: Body, present: str = "RemoveLink") -> str:
    """What the cascade configuration says that a delete does.

    Raises:
        Refusal: a behaviour is unknown.
    """
    inner = body.part("CascadeConfiguration", "CascadeConfiguration")
    for name in inner.members:
        found = inner.text(name)
        if "@" not in name and found not in (_DELETES if name == "Delete" else _CASCADES):
            raise refused.bad_cascade(found)
    return inner.text("Delete", present)


def _link(tables: Tables, body: Body, *, several: bool) -> _Link:
    body.only(_KNOWN[ONE_TO_MANY])
    name = _name(tables, body)
    referenced = table_named(tables, body.text("ReferencedEntity"))
    referencing = table_named(tables, body.text("ReferencingEntity"))
    if body.text("ReferencedAttribute", referenced.id_column) not in ("", referenced.id_column):
        raise refused.no_column(referenced.name, body.text("ReferencedAttribute"))
    delete = cascades(body)
    target = Target(
        referenced.name,
        navigation=body.text("ReferencingEntityNavigationPropertyName") if several else "",
        relationship=name,
        restrict=delete == "Restrict",
        cascade=delete == "Cascade",
        collection=body.text("ReferencedEntityNavigationPropertyName"),
        custom=True,
    )
    if target.collection_name in tables.collections.get(referenced.name, {}):
        raise refused.argument(f"The navigation property {target.collection_name} of {referenced.name} exists already.")
    return _Link(referencing, target, body.text("ReferencingAttribute").lower())


def _extended(link: _Link, present: Column) -> tuple[Table, Column, Target]:
    if link.target.table in {target.table for target in present.targets}:
        raise refused.column_taken(present.schema_name)
    target = replace(link.target, navigation=f"{present.schema_name}_{link.target.table}")
    column = replace(present, targets=(*present.targets, target))
    return link.table.changed(columns=dict(link.table.columns) | {column.name: column}), column, target


def _name(tables: Tables, body: Body) -> str:
    if not body.text("SchemaName"):
        raise refused.relationship_unnamed()
    name = body.text("SchemaName")
    if len(name) > RELATIONSHIP_LENGTH:
        raise refused.name_too_long("EntityRelationship", name, RELATIONSHIP_LENGTH)
    if not name.isascii() or not name.replace("_", "a").isalnum() or "_" not in name:
        raise refused.bad_prefix("EntityRelationship", name)
    if name.lower() in {known.lower() for known in names(tables)}:
        raise refused.relationship_taken()
    return name


def names(tables: Tables) -> set[str]:
    """The names of all relationships."""
    lookups = {t.relationship for table in tables.by_name.values() for c in table.columns.values() for t in c.targets}
    return lookups | {pair.schema_name for pair in tables.pairs}


def _check_navigation(table: Table, name: str) -> None:
    if name in table.navigations or (name in table.columns and not table.columns[name].is_lookup):
        raise refused.argument(f"The navigation property {name} of {table.name} exists already.")
