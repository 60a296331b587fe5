"""Definitions replaced: columns, relationships and global option sets as a `PUT` brings them, whole.

Source: Microsoft Learn, "Create and update column definitions using the Web API".
"""

from __future__ import annotations

from dataclasses import replace

from local.dataverse.metadata import labels, newcolumns, newrelationships, refused
from local.dataverse.metadata.bodies import LEVELS, Body
from local.dataverse.metadata.documents import relationship_id
from local.dataverse.metadata.labels import Document, Texts
from local.dataverse.tables import Column, Kind, Option, OptionSet, Table, Tables

_REPLACED = frozenset((Kind.TEXT, Kind.MEMO, Kind.INTEGER, Kind.BIGINT, Kind.DECIMAL, Kind.DOUBLE, Kind.MONEY))
"""Kinds whose bounds a definition may change."""


def column(tables: Tables, table: Table, present: Column, members: Document, *, merge: bool) -> Tables:
    """These tables with a column as its new definition says; its name, type, options and targets stay.

    Raises:
        Refusal: it is malformed, or changes what cannot be changed.
    """
    body = Body("AttributeMetadata", members)
    if body.text("SchemaName", present.schema_name).lower() != present.name:
        raise refused.argument(f"The SchemaName of attribute {present.name} cannot be changed.")
    kind = newcolumns.kind_of(body)
    if kind is not present.kind and not (kind is Kind.LOOKUP and present.is_lookup):
        raise refused.argument(f"The type of attribute {present.name} cannot be changed to {kind.value}.")
    shown = _texts(body, present.label, present.labels, merge=merge)
    required = body.one_of("RequiredLevel", (*LEVELS, present.required), present.required)
    changed = replace(
        present,
        label=shown.base,
        labels=shown.others,
        description=body.texts("Description", present.description).base,
        required=required,
    )
    if kind in _REPLACED and present.custom:
        new = newcolumns.new_column(tables, body)
        changed = replace(
            changed,
            max_length=new.max_length,
            low=new.low,
            high=new.high,
            precision=new.precision,
            precision_source=new.precision_source,
            text_format=new.text_format,
        )
    return tables.with_tables(table.changed(columns=dict(table.columns) | {changed.name: changed}))


def relationship(tables: Tables, name: str, members: Document) -> Tables:
    """These tables with a relationship's delete behaviour as its new definition says.

    Raises:
        Refusal: it is malformed, or the system's.
    """
    for table in tables.by_name.values():
        for found in table.columns.values():
            for target in found.targets:
                if target.relationship == name and target.custom:
                    delete = newrelationships.cascades(Body(newrelationships.ONE_TO_MANY, members), target.delete)
                    new = replace(target, restrict=delete == "Restrict", cascade=delete == "Cascade")
                    targets = tuple(new if t is target else t for t in found.targets)
                    columns = dict(table.columns) | {found.name: replace(found, targets=targets)}
                    return tables.with_tables(table.changed(columns=columns))
    raise refused.system_component("Update", name, relationship_id(name))


def option_set(tables: Tables, name: str, members: Document, *, merge: bool) -> Tables:
    """These tables with a global option set's name for people as its new definition says; the options stay.

    Raises:
        Refusal: it is malformed.
    """
    present = tables.option_sets[name]
    shown = _texts(Body("OptionSetMetadata", members), present.label, present.labels, merge=merge)
    return tables.with_option_set(replace(present, label=shown.base, labels=shown.others))


def options(tables: Tables, place: tuple[Table, Column] | OptionSet, changed: tuple[Option, ...]) -> Tables:
    """These tables with other options in a column's own option set, or in a global one and the columns that use it."""
    if isinstance(place, OptionSet):
        return with_shared_options(tables.with_option_set(replace(place, options=changed)))
    table, found = place
    columns = dict(table.columns) | {found.name: replace(found, options=changed)}
    return tables.with_tables(table.changed(columns=columns))


def with_shared_options(tables: Tables) -> Tables:
    """These tables, each column that takes its options from a global option set with the options that this has now."""
    changed = []
    for table in tables.by_name.values():
        stale = [
            c for c in table.columns.values() if c.option_set and c.options != tables.option_sets[c.option_set].options
        ]
        if stale:
            fresh = {c.name: replace(c, options=tables.option_sets[str(c.option_set)].options) for c in stale}
            changed.append(table.changed(columns=dict(table.columns) | fresh))
    return tables.with_tables(*changed)


def _texts(body: Body, base: str, others: tuple[tuple[int, str], ...], *, merge: bool) -> Texts:
    new = body.texts("DisplayName", base)
    return labels.merged(new, others) if merge else new
