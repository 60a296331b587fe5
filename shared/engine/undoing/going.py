"""Created rows that are to go: which must stay because rows refer to them, and in which order the others go.

    going     id UUID, key, change BIGINT (of the undone job), before VARCHAR, wave INTEGER
    unlinked  child UUID, "column": lookups within the table that the undo itself takes back
    below     relationship, "column", own BOOLEAN, child UUID, parent UUID: rows that refer to those in `going`
    staying   id UUID, reason: those of `going` that are left alone

A row goes before the row that it refers to, and one that stays keeps the rows that it refers to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

import orjson

from shared.dataverse.relations import Relations, Relationship
from shared.engine.plan import PlanRow
from shared.engine.workspace import Row, Workspace
from shared.errors import DestinationError
from shared.values.changes import Action, Outcome, OutcomeStatus
from shared.values.tables import Table

_TABLES = (
    "CREATE OR REPLACE TABLE going (id UUID, key VARCHAR, change BIGINT, before VARCHAR, wave INTEGER)",
    'CREATE OR REPLACE TABLE unlinked (child UUID, "column" VARCHAR)',
    'CREATE OR REPLACE TABLE below (relationship VARCHAR, "column" VARCHAR, own BOOLEAN, child UUID, parent UUID)',
)
_AT_A_TIME = 1000
_SIDE_BY_SIDE = 8
"""Relationships that are asked at the same time."""

_NEXT_TO_STAY = """
    INSERT INTO stay SELECT DISTINCT parent FROM below b
    WHERE parent NOT IN (SELECT id FROM stay)
      AND (NOT own OR child NOT IN (SELECT id FROM going) OR child IN (SELECT id FROM stay))
      AND child <> parent
"""
_STAYING = """
    CREATE OR REPLACE TABLE staying AS
    SELECT parent AS id, string_agg(rows || ' of ' || relationship, ', ' ORDER BY relationship) AS reason
    FROM (
        SELECT parent, relationship, count(DISTINCT child) AS rows FROM below
        WHERE child <> parent AND (NOT own OR child NOT IN (SELECT id FROM going) OR child IN (SELECT id FROM stay))
        GROUP BY parent, relationship
    ) GROUP BY parent
"""
_NEXT_WAVE = """
    UPDATE going SET wave = $wave WHERE wave IS NULL AND id NOT IN (
        SELECT b.parent FROM below b JOIN going g ON g.id = b.child
        WHERE g.wave IS NULL AND b.own AND b.child <> b.parent
    )
"""
_DELETES = """
    INSERT INTO plan SELECT 'delete', id, key, NULL, before, NULL, NULL, NULL FROM going
    WHERE wave >= 0 ORDER BY wave, change
"""
_UPDATES = """
    INSERT INTO plan SELECT $action, id, key, NULL, before, $after, NULL, NULL FROM going
    WHERE wave >= 0 ORDER BY change
"""


def describe(counts: str) -> str:
    """Why a row stays that others refer to."""
    return f"other rows refer to it ({counts}); it is left alone"


@dataclass(frozen=True, slots=True)
class Below:
    """Looks for the rows that refer to rows of one table. `unseen` names tables that cannot be read.

    `together`: ids of created rows that one plan deactivates, so that they refer to each other in the end, too.
    """

    relations: Relations
    relationships: tuple[Relationship, ...]
    unseen: dict[str, Relationship]
    together: frozenset[str] = frozenset()

    @classmethod
    def of(cls, relations: Relations, table: Table, together: frozenset[str] = frozenset()) -> Below:
        """All that may refer to a table's rows."""
        return cls(relations, relations.below(table.name), {}, together)

    def referring(self, ids: Sequence[str]) -> Iterator[tuple[Relationship, str, str]]:
        """Relationship, child and parent of every row that refers to one of the ids.

        Raises:
            DestinationError: a table cannot be read whose rows a delete would take along.
        """
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="dynsync-below") as pool:
            for relationship, pairs in zip(
                self.relationships, pool.map(lambda one: self._pairs(one, ids), self.relationships), strict=True
            ):
                for child, parent in pairs:
                    yield relationship, child, parent

    def _pairs(self, relationship: Relationship, ids: Sequence[str]) -> list[tuple[str, str]]:
        if str(relationship) in self.unseen:
            return []
        try:
            return list(self.relations.referring(relationship, ids))
        except DestinationError as error:
            if relationship.on_delete == "Cascade":
                found = f"nobody can tell whether rows of {relationship.entity} refer to rows that would be deleted"
                remedy = f"give the application user the right to read {relationship.entity}"
                raise DestinationError(f"{found}: {error}", remedy=remedy) from error
            self.unseen[str(relationship)] = relationship
            return []

    def guard(self, rows: list[PlanRow]) -> dict[int, Outcome]:
        """The changes by which created rows go that must not be sent: another row refers to theirs by now."""
        going = {row.id: row for row in rows if row.action is Action.DELETE or row.id in self.together}
        found: dict[str, dict[str, int]] = {}
        for relationship, child, parent in self.referring(list(going)) if going else ():
            if child not in going and child not in self.together:
                counts = found.setdefault(parent, {})
                counts[str(relationship)] = counts.get(str(relationship), 0) + 1
        return {going[row_id].change: _conflict(going[row_id].change, counts) for row_id, counts in found.items()}


