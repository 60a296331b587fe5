"""Values as a plan holds them, as members of a request again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.dataverse.relations import Relations
from shared.values.tables import Column, LookupTarget, Table

Values = Mapping[str, object]


class GoneError(Exception):
    """The row that a lookup pointed at is not there any more; holds the column's name."""


@dataclass(slots=True)
class Referents:
    """Which table's row each id of a lookup is. `coming` are rows of the table itself that are to be made again."""

    relations: Relations
    table: Table
    coming: set[str] = field(default_factory=set)
    _found: dict[tuple[str, str], LookupTarget | None] = field(default_factory=dict)

    def look_up(self, rows: Iterable[Values], *, all_of_them: bool) -> None:
        """Ask for the rows that lookups of `rows` (values by read name) name.

        Without `all_of_them` only where the lookup may point at several tables.
        """
        wanted: dict[str, dict[str, None]] = {}
        for values in rows:
            for column in self._lookups(values, all_of_them=all_of_them):
                row_id = str(values[column.read_name])
                if (column.name, row_id) not in self._found:
                    wanted.setdefault(column.name, {})[row_id] = None
        for name, ids in wanted.items():
            self._ask(self.table.columns[name], list(ids))

    def _lookups(self, values: Values, *, all_of_them: bool) -> list[Column]:
        lookups = [
            column for column in self.table.columns.values() if column.is_lookup and values.get(column.read_name)
        ]
        return [column for column in lookups if all_of_them or len(column.targets) > 1]

    def _ask(self, column: Column, ids: list[str]) -> None:
        left = set(ids)
        for target in column.targets:
            found = self.relations.present(target.entity, sorted(left)) if left else set()
            found |= self.coming & left if target.entity == self.table.name else set()
            self._found |= dict.fromkeys(((column.name, row_id) for row_id in found), target)
            left -= found
        self._found |= dict.fromkeys((column.name, row_id) for row_id in left)

    def target(self, column: Column, row_id: str) -> LookupTarget:
        """The table that the lookup's row is in.

        Raises:
            GoneError: the row is not there any more.
        """
        target = self._found.get((column.name, row_id), column.targets[0])
        if target is None:
            raise GoneError(column.name)
        return target


def member(column: Column, value: object, referents: Referents) -> tuple[str, object]:
    """One value as a member of a request.

    Raises:
        GoneError: it is a lookup whose row is not there any more.
    """
    if not column.is_lookup:
        return column.name, value
    if value is None:
        return f"{column.targets[0].navigation}@odata.bind", None
    target = referents.target(column, str(value))
    return f"{target.navigation}@odata.bind", f"/{target.entity_set}({value})"
