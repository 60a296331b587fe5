"""Links that the job's deletes cleared on rows that its own plan names, and that it did not delete or change itself.

A delete of a row clears the lookups that point at it. Where the job was stopped half-way, or a change was refused,
a row with such a lookup still stands, and the plan holds what it pointed at.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import orjson

from shared.dataverse.client import DataverseClient
from shared.engine.plan import PlanRow
from shared.engine.undoing.originals import Original
from shared.engine.undoing.remaking import remade_columns
from shared.engine.undoing.wire import Referents, Values, member
from shared.values.changes import Action
from shared.values.tables import Column, Table


@dataclass(frozen=True, slots=True)
class Relinker:
    """Puts cleared links back. `deleted`: ids of the rows that the job deleted and that are there again, or will be."""

    client: DataverseClient
    table: Table
    referents: Referents
    deleted: Set[str]

    def relinked(self, originals: list[Original]) -> Iterator[tuple[Original, PlanRow]]:
        """The changes whose rows stand with a cleared link, each with what sets it again."""
        pointed = {original: links for original in originals if (links := self._links(original))}
        names = [column.name for column in self._lookups()]
        found = self.client.rows_by_id(self.table, [one.id for one in pointed], names) if pointed else {}
        cleared = {
            one: {name: row_id for name, row_id in links.items() if found[one.id].get(name) is None}
            for one, links in pointed.items()
            if one.id in found
        }
        self.referents.look_up(cleared.values(), all_of_them=False)
        return ((one, self._row(one, links)) for one, links in cleared.items() if links)

    def _lookups(self) -> list[Column]:
        return [column for column in remade_columns(self.table) if column.is_lookup and column.updatable]

    def _links(self, original: Original) -> dict[str, object]:
        """What the row's lookups pointed at before the job, where the job deleted that."""
        before = orjson.loads(original.row.before or "{}")
        links = {column.read_name: before.get(column.read_name) for column in self._lookups()}
        return {name: row_id for name, row_id in links.items() if row_id in self.deleted}

    def _row(self, original: Original, links: Values) -> PlanRow:
        columns = {column.read_name: column for column in self._lookups()}
        members = dict(member(columns[name], row_id, self.referents) for name, row_id in links.items())
        return PlanRow(
            change=0,
            action=Action.UPDATE,
            id=original.id,
            key=original.row.key,
            row_no=original.row.change,
            before=orjson.dumps(dict.fromkeys(links)).decode(),
            after=orjson.dumps(members).decode(),
            later=None,
        )
