"""Rows of elastic tables: an id is unique in its partition, so a row is told apart by both.

Inside, such a row goes by its key: its id, and where the partition is not named by that id, the partition behind it.
Everywhere else the key of a row is its id.
Source: Microsoft Learn, "Use elastic tables" (partitionid, and its default).
"""

from __future__ import annotations

from local.dataverse.tables import Table
from shared.sql import identifier

ROW = "~row"
"""The stored column that holds the key; the database makes it out of the two."""
_MARK = "|"


def row_column(table: Table) -> str:
    """The stored column that tells the rows of a table apart."""
    return ROW if table.elastic else table.id_column


def row_key(row_id: str, partition: object = None) -> str:
    """The key of a row of an elastic table."""
    return row_id if partition is None or partition == row_id else f"{row_id}{_MARK}{partition}"


def id_of(key: str) -> str:
    """The id of the row that has this key."""
    return key.partition(_MARK)[0]


def definition(table: Table) -> str:
    """The stored column's type, as SQL."""
    own = identifier(table.id_column)
    both = f"{own} || '{_MARK}' || partitionid"
    return f"TEXT GENERATED ALWAYS AS (CASE WHEN partitionid = {own} THEN {own} ELSE {both} END)"
