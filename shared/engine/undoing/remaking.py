"""The reverse of a delete: the row is made again under its id, from the values that the plan kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from shared.canonical import Form, form_of
from shared.engine.canonical_rows import CanonicalRows
from shared.engine.plan import Manifest, PlannedColumn, PlanRow
from shared.engine.readback import BACKDATED
from shared.engine.undoing.originals import Original
from shared.engine.undoing.reverting import Kept
from shared.engine.undoing.wire import GoneError, Referents, Values, member
from shared.values.changes import Action
from shared.values.tables import Column, ColumnKind, Table

_NOT_SENT = frozenset({"processid", "stageid", "traversedpath", BACKDATED})
"""A business process that ended with its row, and the moment of its create, which as a rule nobody may write.
Source: Microsoft Learn, "Work with business process flows" (2025)."""
_WITH_DEFAULTS = frozenset({ColumnKind.BOOLEAN, ColumnKind.CHOICE, ColumnKind.CHOICES})
"""Left out of a create, such a column gets its default. Source: Microsoft Learn, "Choice columns" (2025)."""
UNKNOWN = "the plan holds no values of the row, so it cannot be made again"
LOST_LINK = "the row that it pointed at is gone; the row is made again without the link"


def remade_columns(table: Table) -> list[Column]:
    """The columns that a row which is made again gets: all that can be read and written."""
    return [
        column
        for column in table.columns.values()
        if column.readable
        and (column.creatable or column.updatable)
        and column.name != table.id_column
        and column.name not in _NOT_SENT
    ]


def forms(table: Table, manifest: Manifest) -> list[Form]:
    """Their canonical forms; money at the scale that the plan had for it."""
    scales = {column.name: column.scale for column in manifest.columns}
    return [form_of(column, money_scale=scales.get(column.name)) for column in remade_columns(table)]


def planned(form: Form) -> PlannedColumn:
    """A column as a manifest describes it."""
    column = form.column
    navigations = tuple(target.navigation for target in column.targets)
    options = tuple((option.value, option.label) for option in column.options)
    kind = column.kind.value
    return PlannedColumn(form.name, column.read_name, column.label, form.scale, navigations, options, kind)


@dataclass(frozen=True, slots=True)
class Remaker:
    """Makes deleted rows again. `rows` brings stored rows to canonical form."""

    table: Table
    rows: CanonicalRows
    referents: Referents

    def stored(self, originals: list[Original]) -> Iterator[tuple[Original, Values | Kept]]:
        """Each deleted row's values by read name; or why it cannot be made again."""
        kept = [orjson.loads(original.row.before) for original in originals if original.row.before]
        values = self.rows.of(kept)
        self.referents.look_up(values.values(), all_of_them=True)
        for original in originals:
            yield original, values.get(original.row.id) or Kept(original, UNKNOWN)

    def remade(self, original: Original, values: Values) -> tuple[PlanRow, list[Kept]]:
        """The create, and the links that are lost."""
        body: dict[str, object] = {}
        later: dict[str, object] = {}
        links: dict[str, object] = {}
        lost = []
        for column in remade_columns(self.table):
            value = values.get(column.read_name)
            if value is None and column.kind in _WITH_DEFAULTS and column.creatable:
                body[column.name] = None
            if value is None or (column.kind is ColumnKind.STATE and value == 0):
                continue
            try:
                name, wire = member(column, value, self.referents)
            except GoneError:
                lost.append(Kept(original, LOST_LINK, column.name))
                continue
            part = links if column.is_lookup and value in self.referents.coming else body
            part = later if _comes_later(column, values) else part
            part[name] = wire
        return self._row(original, body, later, links), lost

    def _row(self, original: Original, body: Values, later: Values, links: Values) -> PlanRow:
        return PlanRow(
            change=0,
            action=Action.CREATE,
            id=original.row.id,
            key=original.row.key,
            row_no=original.row.change,
            before=None,
            after=_text(body) or "{}",
            later=_text(later),
            deferred=_text(links),
        )


def _comes_later(column: Column, values: Values) -> bool:
    """A row is born active, with what may be written at its birth; the rest follows."""
    inactive = bool(values.get("statecode"))
    return not column.creatable or (inactive and column.kind in (ColumnKind.STATE, ColumnKind.STATUS))


def _text(members: Mapping[str, object]) -> str | None:
    return orjson.dumps(dict(members)).decode() if members else None