def _conflict(change: int, counts: dict[str, int]) -> Outcome:
    listed = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
    return Outcome(change, OutcomeStatus.CONFLICT, message=describe(listed))


@dataclass(frozen=True, slots=True)
class Going:
    """The rows of one undo that are to go."""

    workspace: Workspace
    table: Table

    def begin(self) -> None:
        """Make the empty tables."""
        for statement in _TABLES:
            self.workspace.run(statement)

    @property
    def total(self) -> int:
        """How many rows were added."""
        return self.workspace.value("SELECT count(*) FROM going")

    def add(self, rows: Sequence[Row]) -> None:
        """Rows of `going` without their wave."""
        self.workspace.append("going", [(*row, None) for row in rows])

    def unlink(self, pairs: Sequence[Row]) -> None:
        """Rows of `unlinked`."""
        self.workspace.append("unlinked", pairs)

    def batches(self) -> Iterator[list[str]]:
        """The ids of all rows, in order, a thousand at a time."""
        ids = [str(row_id) for (row_id,) in self.workspace.rows("SELECT id::VARCHAR FROM going ORDER BY change")]
        for start in range(0, len(ids), _AT_A_TIME):
            yield ids[start : start + _AT_A_TIME]

    def look(self, below: Below, ids: Sequence[str]) -> None:
        """Fill `below` for some rows."""
        rows = [(str(r), r.column, r.entity == self.table.name, c, parent) for r, c, parent in below.referring(ids)]
        self.workspace.append("below", rows)

    def settle(self) -> None:
        """Fill `staying`, and give the others their wave."""
        self.workspace.run(
            'DELETE FROM below WHERE own AND (child, "column") IN (SELECT (child, "column") FROM unlinked)'
        )
        self.workspace.run("CREATE OR REPLACE TABLE stay (id UUID)")
        while self.workspace.run(_NEXT_TO_STAY):
            pass
        self.workspace.run(_STAYING)
        self._order()

    def _order(self) -> None:
        self.workspace.run("UPDATE going SET wave = -1 WHERE id IN (SELECT id FROM staying)")
        wave = 0
        while self.workspace.run(_NEXT_WAVE, {"wave": wave}):
            wave += 1
        self.workspace.run("UPDATE going SET wave = $wave WHERE wave IS NULL", {"wave": wave})

    def left(self) -> list[Row]:
        """Change, key, column (none) and reason of the rows that stay."""
        rows = self.workspace.rows("SELECT change, key, reason FROM staying JOIN going USING (id) ORDER BY change")
        return [(change, key, None, describe(str(reason))) for change, key, reason in rows]

    def plan_deletes(self) -> tuple[int, ...]:
        """Append a delete for each row that goes; gives the numbers of the changes at which a new wave begins."""
        first = self.workspace.value("SELECT count(*) FROM plan") + 1
        self.workspace.run(_DELETES)
        sizes = self.workspace.rows("SELECT count(*) FROM going WHERE wave >= 0 GROUP BY wave ORDER BY wave")
        ends = accumulate(int(str(size)) for (size,) in sizes)
        return tuple(first + end for end in ends)[:-1]

    def plan_updates(self, action: Action, members: Mapping[str, object]) -> tuple[int, ...]:
        """Append an update for each row that goes: its state, instead of a delete; gives the number of the first.

        What the undo takes back of other rows is through by then: links to these rows among it.
        """
        first = self.workspace.value("SELECT count(*) FROM plan") + 1
        after = orjson.dumps(dict(members)).decode()
        self.workspace.run(_UPDATES, {"action": action.value, "after": after})
        return (first,)
