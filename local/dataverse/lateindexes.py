"""Indexes that only those need who read a table page by page: made when the first of them comes, and kept.

So whoever only writes pays nothing for them, and a start makes none. A change of the definitions drops them; the next
such reader makes them again.
"""

from __future__ import annotations

from local.dataverse.store import Store
from local.dataverse.tables import Table
from shared.sql import identifier


def of_changes(store: Store, table: Table) -> None:
    """Lets the changes of a table, and what was deleted, be read from any version on."""
    _index(store, f"{table.name}.version", identifier(table.name), "versionnumber")
    _index(store, "~deleted.version", '"~deleted"', '"table", version')


def _index(store: Store, name: str, table: str, terms: str) -> None:
    store.run(f"CREATE INDEX IF NOT EXISTS {identifier(name)} ON {table} ({terms})")
