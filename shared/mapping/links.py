"""Lookups: a source value is matched against columns of the linked table, which was read before (`link_<n>`).

A link table holds one row per distinct match: `k0`, `k1` … (as the server's collation sees them), `entity`, `id` and
`hits` (how many rows match).
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.canonical import Form, key_form
from shared.columns import TypedColumn
from shared.mapping.cells import Cell, Flaw, as_text, cell
from shared.sql import identifier, literal
from shared.values.records import RejectType


@dataclass(frozen=True, slots=True)
class LinkSide:
    """One pair of a link: the linked table's column and the source column that is matched against it."""

    form: Form
    source: TypedColumn


@dataclass(frozen=True, slots=True)
class LinkTable:
    """A link made ready: `number` names its table; `entity` is fixed unless `entity_source` names a source column.

    `deferred`: a row that is not there yet may come in the same job, and is linked in a second step.
    """

    number: int
    sides: tuple[LinkSide, ...]
    entity: str | None
    entity_source: TypedColumn | None
    where: str
    missing_is_null: bool
    deferred: bool = False

    @property
    def table(self) -> str:
        """The name of the table that holds the matches."""
        return f"link_{self.number}"

    @property
    def alias(self) -> str:
        """The alias under which the composed query joins the table."""
        return f"l{self.number}"


def side_keys(link: LinkTable, *, accent_sensitive: bool) -> list[str]:
    """SQL over the typed source: each source value in the linked column's canonical key form."""
    return [
        key_form(side.form, f"({cell(side.form, side.source).value})", accent_sensitive=accent_sensitive)
        for side in link.sides
    ]


def join(link: LinkTable, *, accent_sensitive: bool) -> str:
    """The LEFT JOIN that brings a link's `id`, `hits` and `entity` beside the typed source."""
    keys = side_keys(link, accent_sensitive=accent_sensitive)
    tests = [f"{link.alias}.k{number} = {key}" for number, key in enumerate(keys)]
    if link.entity_source:
        tests.append(f"{link.alias}.entity = {entity_value(link.entity_source)}")
    return f"LEFT JOIN {link.table} {link.alias} ON {' AND '.join(tests)}"


def entity_value(source: TypedColumn) -> str:
    """SQL of the table name that a record gives for a polymorphic lookup."""
    return f"lower(trim({identifier(source.name)}))"


def joined_columns(link: LinkTable) -> list[str]:
    """What `join` adds, under names that no source column has."""
    columns = [f'{link.alias}.id AS "!id{link.number}"', f'{link.alias}.hits AS "!hits{link.number}"']
    return [*columns, f'{link.alias}.entity AS "!entity{link.number}"'] if link.entity_source else columns


def unfound(link: LinkTable) -> str:
    """SQL beside the join: the record names a row, and there is none."""
    texts = [f"nullif({as_text(identifier(side.source.name), side.source)}, '')" for side in link.sides]
    given = " OR ".join(f"{text} IS NOT NULL" for text in texts)
    return f'({given}) AND "!hits{link.number}" IS NULL'


def awaited_columns(link: LinkTable, name: str, *, accent_sensitive: bool) -> list[str]:
    """What a deferred link adds to `wanted`: `"name~"` (its row may come yet), and by what the row will be known.

    `"name~0"`, `"name~1"` … hold the link's values in canonical key form, `"name~@"` the table that the record names.
    """
    columns = [f"({unfound(link)}) AS {identifier(name + '~')}"]
    keys = side_keys(link, accent_sensitive=accent_sensitive)
    columns += [f"{key} AS {identifier(f'{name}~{number}')}" for number, key in enumerate(keys)]
    entity = entity_value(link.entity_source) if link.entity_source else literal(link.entity)
    return [*columns, f"{entity} AS {identifier(name + '~@')}"]


def link_cell(link: LinkTable) -> Cell:
    """The lookup's cell: an id where exactly one row matches."""
    hits, value = f'"!hits{link.number}"', f'"!id{link.number}"'
    shown = ", ".join(side.form.name for side in link.sides)
    where = link.entity or "the named table"
    flaws = [Flaw(RejectType.AMBIGUOUS_LINK, f"{hits} > 1", f"several rows of {where} have this {shown}")]
    if not link.missing_is_null and not link.deferred:
        flaws.append(Flaw(RejectType.UNRESOLVED_LINK, unfound(link), f"no row of {where} has this {shown}"))
    return Cell(f"CASE WHEN {hits} = 1 THEN {value} END", tuple(flaws))
