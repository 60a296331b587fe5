"""A column of one alias of a query, and the SQL terms by which it is read, compared and sorted."""

from __future__ import annotations

from dataclasses import dataclass

from local.dataverse.store import compared
from local.dataverse.tables import Column, Kind, Table
from shared.sql import identifier

GUID_PLACES = ((25, 12), (20, 4), (17, 2), (15, 2), (12, 2), (10, 2), (7, 2), (5, 2), (3, 2), (1, 2))
"""Where the parts of an id stand, counted from 1, the weightiest first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A column of one alias of the query."""

    alias: str
    table: Table
    column: Column

    @property
    def raw(self) -> str:
        """The stored value."""
        return f"{self.alias}.{identifier(self.column.name)}"

    @property
    def equal(self) -> str:
        """The term that equality and text order compare."""
        return compared(self.column, f"{self.alias}.")

    @property
    def is_id(self) -> bool:
        """Whether it holds ids, which sort in an order of their own."""
        return self.column.kind is Kind.UNIQUEIDENTIFIER or self.column.is_lookup

    @property
    def ordered(self) -> str:
        """The term that greater, less and `$orderby` compare: ids in the order of SQL Server."""
        return guid_order(self.raw) if self.is_id else self.equal


def guid_order(term: str) -> str:
    """An id as SQL Server sorts it: the last group first, then backwards, the first three groups byte by byte.

    Source: Microsoft Learn, "Comparing GUID and uniqueidentifier values".
    """
    return "(" + " || ".join(f"substr({term}, {at}, {length})" for at, length in GUID_PLACES) + ")"


def guid_key(text: str) -> str:
    """An id's place in that order."""
    return "".join(text[at - 1 : at - 1 + length] for at, length in GUID_PLACES)
