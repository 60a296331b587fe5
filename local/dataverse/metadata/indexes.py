"""The indexes of new keys: asked for now, made a little later, as the real service makes them in a system job."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime

from local.dataverse.metadata import kept, refused
from local.dataverse.metadata.storage import settle
from local.dataverse.tables import Key, Table
from local.dataverse.world import World

STARTS_AFTER_S = 0.2
"""How long a key stays Pending."""
READY_AFTER_S = 0.5
"""When a key is Active, or Failed because rows collide; until then it is InProgress."""


class KeyIndexes:
    """The keys that wait for their index."""

    def __init__(self, world: World) -> None:
        self._world = world
        now = world.clock()
        self._since: dict[tuple[str, str], datetime] = dict.fromkeys(kept.unfinished_keys(world.store), now)

    def wait_for(self, table: Table, key: Key) -> None:
        """Starts the wait of a new key."""
        self._since[table.name, key.name] = self._world.clock()

    def reactivate(self, table: Table, key: Key) -> None:
        """Tries a failed key again.

        Raises:
            Refusal: it has not failed.
        """
        if key.state != "Failed":
            raise refused.key_not_failed()
        self._set(table.name, key.name, "Pending")
        self.wait_for(table, key)

    def advance(self) -> None:
        """Brings every waiting key to the state that it has by now; between requests only, not inside one."""
        if self._world.store.in_transaction:
            return
        now = self._world.clock() if self._since else None
        for (table, name), since in list(self._since.items()):
            age = (now - since).total_seconds() if now else 0.0
            if age >= READY_AFTER_S:
                del self._since[table, name]
                self._finish(table, name)
            elif age >= STARTS_AFTER_S:
                self._set(table, name, "InProgress")

    def _finish(self, table: str, name: str) -> None:
        try:
            self._set(table, name, "Active")
        except sqlite3.IntegrityError:
            self._set(table, name, "Failed")

    def _set(self, name: str, key_name: str, state: str) -> None:
        tables = self._world.tables
        table = tables.by_name.get(name)
        key = next((k for k in table.keys if k.name == key_name), None) if table else None
        if table is None or key is None or key.state == state:
            return
        keys = tuple(replace(k, state=state) if k is key else k for k in table.keys)
        settle(self._world.store, tables.with_tables(table.changed(keys=keys)))
