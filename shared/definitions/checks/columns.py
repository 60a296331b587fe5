"""Columns and mappings: named once, existing, and a key that is mapped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from shared.definitions.checks.heard import AnyName, heard
from shared.definitions.mapping import ColumnMapping, EntityFromColumn
from shared.definitions.schema_column import SchemaColumn
from shared.definitions.sync import SyncDefinition
from shared.nearest import nearest
from shared.values.problems import Problem

ROW_NUMBER = "row_no"
"""The name that the engine keeps for a record's number."""


def source_kinds(definition: SyncDefinition) -> dict[str, str]:
    """Every source column by the name the definition knows it by, and its type (unknown where that is broken)."""
    columns = definition.source.columns
    whole = [column for column in columns if not nameless(column)]
    kinds = {column.label: column.type if column.stands("type") else "unknown" for column in whole}
    return kinds if len(whole) == len(columns) else AnyName(kinds)


def nameless(column: SchemaColumn) -> bool:
    """Whether the name by which the definition knows the column is broken."""
    return not column.stands("alias") or (column.alias is None and not column.stands("name"))


_TARGET = re.compile(r"\btarget\.([a-z_][a-z0-9_]*)")


def condition_columns(definition: SyncDefinition) -> dict[str, str]:
    """What `changed: { when: … }` may name: `source.<column>` with its type, and `target.<column>`, type unknown.

    A target column need not be mapped; whether the table has it is seen when Dataverse is asked.
    """
    sources = source_kinds(definition)
    changed = definition.behaviour.changed
    targets = [] if isinstance(changed, str) else _TARGET.findall(changed.when)
    targets += [mapping.target for mapping in definition.mappings if mapping.stands("target")]
    kinds = {f"source.{name}": kind for name, kind in sources.items()}
    kinds |= {f"target.{name}": "unknown" for name in [*targets, definition.destination.id_column]}
    broken = isinstance(sources, AnyName) or not all(mapping.stands("target") for mapping in definition.mappings)
    return AnyName(kinds) if broken else kinds


