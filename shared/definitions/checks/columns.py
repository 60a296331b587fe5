"""Columns and mappings: named once, existing, and a key that is mapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from shared.definitions.mapping import ColumnMapping, EntityFromColumn
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem

ROW_NUMBER = "row_no"
"""The name that the engine keeps for a record's number."""


def source_kinds(definition: SyncDefinition) -> dict[str, str]:
    """Every source column by the name the definition knows it by, and its type."""
    return {column.label: column.type for column in definition.source.columns}


_TARGET = re.compile(r"\btarget\.([a-z_][a-z0-9_]*)")


def condition_columns(definition: SyncDefinition) -> dict[str, str]:
    """What `changed: { when: … }` may name: `source.<column>` with its type, and `target.<column>`, type unknown.

    A target column need not be mapped; whether the table has it is seen when Dataverse is asked.
    """
    kinds = {f"source.{name}": kind for name, kind in source_kinds(definition).items()}
    changed = definition.behaviour.changed
    targets = [] if isinstance(changed, str) else _TARGET.findall(changed.when)
    targets += [mapping.target for mapping in definition.mappings]
    return kinds | {f"target.{name}": "unknown" for name in [*targets, definition.destination.id_column]}


def unknown_column(definition: SyncDefinition, name: str, path: str) -> list[Problem]:
    """A problem when the source has no column of that name."""
    labels = definition.source.labels
    if name in labels:
        return []
    near = get_close_matches(name, labels, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"its columns: {', '.join(labels[:20])}"
    return [Problem(path, f"the source has no column {name!r}", remedy)]


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with schema columns, mappings and the sync key."""
    return [*_schema(definition), *_targets(definition), *_sources(definition), *_key(definition), *_id(definition)]


def _schema(definition: SyncDefinition) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for number, column in enumerate(definition.source.columns):
        path, folded = f"source.schema.{number}", column.label.casefold()
        if folded in seen:
            yield Problem(
                path,
                f"the name {column.label!r} is taken by {seen[folded]!r} (case does not count)",
                "give one of them an alias",
            )
        if folded.endswith(("?", "!utc")) or folded == ROW_NUMBER:
            yield Problem(path, f"the name {column.label!r} is kept for the engine", "give the column an alias")
        if column.width is not None and definition.source.type != "fixed_width":
            yield Problem(f"{path}.width", f"a {definition.source.type} source has no widths", "remove it")
        seen.setdefault(folded, column.label)
    if all(column.calculated for column in definition.source.columns):
        yield Problem("source.schema", "every column is calculated", "add the columns that are read")
    watermark = definition.source.watermark
    if watermark is not None:
        yield from growing(definition, watermark.column, "source.watermark.column")


def growing(definition: SyncDefinition, name: str, path: str) -> Iterator[Problem]:
    """A watermark or version is read from the source and has an order."""
    column = definition.source.column(name)
    if column is None:
        yield from unknown_column(definition, name, path)
    elif column.calculated:
        yield Problem(path, f"{name!r} is calculated", "name a column that is read from the source")
    elif column.type not in ("date", "number"):
        yield Problem(path, f"{name!r} is of type {column.type}", "name a column of type date or number")


def _targets(definition: SyncDefinition) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, mapping in enumerate(definition.mappings):
        first = seen.setdefault(mapping.target.casefold(), number)
        if first != number:
            yield Problem(
                f"mappings.{number}.target", f"{mapping.target!r} is mapped already by mappings.{first}", "keep one"
            )


def _sources(definition: SyncDefinition) -> Iterator[Problem]:
    for number, mapping in enumerate(definition.mappings):
        for name in mapping.sources:
            yield from unknown_column(definition, name, f"mappings.{number}.source")
        if mapping.link is not None and isinstance(mapping.link.entity, EntityFromColumn):
            yield from unknown_column(definition, mapping.link.entity.source, f"mappings.{number}.link.entity.source")


def _mapping_of(definition: SyncDefinition, target: str) -> tuple[int, ColumnMapping] | None:
    folded = target.casefold()
    return next((pair for pair in enumerate(definition.mappings) if pair[1].target.casefold() == folded), None)


def _key(definition: SyncDefinition) -> Iterator[Problem]:
    targets = ", ".join(mapping.target for mapping in definition.mappings[:20])
    seen: set[str] = set()
    for number, name in enumerate(definition.behaviour.key):
        path, found = f"behaviour.key.{number}", _mapping_of(definition, name)
        if name.casefold() in seen:
            yield Problem(path, f"{name!r} stands in the key twice (case does not count)", "name it once")
        seen.add(name.casefold())
        if found is None:
            yield Problem(path, f"the key column {name!r} is not mapped", f"map it, or take one of: {targets}")
        elif found[1].link is not None and found[1].link.missing != "reject":
            yield Problem(
                f"mappings.{found[0]}.link.missing",
                f"{name!r} is part of the key and cannot be left empty",
                "write missing: reject",
            )


def _id(definition: SyncDefinition) -> Iterator[Problem]:
    destination = definition.destination
    found = _mapping_of(definition, destination.id_column)
    if found is None:
        if destination.id_column_insert:
            yield Problem(
                "destination.id_column_insert",
                f"ids are to be written but {destination.id_column!r} is not mapped",
                "map it, or write id_column_insert: false",
            )
        return
    number, mapping = found
    if mapping.link is not None:
        yield Problem(f"mappings.{number}.link", "the id column is no lookup", "remove the link")
    in_key = destination.id_column.casefold() in {name.casefold() for name in definition.behaviour.key}
    if not destination.id_column_insert and not in_key:
        yield Problem(
            f"mappings.{number}.target",
            f"the id column {mapping.target!r} is mapped, is not part of the key, and ids are never written",
            "add it to behaviour.key, write id_column_insert: true, or remove the mapping",
        )
