"""The whole mapping as one query: typed source records in, `wanted` rows out.

A `wanted` row stands for one record that the source filter kept:

    row_no BIGINT, ok BOOLEAN, kh UBIGINT (hash of the key as the server sees it, NULL when unreadable),
    rh UBIGINT (hash of all compared values, NULL when a cell is absent), "!rejected" and "!reported" BOOLEAN
    (by the schema rules),
    "!action" VARCHAR (only with an action column),
    per target: "name" (canonical value), "name?" BOOLEAN (absent; only where that can be),
                "name@" VARCHAR (table of a polymorphic lookup),
                per deferred link: see `links.awaited_columns`,
    "source.column" for source columns that the `changed` condition looks at.

What is wrong with a cell is not stored, but found again for the few records that are not ok (`flaws_query`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.canonical import Form, compared, key_hash
from shared.columns import TypedColumn, TypedSource
from shared.mapping.cells import Cell, Flaw, as_text
from shared.mapping.links import LinkTable, awaited_columns, join, joined_columns, unfound
from shared.sql import identifier
from shared.values.records import RejectType


@dataclass(frozen=True, slots=True)
class Target:
    """One mapped destination column: its form, the source columns that feed it, and its cell."""

    form: Form
    sources: tuple[TypedColumn, ...]
    cell: Cell
    link: LinkTable | None = None
    keep_null: bool = False
    key: bool = False

    @property
    def name(self) -> str:
        """The column's logical name."""
        return self.form.name

    @property
    def may_be_absent(self) -> bool:
        """Whether a record can lack this cell, so that it is neither written nor cleared."""
        return self.keep_null or self.deferred or any(source.may_be_absent for source in self.sources)

    @property
    def deferred(self) -> bool:
        """Whether the lookup may be filled in a second step; until then the cell is absent."""
        return self.link is not None and self.link.deferred

    @property
    def is_compared(self) -> bool:
        """Whether the column can be read and updated; others are written once, when the row is created."""
        return self.form.column.readable and self.form.column.updatable

    @property
    def entity(self) -> str | None:
        """The table a lookup points at when it is the same for every record."""
        return self.link.entity if self.link else None

    @property
    def entity_column(self) -> str | None:
        """The `wanted` column that names the table of a polymorphic lookup."""
        return f"{self.name}@" if self.link and self.link.entity_source else None

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        """All that can be wrong, the server's own requirement included."""
        if not self.form.column.required or self.form.column.primary_id:
            return self.cell.flaws
        reason = f"{self.name} must have a value"
        return (*self.cell.flaws, Flaw(RejectType.MANDATORY, f"({self.cell.value}) IS NULL", reason))


@dataclass(frozen=True, slots=True)
class Mapping:
    """All that composes `wanted`: targets, the key (names in order), and how the environment compares texts."""

    targets: tuple[Target, ...]
    key: tuple[str, ...]
    id_column: str
    accent_sensitive: bool
    action: TypedColumn | None = None
    watched: tuple[TypedColumn, ...] = ()

    @property
    def key_forms(self) -> tuple[Form, ...]:
        """The forms of the sync key's columns, in the key's order."""
        forms = {target.name: target.form for target in self.targets}
        return tuple(forms[name] for name in self.key)

    @property
    def compared(self) -> tuple[Target, ...]:
        """The targets whose values are compared: what can be read and updated, without the row's id."""
        return tuple(target for target in self.targets if target.name != self.id_column and target.is_compared)

    @property
    def id_target(self) -> Target | None:
        """The target that is the row's id, when the id column is mapped."""
        return next((target for target in self.targets if target.name == self.id_column), None)

    @property
    def deferred(self) -> tuple[Target, ...]:
        """The lookups that may be filled in a second step."""
        return tuple(target for target in self.targets if target.deferred)

    @property
    def links(self) -> tuple[LinkTable, ...]:
        """The link tables that the query joins."""
        return tuple(target.link for target in self.targets if target.link)


def wanted_query(mapping: Mapping, source: TypedSource) -> str:
    """The query whose rows are `wanted`; it takes the source's own parameters."""
    passing = ", ".join(["row_no", "kh", *(_flaw_column(target) for target in mapping.targets if target.flaws)])
    return f"""
        WITH {_mapped(mapping, source)},
        keyed AS (SELECT *, {_key_hash(mapping)} AS kh FROM mapped)
        SELECT row_no, {_ok(mapping)} AS ok, kh, {row_hash(mapping, "keyed")} AS rh, * EXCLUDE ({passing})
        FROM keyed
    """