def unknown_column(
    definition: SyncDefinition, name: str, path: str, kinds: Mapping[str, str] | None = None
) -> list[Problem]:
    """A problem when the source has no column of that name; `kinds` are its columns, where they are known already."""
    labels = source_kinds(definition) if kinds is None else kinds
    if name in labels:
        return []
    near = nearest(name, labels)
    remedy = f"did you mean {near!r}?" if near else f"its columns: {', '.join([*labels][:20])}"
    return [Problem(path, f"the source has no column {name!r}", remedy)]


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with schema columns, mappings and the sync key."""
    rules = (_names, _widths, _all_calculated, _watermark, _targets, _sources, _key, _id_written, _id_mapped)
    return [problem for rule in rules for problem in heard(rule(definition))]


def _names(definition: SyncDefinition) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for number, column in enumerate(definition.source.columns):
        if nameless(column):
            continue
        path, folded = f"source.schema.{number}", column.label.casefold()
        if folded in seen:
            yield Problem(
                path,
                f"the name {column.label!r} is taken by {seen[folded]!r} (case does not count)",
                "give one of them an alias",
            )
        if folded.endswith(("?", "!utc")) or folded == ROW_NUMBER:
            yield Problem(path, f"the name {column.label!r} is kept for the engine", "give the column an alias")
        seen.setdefault(folded, column.label)


def _widths(definition: SyncDefinition) -> Iterator[Problem]:
    kind = definition.source.type
    for number, column in enumerate(definition.source.columns):
        if column.stands("width") and column.width is not None and kind != "fixed_width":
            yield Problem(f"source.schema.{number}.width", f"a {kind} source has no widths", "remove it")


def _all_calculated(definition: SyncDefinition) -> Iterator[Problem]:
    if all(column.calculated for column in definition.source.columns):
        yield Problem("source.schema", "every column is calculated", "add the columns that are read")


def _watermark(definition: SyncDefinition) -> Iterator[Problem]:
    watermark = definition.source.watermark
    if watermark is not None:
        yield from growing(definition, watermark.column, "source.watermark.column")
        column = column_of(definition, watermark.column) if watermark.stands("column") else None
        if watermark.overlap and column is not None:
            yield from _overlap(column, watermark.overlap)


def _overlap(column: SchemaColumn, overlap: timedelta | int) -> Iterator[Problem]:
    path, is_number = "source.watermark.overlap", isinstance(overlap, int)
    if column.type == "number" and not is_number:
        found = f"{column.label!r} is a number, and the overlap is a time"
        yield Problem(path, found, "write how far to go back as a whole number, such as 1000, or remove it")
    if column.type == "date" and is_number:
        found = f"{column.label!r} is a date, and the overlap is a plain number"
        yield Problem(path, found, "write a time, such as 5m, or remove it")


def column_of(definition: SyncDefinition, name: str) -> SchemaColumn | None:
    """The source column that the definition knows by that name, among those that are whole."""
    return next((one for one in definition.source.columns if not nameless(one) and one.label == name), None)


def growing(definition: SyncDefinition, name: str, path: str) -> Iterator[Problem]:
    """A watermark or version is read from the source and has an order."""
    column = column_of(definition, name)
    if column is None:
        yield from unknown_column(definition, name, path)
    elif column.calculated:
        yield Problem(path, f"{name!r} is calculated", "name a column that is read from the source")
    elif column.type not in ("date", "number"):
        yield Problem(path, f"{name!r} is of type {column.type}", "name a column of type date or number")


def _targets(definition: SyncDefinition) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, mapping in enumerate(definition.mappings):
        if not mapping.stands("target"):
            continue
        first = seen.setdefault(mapping.target.casefold(), number)
        if first != number:
            yield Problem(
                f"mappings.{number}.target", f"{mapping.target!r} is mapped already by mappings.{first}", "keep one"
            )


def _sources(definition: SyncDefinition) -> Iterator[Problem]:
    kinds = source_kinds(definition)
    for number, mapping in enumerate(definition.mappings):
        yield from heard(_source(definition, mapping, f"mappings.{number}", kinds))
        yield from heard(_link_source(definition, mapping, f"mappings.{number}"))


def _source(
    definition: SyncDefinition, mapping: ColumnMapping, path: str, kinds: Mapping[str, str]
) -> Iterator[Problem]:
    for name in mapping.sources:
        yield from unknown_column(definition, name, f"{path}.source", kinds)


def _link_source(definition: SyncDefinition, mapping: ColumnMapping, path: str) -> Iterator[Problem]:
    if mapping.link is not None and isinstance(mapping.link.entity, EntityFromColumn):
        yield from unknown_column(definition, mapping.link.entity.source, f"{path}.link.entity.source")


def mapping_of(definition: SyncDefinition, target: str) -> tuple[int, ColumnMapping] | None:
    """The mapping that fills the column, and its number; None when none does.

    Raises:
        BrokenSettingError: none of those that are whole does, and one is broken.
    """
    folded = target.casefold()
    for number, mapping in enumerate(definition.mappings):
        if mapping.stands("target") and mapping.target.casefold() == folded:
            return number, mapping
    _ = [mapping.target for mapping in definition.mappings]  # a broken one may be it
    return None


def _key(definition: SyncDefinition) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, name in enumerate(definition.behaviour.key):
        path = f"behaviour.key.{number}"
        if name.casefold() in seen:
            yield Problem(path, f"{name!r} stands in the key twice (case does not count)", "name it once")
        seen.add(name.casefold())
        yield from heard(_key_column(definition, name, path))


def _instead(definition: SyncDefinition) -> str:
    """What to do about a key column that is not mapped: each mapped column is named once, and none of the key's."""
    taken = {name.casefold() for name in definition.behaviour.key}
    free = {m.target.casefold(): m.target for m in reversed(definition.mappings) if m.target.casefold() not in taken}
    return f"map it, or take one of: {', '.join([*reversed(free.values())][:20])}" if free else "map it"


def _key_column(definition: SyncDefinition, name: str, path: str) -> Iterator[Problem]:
    found = mapping_of(definition, name)
    if found is None:
        yield Problem(path, f"the key column {name!r} is not mapped", _instead(definition))
    elif found[1].link is not None and found[1].link.missing != "reject":
        yield Problem(
            f"mappings.{found[0]}.link.missing",
            f"{name!r} is part of the key and cannot be left empty",
            "write missing: reject",
        )


def _id_written(definition: SyncDefinition) -> Iterator[Problem]:
    destination = definition.destination
    if mapping_of(definition, destination.id_column) is None and destination.id_column_insert:
        yield Problem(
            "destination.id_column_insert",
            f"ids are to be written but {destination.id_column!r} is not mapped",
            "map it, or write id_column_insert: false",
        )


def _id_mapped(definition: SyncDefinition) -> Iterator[Problem]:
    destination = definition.destination
    found = mapping_of(definition, destination.id_column)
    if found is None:
        return
    number, mapping = found
    if mapping.stands("link") and mapping.link is not None:
        yield Problem(f"mappings.{number}.link", "the id column is no lookup", "remove the link")
    in_key = destination.id_column.casefold() in {name.casefold() for name in definition.behaviour.key}
    if not destination.id_column_insert and not in_key:
        yield Problem(
            f"mappings.{number}.target",
            f"the id column {mapping.target!r} is mapped, is not part of the key, and ids are never written",
            "add it to behaviour.key, write id_column_insert: true, or remove the mapping",
        )
