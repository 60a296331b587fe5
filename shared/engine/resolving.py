"""Fills the link tables: rows of the linked tables, by the columns that the source's values are matched against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.canonical import key_form, settle
from shared.columns import TypedSource
from shared.dataverse.client import DataverseClient
from shared.engine.reading import PageRows, as_pages, in_utc, load_all
from shared.engine.workspace import Row, Workspace
from shared.mapping.build import Prepared
from shared.mapping.cells import cell
from shared.mapping.links import LinkTable, entity_value
from shared.pages import page_relation
from shared.sql import identifier, literal
from shared.values.tables import Table

SMALL_TABLE = 25_000
"""A linked table up to this many rows is read whole: five pages cost less than looking for values."""
FEW_VALUES = 20_000
"""Up to this many distinct values are looked up in a larger table instead of reading it whole."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Reads what the links need. `bound` binds the variables of a link's `where`.

    `whole_tables`: a small linked table is read whole; without, values are always looked up, and few are expected.
    """

    workspace: Workspace
    client: DataverseClient
    prepared: Prepared
    source: TypedSource
    bound: Callable[[str, Table], str | None]
    whole_tables: bool = True

    def resolve(self) -> None:
        """Fill every link table."""
        for link in self.prepared.mapping.links:
            self._create(link)
            for table in self.prepared.linked[link.number]:
                self._fill(link, table)
            self._group(link)

    def _create(self, link: LinkTable) -> None:
        keys = ", ".join(f"k{number} {side.form.sql_type}" for number, side in enumerate(link.sides))
        self.workspace.run(f"CREATE OR REPLACE TABLE {link.table}_rows ({keys}, entity VARCHAR, id UUID)")

    def _fill(self, link: LinkTable, table: Table) -> None:
        names = [side.form.name for side in link.sides]
        where = self.bound(link.where, table)
        pages: Iterable[PageRows]
        values = self._few_values(link, table, where)
        if values is None:
            pages = self.client.pages(table, names, filter=where)
        else:
            pages = as_pages(self.client.rows_by_key(table, names, values, names, filter=where))
        load_all(self.workspace, f"{link.table}_rows", self._select(link, table), pages)

    def _few_values(self, link: LinkTable, table: Table, where: str | None) -> list[Row] | None:
        """The distinct source values when looking them up is cheaper than reading the table; else None."""
        total = self.client.total(table, where) if self.whole_tables else None
        if total is not None and total <= SMALL_TABLE:
            return None
        values = ", ".join(f"({cell(side.form, side.source).value})" for side in link.sides)
        tests = [f"({cell(side.form, side.source).value}) IS NOT NULL" for side in link.sides]
        if link.entity_source:
            tests.append(f"{entity_value(link.entity_source)} = {literal(table.name)}")
        sql = f"SELECT DISTINCT {values} FROM ({self.source.query}) WHERE {' AND '.join(tests)} LIMIT {FEW_VALUES + 1}"
        found = self.workspace.rows(sql, self.source.parameters)
        return [tuple(map(in_utc, row)) for row in found] if len(found) <= FEW_VALUES else None

    def _select(self, link: LinkTable, table: Table) -> str:
        accent_sensitive = self.prepared.mapping.accent_sensitive
        keys = [
            key_form(
                side.form, settle(side.form, identifier(side.form.column.read_name)), accent_sensitive=accent_sensitive
            )
            for side in link.sides
        ]
        return (
            f"SELECT {', '.join(keys)}, {literal(table.name)}, {identifier(table.id_column)} "
            f"FROM {page_relation(table.id_column, [side.form for side in link.sides])}"
        )

    def _group(self, link: LinkTable) -> None:
        keys = ", ".join(f"k{number}" for number in range(len(link.sides)))
        self.workspace.run(
            f"CREATE OR REPLACE TABLE {link.table} AS "
            f"SELECT {keys}, entity, min(id) AS id, count(DISTINCT id) AS hits "
            f"FROM {link.table}_rows GROUP BY {keys}, entity"
        )
        self.workspace.run(f"DROP TABLE {link.table}_rows")
