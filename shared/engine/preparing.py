"""What a job must know before it reads: the destination's metadata, the mapping made ready, the filters bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from shared.columns import SQL_TYPES, TypedColumn
from shared.dataverse.asking import Answer
from shared.dataverse.client import Asked, DataverseClient
from shared.definitions.mapping import EntityFromColumn
from shared.definitions.source import SqlSource
from shared.definitions.sync import SyncDefinition
from shared.engine.fingerprint.rules import advice
from shared.errors import DestinationError
from shared.filters import bind_odata
from shared.mapping.build import Metadata, Prepared, prepare
from shared.values.problems import Problem, Severity
from shared.values.tables import ColumnKind, Table


def declared_columns(definition: SyncDefinition) -> dict[str, TypedColumn]:
    """The source's columns as the schema declares them, by the name that mappings use."""
    return {
        column.label: TypedColumn(column.label, column.type, SQL_TYPES[column.type], may_be_absent=False)
        for column in definition.source.columns
    }


def gather(definition: SyncDefinition, client: DataverseClient) -> Metadata:
    """Read the metadata of the destination's table and of every table that a link may look into.

    Raises:
        DestinationError: the table is unknown, or metadata cannot be read.
    """
    with client.side_by_side() as asked:
        own, environment = asked.table(definition.destination.entity), asked.environment()
        _answers(asked, _named(definition))
        table = own()
        answers = _answers(asked, _linked_names(definition, table))
        linked: dict[str, Table] = {}
        for name, answer in answers.items():
            with suppress(DestinationError):  # `prepare` names the mapping whose table is unknown
                linked[name] = answer()
        return Metadata(table, linked, environment())


def _answers(asked: Asked, names: Iterable[str]) -> dict[str, Answer[Table]]:
    """What is asked about tables, by their names; a table that is unknown is left out."""
    found: dict[str, Answer[Table]] = {}
    for name in dict.fromkeys(names):
        with suppress(DestinationError):  # as above
            found[name] = asked.table(name)
    return found


def _named(definition: SyncDefinition) -> Iterable[str]:
    """The tables that links name themselves."""
    links = (mapping.link for mapping in definition.mappings if mapping.link is not None)
    return (link.entity for link in links if not isinstance(link.entity, EntityFromColumn))


def _linked_names(definition: SyncDefinition, table: Table) -> Iterable[str]:
    for mapping in definition.mappings:
        if mapping.link is None:
            continue
        if isinstance(mapping.link.entity, EntityFromColumn):
            column = table.columns.get(mapping.target)
            yield from (target.entity for target in column.targets) if column else ()
        else:
            yield mapping.link.entity


@dataclass(frozen=True, slots=True)
class Filters:
    """Binds a definition's variables into OData filters, typed by the table's columns."""

    variables: Mapping[str, str]

    def bound(self, text: str | None, table: Table) -> str | None:
        """The filter with its variables as literals; None when there is none."""
        if not text:
            return None

        def kind(name: str) -> ColumnKind | None:
            plain = name.removeprefix("_").removesuffix("_value") if name.startswith("_") else name
            column = table.columns.get(plain)
            return column.kind if column else None

        return bind_odata(text, variables=self.variables, column_kind=kind)


def record_filter(definition: SyncDefinition) -> str | None:
    """The source filter when the engine applies it; a database applies its own."""
    return None if isinstance(definition.source, SqlSource) else definition.source.filter


def check(definition: SyncDefinition, client: DataverseClient) -> tuple[Prepared | None, Metadata, list[Problem]]:
    """The mapping held against Dataverse's metadata, and every problem found."""
    metadata = gather(definition, client)
    prepared, problems = prepare(definition, metadata, declared_columns(definition))
    return prepared, metadata, [*problems, *_advice(definition), *advice(definition, metadata.table)]


def _advice(definition: SyncDefinition) -> list[Problem]:
    behaviour, text = definition.behaviour, definition.destination.filter or ""
    if isinstance(behaviour.dropped, str) or behaviour.returned == "ignore" or "statecode" not in text:
        return []
    found = "the filter leaves out inactive rows, so a row that was deactivated or expired cannot be revived"
    remedy = "leave statecode out of the filter, or say `returned: ignore`"
    return [Problem("destination.filter", found, remedy, Severity.WARNING)]
