"""Indexes that only those need who read a table page by page: made when the first of them comes, and kept.

So whoever only writes pays nothing for them, and a start makes none. A change of the definitions drops them; the next
such reader makes them again.
"""

from __future__ import annotations

from collections.abc import Sequence

from local.dataverse.conditions.seen import guid_order
from local.dataverse.store import Store
from local.dataverse.tables import Table
from shared.sql import identifier


def of_changes(store: Store, table: Table) -> None:
    """Lets the changes of a table, and what was deleted, be read from any version on."""
    _index(store, f"{table.name}.version", identifier(table.name), "versionnumber")
    _index(store, "~deleted.version", '"~deleted"', '"table", version')


def of_order(store: Store, table: Table, orders: Sequence[tuple[str, bool]]) -> bool:
    """Lets rows be read from any place on in the order in which whole tables are read: by id, or by creation, then id.

    False where the order is another one; it has no index of its own.
    """
    names = [name for name, _ in orders]
    wanted = (["createdon"], [table.id_column], ["createdon", table.id_column])
    if names not in wanted or any(down for _, down in orders) or not set(names) <= table.columns.keys():
        return False
    place = guid_order(identifier(table.id_column))
    terms = ", ".join(place if name == table.id_column else identifier(name) for name in names)
    if table.id_column in names:
        _index(store, f"{table.name}.order.{'.'.join(names)}", identifier(table.name), terms)
    return True


def _index(store: Store, name: str, table: str, terms: str) -> None:
    store.run(f"CREATE INDEX IF NOT EXISTS {identifier(name)} ON {table} ({terms})")
