"""All tables by their names: logical, schema, set and display name."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.dataverse.metadata.json import Json, label, text
from shared.dataverse.reading import Reader
from shared.errors import UnknownTableError

_TABLES = "EntityDefinitions?$select=LogicalName,SchemaName,EntitySetName,DisplayName"


@dataclass(frozen=True, slots=True)
class TableName:
    """One table's names."""

    logical: str
    schema: str
    entity_set: str
    display: str


class Catalogue:
    """The names of all tables, read once when first asked for. Thread-safe."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._names: Sequence[TableName] | None = None

    def names(self) -> Sequence[TableName]:
        """All tables that can be addressed."""
        with self._lock:
            if self._names is None:
                rows = self._reader.all_rows(_TABLES)
                self._names = tuple(name for name in map(_table_name, rows) if name.logical and name.entity_set)
            return self._names

    def entity_sets(self) -> Mapping[str, str]:
        """Entity set names by logical name."""
        return {name.logical: name.entity_set for name in self.names()}

    def find(self, wanted: str) -> TableName:
        """The table of a logical, schema, set or (when only one has it) display name, in any case.

        Raises:
            UnknownTableError: there is none, or several have this display name; names are proposed.
        """
        key = wanted.strip().casefold()
        for names_of in (_technical, _displayed):
            found = [name for name in self.names() if key in names_of(name)]
            if len(found) == 1:
                return found[0]
            if found:
                raise _ambiguous(wanted, found)
        raise self._unknown(wanted)

    def _unknown(self, wanted: str) -> UnknownTableError:
        known = {text: name.logical for name in self.names() for text in (*_technical(name), *_displayed(name))}
        near = difflib.get_close_matches(wanted.strip().casefold(), list(known), n=5, cutoff=0.6)
        logical = list(dict.fromkeys(known[text] for text in near))[:3]
        remedy = f"did you mean {', '.join(logical)}?" if logical else "give its logical name"
        return UnknownTableError(f"the environment has no table {wanted!r} that this user can see", remedy=remedy)


def _ambiguous(wanted: str, found: Sequence[TableName]) -> UnknownTableError:
    names = ", ".join(sorted(name.logical for name in found))
    return UnknownTableError(f"{wanted!r} names {len(found)} tables ({names})", remedy="give the logical name of one")


def _technical(name: TableName) -> set[str]:
    return {name.logical.casefold(), name.schema.casefold(), name.entity_set.casefold()} - {""}


def _displayed(name: TableName) -> set[str]:
    return {name.display.strip().casefold()} - {""}


def _table_name(row: Json) -> TableName:
    return TableName(
        logical=text(row, "LogicalName"),
        schema=text(row, "SchemaName"),
        entity_set=text(row, "EntitySetName"),
        display=label(row, "DisplayName"),
    )
