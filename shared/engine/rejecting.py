"""Sets records aside, each with its reason, key and row number, in the job's table `rejects`."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence

from shared.columns import TypedSource
from shared.engine.workspace import Workspace
from shared.mapping.compose import Mapping, Target, action_is_known, flaws_query, key_display
from shared.ports import MalformedRow
from shared.sql import identifier, literal
from shared.values.records import RejectType

Staged = MappingOf[str, str]
FOUND_LENGTH = 200
"""Characters of a refused value that are kept."""

_TABLE = """
    CREATE OR REPLACE TABLE rejects (
        row_no BIGINT, key VARCHAR, type VARCHAR, "column" VARCHAR, found VARCHAR, reason VARCHAR,
        code VARCHAR, request_id VARCHAR, rejecting BOOLEAN
    )
"""
_FATES = "CREATE OR REPLACE TABLE fates (row_no BIGINT, bucket VARCHAR)"


def flagged(told: str) -> str:
    """The staged records with a problem of the schema's, as a relation over `told` (see `Rejections`)."""
    return f'(SELECT * FROM {told} WHERE row_no IN (SELECT row_no FROM wanted WHERE "!rejected" OR "!reported"))'


def unsound(told: str) -> str:
    """The staged records that are not ok, as a relation over `told`."""
    return f"(SELECT * FROM {told} WHERE row_no IN (SELECT row_no FROM wanted WHERE NOT ok))"


