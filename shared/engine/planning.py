"""From what reconcile found to the plan: one row per change, with what stands there now and what will be sent.

    plan   action, id UUID, key, row_no (NULL for dropped rows), before (JSON as read, NULL for creates),
           after (JSON members as they will be sent, NULL for deletes), later (members of a second step, or NULL),
           deferred (links to rows that the job creates: set when all of these are there, or NULL)

Changes stand in the order in which they are applied: creates, updates and revivals, removals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared import reconcile
from shared.canonical import Form, read_member, wire_member
from shared.engine.deferring import Deferral, former_links, link_members
from shared.engine.identity import new_id
from shared.engine.rejecting import Rejections
from shared.engine.workspace import Workspace
from shared.mapping.build import Prepared
from shared.mapping.compose import Mapping as Composed
from shared.mapping.compose import Target, key_display
from shared.sql import identifier, literal
from shared.values.changes import Action
from shared.values.records import RejectType
from shared.values.tables import ColumnKind

TABLE = """
    CREATE OR REPLACE TABLE plan (
        action VARCHAR, id UUID, key VARCHAR, row_no BIGINT, before VARCHAR, after VARCHAR, later VARCHAR,
        deferred VARCHAR
    )
"""

Moment = Mapping[str, object]
"""Parameters of the SQL of new ids."""
DIFFERS = "(after <> '' OR links <> '')"
"""SQL over `diffs`: the pair is not equal."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the definition wants: `new`, `returned`, `deletes` in its words; `when` as SQL over a pair, or None.

    `parameters` belong to `when`. `update` is false when changed records are ignored.
    """

    insert: bool
    update: bool
    revive: bool
    deletes: str
    id_column_insert: bool
    when: str | None = None
    parameters: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """Whether any record has a row beside it, and whether any has none: what is empty need not be asked."""

    pairs: bool = True
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Planner:
    """Fills `plan` for one job. `now` is the time of the run; `seed` makes ids (see `identity`)."""

    workspace: Workspace
    prepared: Prepared
    rules: Rules
    rejections: Rejections
    now: datetime
    table: str

    def plan(self, *, id_sql: str, drop: bool, beside: Beside = Beside(), moment: Moment | None = None) -> None:
        """Creates, then updates, then removals; `drop` is false when removals are withheld.

        `moment` holds the parameters of `id_sql`.
        """
        self.workspace.run(TABLE)
        self._asked_to_delete()
        fresh = self._fresh() if beside.fresh else "FALSE"
        self._defer(fresh, id_sql, moment)
        if beside.fresh:
            self._creates(fresh, id_sql, moment)
        if beside.pairs:
            self._updates()
            self._followed_deletes()
        if drop and self.prepared.removal.action is not None:
            self._removals()

    # ---- records whose action column says DELETE

    def _asked_to_delete(self) -> None:
        if self._mapping.action is None:
            return
        self.rejections.fate(f"SELECT row_no FROM wanted w WHERE ok AND {_is_delete('w')}", "asked_to_delete")

    def _followed_deletes(self) -> None:
        if self._mapping.action is None or self.rules.deletes == "ignore":
            return
        action = Action.DELETE if self.rules.deletes == "follow" else self.prepared.removal.action
        if action is None:
            return
        removed = reconcile.removed_before(self.prepared, "w", "before.") if action is not Action.DELETE else None
        where = f"{_is_delete('w')} AND NOT ({removed or 'FALSE'})"
        before, after = self._removal_members(action, "w", "before.")
        self.workspace.run(
            f"""
            INSERT INTO plan
            SELECT {literal(action.value)}, w."!id", {self._key("w")}, w.row_no, {before}, {after}, NULL, NULL
            FROM pairs w WHERE {where} ORDER BY w.row_no
            """,
        )

    # ---- new records

    def _fresh(self) -> str:
        """SQL over `wanted w`: a record without a row, which is created. What must not be created is set aside."""
        fresh = "w.row_no IN (SELECT row_no FROM fresh)"
        if self._mapping.action is not None:
            self.rejections.reject(
                f"{fresh} AND w.\"!action\" = 'UPDATE'",
                RejectType.UNKNOWN_ID,
                self._mapping.action.name,
                f"the action is UPDATE, but {self.table} has no row with this key",
            )
            fresh += f" AND NOT {_is_delete('w')}"
        if self._mapping.id_target is not None and not self.rules.id_column_insert:
            reason = f"{self.table} has no row with this id, and id_column_insert is false"
            self.rejections.reject(fresh, RejectType.UNKNOWN_ID, self._mapping.id_column, reason)
        if not self.rules.insert:
            self.rejections.fate(f"SELECT row_no FROM wanted w WHERE w.ok AND {fresh}", "ignored")
            return "FALSE"
        self._refuse_missing_ids(fresh)
        return f"({fresh})"

    def _defer(self, fresh: str, id_sql: str, moment: Moment | None) -> None:
        """Find the new rows that deferred links wait for, before any change is planned."""
        matched = (
            f"w.row_no IN (SELECT row_no FROM pairs) AND NOT {self._is_deleted()}" if self.rules.update else "FALSE"
        )
        deferral = Deferral(self.workspace, self._mapping, self.rejections, self.table)
        deferral.resolve(created=fresh, written=f"({fresh} OR {matched})", id_sql=id_sql, moment=moment)

    def _is_deleted(self) -> str:
        return _is_delete("w") if self._mapping.action is not None else "FALSE"

    def _creates(self, fresh: str, id_sql: str, moment: Moment | None) -> None:
        body, later = self._create_members()
        links = link_members(self._mapping, self.table)
        self.workspace.run(
            f"""
            INSERT INTO plan
            SELECT 'create', {id_sql}, {self._key("w")}, w.row_no, NULL, {_object(body)}, {_object_or_null(later)},
                   {_object_or_null(links)}
            FROM wanted w LEFT JOIN deferred d ON d.row_no = w.row_no WHERE w.ok AND {fresh} ORDER BY w.row_no
            """,
            moment,
        )

    def _refuse_missing_ids(self, fresh: str) -> None:
        target = self._mapping.id_target
        if target is not None:
            empty = f"{fresh} AND w.{identifier(target.name)} IS NULL"
            self.rejections.reject(empty, RejectType.MISSING_KEY, target.name, "a new row needs its id from the source")

    def _create_members(self) -> tuple[str, str]:
        body, later = [], []
        state = next((t for t in self._mapping.targets if t.form.column.kind is ColumnKind.STATE), None)
        for target in self._mapping.targets:
            if target.name == self._mapping.id_column:
                continue
            second = _second_step(target, state)
            body.append(_new_member(target, f"NOT ({second})" if second else "TRUE"))
            if second:
                later.append(_new_member(target, second))
        return " || ".join(body) or "''", " || ".join(later) or "''"

    # ---- matched records

    def _updates(self) -> None:
        after, before = reconcile.changed_members(self._mapping), reconcile.former_members(self._mapping)
        gone = reconcile.removed_before(self.prepared, "w", "before.") or "FALSE"
        revive_after, revive_before = self._revive_members()
        allowed = f"try({{'v': {self.rules.when}}})" if self.rules.when else "{'v': TRUE}"
        links, former = link_members(self._mapping, self.table), former_links(self._mapping)
        self.workspace.run(
            f"""
            CREATE OR REPLACE TABLE diffs AS
            SELECT w.row_no, w."!id" AS id, {self._key("w")} AS key, {gone} AS gone, {allowed} AS allowed,
                   {after} AS after, {before} AS before,
                   {links} AS links, {former} AS former,
                   {revive_after} AS revive_after, {revive_before} AS revive_before
            FROM pairs w LEFT JOIN deferred d ON d.row_no = w.row_no WHERE w.ok AND NOT {self._is_deleted()}
            """,
            self.rules.parameters,
        )
        self._refuse_failed_conditions()
        self._ignored_pairs()
        self.workspace.run(
            f"""
            INSERT INTO plan
            SELECT CASE WHEN gone THEN 'revive' ELSE 'update' END, id, key, row_no,
                   {_object("(CASE WHEN gone THEN revive_before ELSE '' END) || before || former")},
                   {_object("(CASE WHEN gone THEN revive_after ELSE '' END) || after")}, NULL,
                   {_object_or_null("links")}
            FROM diffs WHERE {self._writes()} ORDER BY row_no
            """
        )

    def _writes(self) -> str:
        """SQL over `diffs`: this pair is written."""
        changed = f"NOT gone AND {DIFFERS} AND allowed.v" if self.rules.update else "FALSE"
        return f"coalesce(({changed}) OR {'gone' if self.rules.revive else 'FALSE'}, FALSE)"

    def _ignored_pairs(self) -> None:
        self.rejections.fate(f"SELECT row_no FROM diffs WHERE NOT {self._writes()} AND (gone OR {DIFFERS})", "ignored")

    def _refuse_failed_conditions(self) -> None:
        if self.rules.when is None:
            return
        failed = f"SELECT row_no, 1 AS times FROM diffs WHERE allowed IS NULL AND {DIFFERS} AND NOT gone"
        reason = literal("the condition of `changed` cannot be computed for this record")
        self.rejections.reject_rows(failed, RejectType.EXPRESSION, "changed", reason)
        self.workspace.run("DELETE FROM diffs WHERE row_no IN (SELECT row_no FROM refused)")

    def _revive_members(self) -> tuple[str, str]:
        removal = self.prepared.removal
        if removal.action is Action.EXPIRE and removal.expire:
            return self._pair_of(removal.expire, "NULL")
        if removal.action is Action.DEACTIVATE and removal.state and removal.status and removal.active:
            state, old_state = self._pair_of(removal.state, "0")
            status, old_status = self._pair_of(removal.status, str(removal.active.value))
            return f"{state} || {status}", f"{old_state} || {old_status}"
        return "''", "''"

    def _pair_of(self, form: Form, value: str) -> tuple[str, str]:
        old = f"w.{identifier('before.' + form.name)}"
        return f"',' || {wire_member(form, f'{value}::{form.sql_type}')}", f"',' || {read_member(form, old)}"

    # ---- dropped rows

    def _removals(self) -> None:
        action = self.prepared.removal.action
        if action is None:
            return
        before, after = self._removal_members(action, "p", "")
        self.workspace.run(
            f"""
            INSERT INTO plan
            SELECT {literal(action.value)}, d.id, d.key, NULL, {before}, {after}, NULL, NULL
            FROM dropped d JOIN present p ON p.id = d.id WHERE NOT d.kept ORDER BY d.id
            """
        )

    def _removal_members(self, action: Action, alias: str, prefix: str) -> tuple[str, str]:
        removal = self.prepared.removal
        now = literal(self.now.strftime("%Y-%m-%d %H:%M:%S"))
        new: list[tuple[Form, str]] = []
        if action is Action.EXPIRE and removal.expire:
            new = [(removal.expire, f"TIMESTAMP {now}::{removal.expire.sql_type}")]
        if action is Action.DEACTIVATE and removal.state and removal.status and removal.inactive:
            state = removal.inactive.state if removal.inactive.state is not None else 1
            new = [(removal.state, str(state)), (removal.status, str(removal.inactive.value))]
        if not new:
            return "NULL", "NULL"
        before = " || ',' || ".join(read_member(form, f"{alias}.{identifier(prefix + form.name)}") for form, _ in new)
        after = " || ',' || ".join(wire_member(form, value) for form, value in new)
        return f"'{{' || {before} || '}}'", f"'{{' || {after} || '}}'"

    def _key(self, alias: str) -> str:
        return key_display(self._mapping.key_forms, alias)

    @property
    def _mapping(self) -> Composed:
        return self.prepared.mapping


def _is_delete(alias: str) -> str:
    return f"coalesce({alias}.\"!action\" = 'DELETE', FALSE)"


def _object(members: str) -> str:
    """SQL of a JSON object from members that each begin with a comma."""
    return f"'{{' || substr({members}, 2) || '}}'"


def _object_or_null(members: str) -> str:
    return f"CASE WHEN ({members}) = '' THEN NULL ELSE {_object(members)} END"


def _new_member(target: Target, condition: str) -> str:
    value = f"w.{identifier(target.name)}"
    tests = [condition]
    if target.may_be_absent:
        tests.append(f"NOT w.{identifier(target.name + '?')}")
    if target.form.column.is_lookup:
        tests.append(f"{value} IS NOT NULL")
    return f"CASE WHEN {' AND '.join(tests)} THEN ',' || {reconcile.member(target)} ELSE '' END"


def _second_step(target: Target, state: Target | None) -> str | None:
    """SQL: this cell cannot be written while the row is created. A row is born active; its state is set afterwards.

    `state` is the mapped state, when there is one: a status reason goes along with an inactive state.
    """
    value = f"w.{identifier(target.name)}"
    kind = target.form.column.kind
    if kind is ColumnKind.STATE:
        return f"coalesce({value} <> 0, FALSE)"
    if kind is ColumnKind.STATUS:
        inactive = [str(option.value) for option in target.form.column.options if option.state not in (0, None)]
        tests = [f"{value} IN ({', '.join(inactive)})"] if inactive else []
        tests += [f"w.{identifier(state.name)} <> 0"] if state else []
        return " OR ".join(f"coalesce({test}, FALSE)" for test in tests) or None
    if not target.form.column.creatable:
        return f"{value} IS NOT NULL"
    return None


def create_id(prepared: Prepared, *, environment: str, table: str, job: str, sequence_start: int | None) -> str:
    """SQL over `wanted w` of a new row's id; see `identity`."""
    target = prepared.mapping.id_target
    if target is not None:
        return f"w.{identifier(target.name)}"
    return new_id(prepared.mapping, environment=environment, table=table, job=job, sequence_start=sequence_start)
