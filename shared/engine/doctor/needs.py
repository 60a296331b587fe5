"""What a sync needs in its environment, computed from its definition and its table's metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.definitions.mapping import ColumnMapping, EntityFromColumn
from shared.definitions.sync import SyncDefinition
from shared.values.rights import Access, NamedNeed, Need, Needs
from shared.values.tables import Column, ColumnKind, Table

_WORD = re.compile(r"'(?:[^']|'')*'|[A-Za-z_]\w*")
_STATES = {ColumnKind.STATE, ColumnKind.STATUS, ColumnKind.OWNER}


def needs_of(definition: SyncDefinition, table: Table, *, undo: bool = False) -> Needs:
    """Everything that the sync's definition makes it do; with `undo`, also what taking a job back needs."""
    needs = [*_of_environment(), *_of_table(definition, table, undo=undo), *_of_links(definition, table)]
    first = {(need.table, need.access): need for need in reversed(needs)}
    unique = [need for need in needs if first[need.table, need.access] is need]
    written = {mapping.target for mapping in definition.mappings} - _unwritten(definition)
    return Needs(
        tables=tuple(unique),
        named=tuple(_named(definition)),
        columns_read=frozenset(_read(definition, table)),
        columns_created=frozenset(written if creates(definition) or undo else ()),
        columns_updated=frozenset(written if definition.behaviour.changed != "ignore" or undo else ()),
        columns_looked_up=_looked_up(definition, table),
    )


def creates(definition: SyncDefinition) -> bool:
    """Whether the sync makes new rows."""
    return definition.behaviour.new == "insert"


def _unwritten(definition: SyncDefinition) -> set[str]:
    destination = definition.destination
    return set() if destination.id_column_insert else {destination.id_column}


def _of_environment() -> Iterator[Need]:
    yield Need("organization", Access.READ, "the base language and precision of prices decide how values compare")
    yield Need("transactioncurrency", Access.READ, "currencies and their precision")
    yield Need("systemuser", Access.READ, "who the application user is, and which rights it has")


def _of_table(definition: SyncDefinition, table: Table, *, undo: bool) -> Iterator[Need]:
    name = table.name
    yield Need(name, Access.READ, "rows are compared before anything is written")
    if creates(definition) or undo:
        yield Need(name, Access.CREATE, "new records become rows" if creates(definition) else "undo of deletes")
    if _updates(definition, table) or undo:
        yield Need(name, Access.WRITE, "rows are changed" if _updates(definition, table) else "undo of changes")
    if _deletes(definition) or undo:
        yield Need(name, Access.DELETE, "rows are deleted" if _deletes(definition) else "undo of creates")


def _updates(definition: SyncDefinition, table: Table) -> bool:
    behaviour = definition.behaviour
    second = [mapping for mapping in definition.mappings if _is_second_step(mapping, table)]
    return behaviour.changed != "ignore" or not isinstance(behaviour.dropped, str) or bool(second)


def _is_second_step(mapping: ColumnMapping, table: Table) -> bool:
    """Whether a new row gets this value by an update: links to rows of the same job, states, owners."""
    column = table.columns.get(mapping.target)
    deferred = mapping.link is not None and mapping.link.missing == "defer"
    return deferred or (column is not None and column.kind in _STATES)


def _deletes(definition: SyncDefinition) -> bool:
    behaviour = definition.behaviour
    told = behaviour.action_column is not None or definition.listener is not None
    return behaviour.dropped == "delete" or (told and behaviour.deletes == "follow")


def _of_links(definition: SyncDefinition, table: Table) -> Iterator[Need]:
    own = table.name
    for mapping in definition.mappings:
        column = table.columns.get(mapping.target)
        if column is None:
            continue
        if column.kind is ColumnKind.MONEY:
            yield Need(own, Access.APPEND, f"{column.name} has a currency")
            yield Need("transactioncurrency", Access.APPEND_TO, f"{own}.{column.name} has a currency")
        if not column.is_lookup:
            continue
        if column.kind is ColumnKind.OWNER:
            yield Need(own, Access.ASSIGN, f"{column.name} gives rows an owner")
        yield Need(own, Access.APPEND, f"{column.name} points at another row")
        for target in _targets(mapping, column):
            if mapping.link is not None:
                yield Need(target, Access.READ, f"{own}.{column.name} is looked up there")
            yield Need(target, Access.APPEND_TO, f"{own}.{column.name} points there")


def _targets(mapping: ColumnMapping, column: Column) -> list[str]:
    """The tables that a lookup may lead to, by logical name, whatever name of a table the definition uses."""
    if mapping.link is None or isinstance(mapping.link.entity, EntityFromColumn):
        return [target.entity for target in column.targets]
    named = mapping.link.entity.lower()
    known = [one.entity for one in column.targets if named in (one.entity.lower(), one.entity_set.lower())]
    return known or [named]


def _looked_up(definition: SyncDefinition, table: Table) -> dict[str, frozenset[str]]:
    """By which columns rows of other tables are found, and chosen by a link's `where`."""
    found: dict[str, set[str]] = {}
    for mapping in definition.mappings:
        column = table.columns.get(mapping.target)
        if mapping.link is None or column is None or not column.is_lookup:
            continue
        for target in _targets(mapping, column):
            words = _WORD.findall(mapping.link.where or "")
            plain = (word.removeprefix("_").removesuffix("_value") for word in words)
            found.setdefault(target, set()).update(mapping.link.columns, words, plain)
    return {name: frozenset(columns) for name, columns in found.items()}


def _named(definition: SyncDefinition) -> Iterator[NamedNeed]:
    destination = definition.destination
    bypass = destination.bypass
    if bypass is not None and (bypass.logic or bypass.steps):
        yield NamedNeed("prvBypassCustomBusinessLogic", "bypass: logic or steps")
    if bypass is not None and bypass.plugins:
        yield NamedNeed("prvBypassCustomPlugins", "bypass: plugins")
    if destination.caller is not None:
        yield NamedNeed("prvActOnBehalfOfAnotherUser", "caller: rows are written in another user's name")
    if any(step.workflow for step in definition.post_sync):
        yield NamedNeed("prvWorkflowExecution", "post_sync starts a workflow")
    if any(mapping.target == "overriddencreatedon" for mapping in definition.mappings):
        yield NamedNeed("prvOverrideCreatedOnCreatedBy", "a mapping to overriddencreatedon")


def _read(definition: SyncDefinition, table: Table) -> Iterator[str]:
    """Columns that are compared, asked for by the filter, or needed by a condition."""
    columns = table.columns
    yield from (mapping.target for mapping in definition.mappings if mapping.target in columns)
    for word in _WORD.findall(definition.destination.filter or ""):
        plain = word.removeprefix("_").removesuffix("_value")
        yield from (name for name in (word, plain) if name in columns)
    if not isinstance(definition.behaviour.changed, str):
        named = re.findall(r"\btarget\.(\w+)", definition.behaviour.changed.when)
        yield from (name for name in named if name in columns)
