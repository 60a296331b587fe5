"""Reads planned rows again, in the form in which the plan holds them, and says how they compare with the plan.

Used where a chunk is in doubt (sent, but not answered), where a person approved the plan some time ago, and where a
create meets a row that exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import orjson

from shared.canonical import Form, form_of, key_text
from shared.dataverse.client import DataverseClient
from shared.engine.canonical_rows import CanonicalRows, Values
from shared.engine.plan import Manifest, PlanRow
from shared.engine.same_key import SEPARATOR
from shared.values.changes import Action
from shared.values.tables import ColumnKind, Table

ETAG = "@odata.etag"
"""The member of a stored row that tells its version; in a plan's `before`, the whole row has to be as it was."""
_CURRENCY = "_transactioncurrencyid_value"
BACKDATED = "overriddencreatedon"
"""Sent with a create, its value becomes `createdon`, and it holds the moment of the create itself from then on.
Source: Microsoft Learn, "Set values for special columns" (2025)."""


@dataclass(frozen=True, slots=True)
class Present:
    """A row as it stands now: canonical values by read name, and its ETag."""

    values: Values
    etag: str | None


class Planned(Protocol):
    """Planned changes that rows are held against: a stored plan, or those of a moment."""

    @property
    def manifest(self) -> Manifest:
        """What the changes mean."""

    def sent_values(self, row: PlanRow) -> dict[str, object]:
        """What a change writes at first, by read name."""


class ReadBack:
    """Reads the rows of one plan's table; for several threads at once. `folder` takes small spool files."""

    def __init__(self, client: DataverseClient, table: Table, plan: Planned, folder: Path) -> None:
        self._client = client
        self._table = table
        self._plan = plan
        self._forms = [_form(table, plan.manifest, name) for name in self._readable(plan.manifest)]
        self._canonical = CanonicalRows(table.id_column, self._forms, folder)

    def close(self) -> None:
        """Close the small database that brings values into canonical form."""
        self._canonical.close()

    def _readable(self, manifest: Manifest) -> list[str]:
        known = self._table.columns
        return [column.name for column in manifest.columns if known[column.name].readable]

    def rows(self, ids: Iterable[str]) -> dict[str, Present]:
        """The planned columns of the rows that exist, by id."""
        found = self._client.rows_by_id(self._table, ids, [form.name for form in self._forms])
        canonical = self.canonical(list(found.values()))
        return {row_id: Present(values, etag_of(found[row_id])) for row_id, values in canonical.items()}

    def canonical(self, rows: Sequence[Values]) -> dict[str, Values]:
        """The planned columns of rows as Dataverse gives them, in the form in which the plan holds them, by id."""
        return self._canonical.of(rows)

    def whole(self, ids: Iterable[str]) -> dict[str, Present]:
        """Every readable column of the rows that exist, as Dataverse gives them, by id."""
        found = self._client.rows_by_id(self._table, ids, readable_columns(self._table))
        return {row_id: Present(without_annotations(row), etag_of(row)) for row_id, row in found.items()}

    def taken(self, rows: Sequence[PlanRow]) -> set[int]:
        """The creates among `rows` whose sync key some row has by now, by change number."""
        names = self._plan.manifest.key
        columns = [self._table.columns[name] for name in names]
        keys = {row.change: self._key(row) for row in rows}
        complete = [key for key in keys.values() if None not in key]
        present = {
            self._comparable(tuple(found.get(column.read_name) for column in columns))
            for found_rows in self._client.rows_by_key(self._table, names, complete, names)
            for found in found_rows
        }
        return {change for change, key in keys.items() if self._comparable(key) in present}

    def same_key(self, row: PlanRow, present: Present) -> bool:
        """Whether the row that stands there has the planned change's key."""
        names = [self._table.columns[name].read_name for name in self._plan.manifest.key]
        return self._comparable(self._key(row)) == self._comparable([present.values.get(name) for name in names])

    def has_other_key(self, row: PlanRow, present: Present) -> bool:
        """Whether the row has another key by now than the plan saw. Only texts are held against the plan's."""
        columns = [self._table.columns[name] for name in self._plan.manifest.key]
        parts = row.key.split(SEPARATOR) if len(columns) > 1 else [row.key]
        texts = [
            (part, present.values[column.read_name] or "")
            for column, part in zip(columns, parts, strict=False)
            if column.kind is ColumnKind.TEXT and column.read_name in present.values
        ]
        return len(parts) == len(columns) and self._comparable([a for a, _ in texts]) != self._comparable(
            [b for _, b in texts]
        )

    def _key(self, row: PlanRow) -> tuple[object, ...]:
        """The sync key of a planned create, by read names; an id stands beside the members that are sent."""
        values = self._plan.sent_values(row) | {self._table.id_column: row.id}
        return tuple(values.get(self._table.columns[name].read_name) for name in self._plan.manifest.key)

    def _comparable(self, key: Sequence[object]) -> tuple[str, ...]:
        accent_sensitive = self._plan.manifest.accent_sensitive
        return tuple(key_text(_plain(part), accent_sensitive=accent_sensitive) for part in key)


def _plain(part: object) -> str:
    """A key's part as text; a number without the zeros at its end that say how many places a decimal has."""
    if isinstance(part, int | float) and not isinstance(part, bool):
        return f"{Decimal(str(part)).normalize() + 0:f}"  # zero has no sign
    return str(part)


def readable_columns(table: Table) -> list[str]:
    """Every readable column but the id, which is always read."""
    return [column.name for column in table.columns.values() if column.readable and column.name != table.id_column]


def without_annotations(row: Values) -> dict[str, object]:
    """A row as Dataverse gives it, without its annotations."""
    return {name: value for name, value in row.items() if "@" not in name}


def etag_of(row: Values) -> str | None:
    """The version of a row as Dataverse gives it."""
    etag = row.get(ETAG)
    return etag if isinstance(etag, str) else None


def _form(table: Table, manifest: Manifest, name: str) -> Form:
    scale = next(column.scale for column in manifest.columns if column.name == name)
    return form_of(table.columns[name], money_scale=scale)


def stands_as_before(row: PlanRow, now: Present) -> bool:
    """Whether the planned columns hold what the plan saw; where it saw the ETag, whether nothing of the row changed."""
    before = orjson.loads(row.before) if row.before else {}
    etag = before.pop(ETAG, now.etag)
    return bool(etag == now.etag) and all(now.values.get(name) == value for name, value in before.items())


def stands_as_after(plan: Planned, row: PlanRow, values: Values) -> bool:
    """Whether the planned columns already hold what the plan writes.

    A currency that the plan takes away may be there: the service puts one in its place. A time of creation that was
    sent stands in another column by then.
    """
    return row.action is not Action.DELETE and all(
        values.get(name) == value or (name == _CURRENCY and value is None)
        for name, value in plan.sent_values(row).items()
        if name in values and name != BACKDATED
    )
