"""Rows of elastic tables whose time to live is over; they are gone when the service is next asked.

Source: Microsoft Learn, "Use elastic tables", time to live.
"""

from __future__ import annotations

from local.dataverse.store import EXPIRY
from local.dataverse.world import World
from shared.sql import identifier


def remove_expired(world: World) -> None:
    """Deletes the rows that were last written more than `ttlinseconds` ago."""
    for table in world.tables.by_name.values():
        if not table.elastic:
            continue
        test = f"FROM {identifier(table.name)} WHERE {EXPIRY} <= unixepoch(?)"
        now = (world.now(),)
        if world.store.value(f"SELECT 1 {test} LIMIT 1", now) is not None:
            with world.store.transaction():
                world.store.run(f"DELETE {test}", now)