class Rejections:
    """The reject table of one job, and the fates of records that are neither written nor unchanged.

    `told` is the relation that holds the records of `wanted` as the source told them; `staged` gives each source
    column's name in it; calculated ones are not there.
    """

    def __init__(self, workspace: Workspace, mapping: Mapping, staged: Staged, *, told: str = "source") -> None:
        self._workspace = workspace
        self._staged = staged
        self._told = told
        self._key = key_display(mapping.key_forms, "w")
        self._mapping = mapping
        workspace.run(_TABLE)
        workspace.run(_FATES)

    def malformed(self, rows: Sequence[MalformedRow]) -> None:
        """Records that could not be split into cells."""
        if rows:
            texts = [
                (row.row, None, RejectType.MALFORMED_ROW.value, None, row.text[:FOUND_LENGTH], row.reason)
                for row in rows
            ]
            self._workspace.append("rejects", [(*text, None, None, True) for text in texts])

    def by_schema(self, source: TypedSource) -> None:
        """Records that break the schema's rules, or are only reported by them.

        `source` is composed over `flagged`, so that only those records are looked at again.
        """
        self._workspace.run(
            f"""
            INSERT INTO rejects
            SELECT problem.row_no, {self._key}, problem.type, problem."column", problem.found, problem.reason,
                   NULL, NULL, problem.rejecting
            FROM ({source.problems}) problem LEFT JOIN wanted w ON w.row_no = problem.row_no
            ORDER BY problem.row_no
            """,
            source.parameters,
        )

    def by_mapping(self, source: TypedSource) -> None:
        """Records with a flawed cell; `source` is composed over `unsound`."""
        self._workspace.run(f"CREATE OR REPLACE TABLE flaws AS {flaws_query(self._mapping, source)}", source.parameters)
        for target in self._mapping.targets:
            if target.flaws:
                self._flawed(target)

    def by_key_and_action(self) -> None:
        """Records with an unknown action, or without a key."""
        if self._mapping.action:
            unknown = f"NOT coalesce({action_is_known('w')}, FALSE)"
            reason = "the action is INSERT, UPDATE or DELETE"
            self._unexplained(unknown, RejectType.UNKNOWN_ACTION, self._mapping.action.name, reason)
        key = ", ".join(self._mapping.key)
        self._unexplained("w.kh IS NULL", RejectType.MISSING_KEY, key, "the sync key has no value")

    def _unexplained(self, condition: str, type_: RejectType, column: str, reason: str) -> None:
        """Name the reason of records that are not ok for none of the reasons found so far."""
        unexplained = "w.row_no NOT IN (SELECT row_no FROM rejects WHERE rejecting AND row_no IS NOT NULL)"
        self._insert(f"NOT w.ok AND {condition} AND {unexplained}", type_, column, reason)

    def _flawed(self, target: Target) -> None:
        number = f"f.{identifier(target.name + '!')}"
        types = " ".join(f"WHEN {n} THEN {literal(flaw.type.value)}" for n, flaw in enumerate(target.flaws, start=1))
        reasons = " ".join(f"WHEN {n} THEN {literal(flaw.reason)}" for n, flaw in enumerate(target.flaws, start=1))
        found = self._found(target)
        self._workspace.run(f"""
            INSERT INTO rejects
            SELECT w.row_no, {self._key}, CASE {number} {types} END, {literal(target.name)},
                   {found}, CASE {number} {reasons} END, NULL, NULL, TRUE
            FROM flaws f JOIN wanted w ON w.row_no = f.row_no JOIN {self._told} s ON s.row_no = f.row_no
            WHERE {number} > 0 ORDER BY w.row_no
        """)

    def _found(self, target: Target) -> str:
        names = [self._staged[source.name] for source in target.sources if source.name in self._staged]
        texts = [f"s.{identifier(name)}::VARCHAR" for name in names]
        return f"left(concat_ws(' | ', {', '.join(texts)}), {FOUND_LENGTH})" if texts else "NULL"

    def reject(self, condition: str, type_: RejectType, column: str | None, reason: str) -> int:
        """Set aside the good records for which `condition` (SQL over `wanted w`) holds; returns how many."""
        where = f"w.ok AND ({condition})"
        self._insert(where, type_, column, reason)
        return self._workspace.run(f"UPDATE wanted w SET ok = FALSE WHERE {where}")

    def report(self, where: str, type_: RejectType, target: Target, reason: str) -> None:
        """Tell of the records for which `where` (SQL over `wanted w`) holds, without setting them aside."""
        self._workspace.run(f"""
            INSERT INTO rejects
            SELECT w.row_no, {self._key}, {literal(type_.value)}, {literal(target.name)}, {self._found(target)},
                   {literal(reason)}, NULL, NULL, FALSE
            FROM wanted w JOIN {self._told} s ON s.row_no = w.row_no WHERE {where} ORDER BY w.row_no
        """)

    def reject_rows(self, rows: str, type_: RejectType, column: str | None, reason_sql: str) -> None:
        """Set aside the records that the query `rows` (row_no, times) names; `reason_sql` may use `r.times`."""
        self._workspace.run(f"CREATE OR REPLACE TABLE refused AS {rows}")
        self._workspace.run(f"""
            INSERT INTO rejects
            SELECT w.row_no, {self._key}, {literal(type_.value)}, {literal(column)}, NULL, {reason_sql},
                   NULL, NULL, TRUE
            FROM wanted w JOIN refused r ON r.row_no = w.row_no ORDER BY w.row_no
        """)
        self._workspace.run("UPDATE wanted SET ok = FALSE WHERE row_no IN (SELECT row_no FROM refused)")

    def _insert(self, where: str, type_: RejectType, column: str | None, reason: str) -> None:
        self._workspace.run(f"""
            INSERT INTO rejects
            SELECT w.row_no, {self._key}, {literal(type_.value)}, {literal(column)}, NULL, {literal(reason)},
                   NULL, NULL, TRUE
            FROM wanted w WHERE {where} ORDER BY w.row_no
        """)

    def fate(self, rows: str, bucket: str) -> int:
        """Note the fate of the records that the query `rows` (row_no first) names."""
        return self._workspace.run(f"INSERT INTO fates SELECT row_no, {literal(bucket)} FROM ({rows})")


SOURCE_LENGTH = 20_000
"""Characters of a rejected record that are kept as its source told it."""


def tell_records(workspace: Workspace, relation: str) -> None:
    """Fill `told`: the rejects, each with its record as the source told it (JSON, or the text that was no record).

    `relation` holds the records that were rejected.
    """
    if not workspace.value("SELECT count(*) FROM rejects"):
        workspace.run("CREATE OR REPLACE TABLE told AS SELECT *, NULL::VARCHAR AS source FROM rejects")
        return
    names = [identifier(name) for name in workspace.columns(relation) if name != "row_no"]
    cells = f"to_json(struct_pack({', '.join(f'{name} := {name}' for name in names)}))::VARCHAR"
    torn = f"r.type = {literal(RejectType.MALFORMED_ROW.value)}"
    workspace.run(f"""
        CREATE OR REPLACE TABLE told AS
        SELECT r.*, CASE WHEN {torn} THEN r.found ELSE t.source END AS source
        FROM rejects r LEFT JOIN (
            SELECT row_no, left({cells}, {SOURCE_LENGTH}) AS source
            FROM {relation} WHERE row_no IN (SELECT row_no FROM rejects)
        ) t ON t.row_no = r.row_no
    """)