def flaws_query(mapping: Mapping, source: TypedSource) -> str:
    """The query that gives, per record, row_no and per target with flaws `"name!"`: the flaw's number, 0 for none."""
    columns = ", ".join(["row_no", *(_flaw_column(target) for target in mapping.targets if target.flaws)])
    return f'WITH {_mapped(mapping, source)} SELECT {columns} FROM mapped WHERE NOT "!rejected"'


def _mapped(mapping: Mapping, source: TypedSource) -> str:
    return f"""typed AS ({source.query}),
        linked AS ({_linked(mapping)}),
        mapped AS (SELECT {_mapped_columns(mapping)} FROM linked WHERE NOT "!filtered")"""


def _flaw_column(target: Target) -> str:
    return identifier(target.name + "!")


def _linked(mapping: Mapping) -> str:
    added = [column for link in mapping.links for column in joined_columns(link)]
    joins = " ".join(join(link, accent_sensitive=mapping.accent_sensitive) for link in mapping.links)
    return f"SELECT {', '.join(['typed.*', *added])} FROM typed {joins}"


def _mapped_columns(mapping: Mapping) -> str:
    columns = ["row_no", '"!rejected"', '"!reported"']
    for target in mapping.targets:
        columns.extend(_target_columns(target))
        if target.link and target.deferred:
            columns.extend(awaited_columns(target.link, target.name, accent_sensitive=mapping.accent_sensitive))
    if mapping.action:
        text = as_text(identifier(mapping.action.name), mapping.action)
        columns.append(f'upper(trim({text})) AS "!action"')
    columns.extend(
        f"{c.in_expressions(identifier(c.name))} AS {identifier('source.' + c.name)}" for c in mapping.watched
    )
    return ", ".join(columns)


def _target_columns(target: Target) -> list[str]:
    value = f"({target.cell.value})::{target.form.sql_type}"
    columns = [f"{value} AS {identifier(target.name)}"]
    if target.flaws:
        columns.append(f"{_flaw_number(target)} AS {_flaw_column(target)}")
    if target.may_be_absent:
        columns.append(f"{_absent(target, value)} AS {identifier(target.name + '?')}")
    if target.entity_column and target.link:
        columns.append(f'"!entity{target.link.number}" AS {identifier(target.entity_column)}')
    return columns


def _flaw_number(target: Target) -> str:
    absent = f"WHEN {_source_absent(target)} THEN 0 " if any(s.may_be_absent for s in target.sources) else ""
    cases = " ".join(f"WHEN {flaw.when} THEN {number}" for number, flaw in enumerate(target.flaws, start=1))
    return f"(CASE {absent}{cases} ELSE 0 END)::UTINYINT"


def _source_absent(target: Target) -> str:
    return " OR ".join(f"{identifier(s.name + '?')}" for s in target.sources if s.may_be_absent)


def _absent(target: Target, value: str) -> str:
    tests = [f"({_source_absent(target)})"] if any(s.may_be_absent for s in target.sources) else []
    tests += [f"{value} IS NULL"] if target.keep_null else []
    tests += [f"({unfound(target.link)})"] if target.link and target.deferred else []
    return f"coalesce({' OR '.join(tests)}, FALSE)"


def _key_hash(mapping: Mapping) -> str:
    names = {form.name: identifier(form.name) for form in mapping.key_forms}
    return key_hash(mapping.key_forms, names, accent_sensitive=mapping.accent_sensitive)


def _ok(mapping: Mapping) -> str:
    flawless = [f"{_flaw_column(target)} = 0" for target in mapping.targets if target.flaws]
    known = [f"coalesce({action_is_known('keyed')}, FALSE)"] if mapping.action else []
    return " AND ".join(['NOT "!rejected"', "kh IS NOT NULL", *known, *flawless])


def action_is_known(alias: str) -> str:
    """SQL: the record's action is one of the three."""
    return f"{alias}.\"!action\" IN ('INSERT', 'UPDATE', 'DELETE')"


def row_hash(mapping: Mapping, alias: str) -> str:
    """SQL of the hash over all compared values; NULL asks for a closer look (an absent cell, a record to delete)."""
    values = [
        compared(target.form, f"{alias}.{identifier(target.name)}", key=target.key) for target in mapping.compared
    ]
    hashed = f"hash({', '.join(values)})" if values else "0::UBIGINT"
    closer = [f"{alias}.{identifier(target.name + '?')}" for target in mapping.compared if target.may_be_absent]
    closer += [f"{alias}.\"!action\" = 'DELETE'"] if mapping.action else []
    return f"CASE WHEN {' OR '.join(closer)} THEN NULL ELSE {hashed} END" if closer else hashed


def key_display(forms: Sequence[Form], alias: str) -> str:
    """SQL of a key as people read it: its values with ` | ` between them."""
    return f"concat_ws(' | ', {', '.join(f'{alias}.{identifier(form.name)}' for form in forms)})"
