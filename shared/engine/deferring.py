"""Links to rows that the job itself creates: `deferred` holds, per record and deferred lookup, the new row's id.

    parents   row_no, id of the records that are created
    deferred  row_no, "<lookup>" UUID (NULL: this lookup waits for nothing)

A record that several new rows match is set aside. One that none matches is only told among the rejects: it is written
without its link.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from shared.canonical import key_form, read_member, wire_member
from shared.engine.rejecting import Rejections
from shared.engine.workspace import Workspace
from shared.mapping.compose import Mapping, Target
from shared.sql import identifier, literal
from shared.values.records import RejectType


@dataclass(frozen=True, slots=True)
class Deferral:
    """Finds the new rows that deferred links of one job wait for. `table` is the destination's."""

    workspace: Workspace
    mapping: Mapping
    rejections: Rejections
    table: str

    def resolve(self, *, created: str, written: str, id_sql: str, moment: MappingOf[str, object] | None = None) -> None:
        """Fill `deferred`. `created` and `written` are SQL over `wanted w`: the records to create, and those that are
        created or may be updated; `id_sql` is the id of a new row, `moment` its parameters."""
        targets = self.mapping.deferred
        self.workspace.run(f"CREATE OR REPLACE TABLE deferred ({self._columns(targets)})")
        if not targets or not self.workspace.value(f"SELECT count(*) FROM wanted w WHERE w.ok AND ({_waits(targets)})"):
            return
        self._find_parents(f"w.ok AND {created}", id_sql, moment)
        for target in targets:
            self._set_ambiguous_aside(target, written)
        self._find_parents(f"w.ok AND {created}", id_sql, moment)
        for target in targets:
            self._tell_unresolved(target, written)
        self._note_ids(targets, written)

    @staticmethod
    def _columns(targets: tuple[Target, ...]) -> str:
        return ", ".join(["row_no BIGINT", *(f"{identifier(target.name)} UUID" for target in targets)])

    def _find_parents(self, created: str, id_sql: str, moment: MappingOf[str, object] | None) -> None:
        self.workspace.run(
            f"CREATE OR REPLACE TABLE parents AS SELECT w.row_no, {id_sql} AS id FROM wanted w WHERE {created}", moment
        )

    def _matches(self, target: Target, written: str) -> str:
        """A query of row_no, id and hits: the new rows that a record's deferred link names."""
        sides = target.link.sides if target.link else ()
        names = [side.form.name for side in sides]
        absent = [t.name + "?" for t in self.mapping.targets if t.name in names and t.may_be_absent]
        present = "".join(f" AND NOT p.{identifier(name)}" for name in absent)
        keys = [
            key_form(side.form, f"p.{identifier(side.form.name)}", accent_sensitive=self.mapping.accent_sensitive)
            for side in sides
        ]
        same = " AND ".join(f"w.{identifier(f'{target.name}~{n}')} = {key}" for n, key in enumerate(keys))
        return f"""
            SELECT w.row_no, min(parents.id) AS id, count(*) AS hits
            FROM wanted w JOIN (parents JOIN wanted p ON p.row_no = parents.row_no{present}) ON {same}
            WHERE w.ok AND {written} AND {self._may_come(target)} GROUP BY w.row_no
        """

    def _may_come(self, target: Target) -> str:
        waits, named = identifier(target.name + "~"), identifier(target.name + "~@")
        return f"w.{waits} AND w.{named} = {literal(self.table)}"

    def _set_ambiguous_aside(self, target: Target, written: str) -> None:
        rows = f"SELECT row_no, hits AS times FROM ({self._matches(target, written)}) WHERE hits > 1"
        reason = f"r.times || {literal(f' new rows of {self.table} have this {_shown(target)}')}"
        self.rejections.reject_rows(rows, RejectType.AMBIGUOUS_LINK, target.name, reason)
        self.workspace.run("UPDATE pairs SET ok = FALSE WHERE row_no IN (SELECT row_no FROM refused)")

    def _tell_unresolved(self, target: Target, written: str) -> None:
        found = f"SELECT row_no FROM ({self._matches(target, written)})"
        waits = f"w.ok AND {written} AND w.{identifier(target.name + '~')}"
        where = target.link.entity if target.link and target.link.entity else "the named table"
        reason = f"no row of {where} has this {_shown(target)}, and no record brings one; written without the link"
        self.rejections.report(f"{waits} AND w.row_no NOT IN ({found})", RejectType.UNRESOLVED_LINK, target, reason)

    def _note_ids(self, targets: tuple[Target, ...], written: str) -> None:
        self.workspace.run(f"CREATE OR REPLACE TABLE named ({self._columns(targets)})")
        for target in targets:
            name = identifier(target.name)
            self.workspace.run(
                f"INSERT INTO named (row_no, {name}) SELECT row_no, id FROM ({self._matches(target, written)})"
            )
        highest = ", ".join(f"max({identifier(t.name)})" for t in targets)
        self.workspace.run(f"INSERT INTO deferred SELECT row_no, {highest} FROM named GROUP BY row_no")


def _waits(targets: tuple[Target, ...]) -> str:
    return " OR ".join(f"w.{identifier(target.name + '~')}" for target in targets)


def _shown(target: Target) -> str:
    return ", ".join(side.form.name for side in target.link.sides) if target.link else ""


def link_members(mapping: Mapping, table: str) -> str:
    """SQL over `deferred d`: the members that bind, each with a leading comma; empty when there are none."""
    parts = [_bound(target, table) for target in mapping.deferred]
    return " || ".join(parts) or "''"


def _bound(target: Target, table: str) -> str:
    parent = f"d.{identifier(target.name)}"
    return f"CASE WHEN {parent} IS NOT NULL THEN ',' || {wire_member(target.form, parent, entity=table)} ELSE '' END"


def former_links(mapping: Mapping) -> str:
    """SQL over `deferred d` and a pair `w`: what the lookups hold now, each with a leading comma."""
    parts = [
        f"CASE WHEN d.{identifier(t.name)} IS NOT NULL "
        f"THEN ',' || {read_member(t.form, 'w.' + identifier('before.' + t.name))} ELSE '' END"
        for t in mapping.deferred
    ]
    return " || ".join(parts) or "''"
