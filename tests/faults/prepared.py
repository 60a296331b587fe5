"""A destination and a store as they stood once, to be had again and again for the price of a copy."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from dataclasses import dataclass

from azure.data.tables import TableClient
from azure.storage.blob import ContainerClient

from tests.e2e.conftest import World
from tests.faults.trials import Moved


@dataclass
class Prepared:
    """What `world` held when this was made."""

    world: Moved
    _rows: sqlite3.Connection

    @classmethod
    def of(cls, world: Moved) -> Prepared:
        """Remember the destination's rows; the store is left alone from now on."""
        rows = sqlite3.connect(":memory:", check_same_thread=False)
        with world.dataverse.application.lock:
            _database(world).backup(rows)
        return cls(world, rows)

    def close(self) -> None:
        """Forget it."""
        self._rows.close()

    def again(self, world: Moved) -> Moved:
        """All of it once more, in the store of `world`, which is new."""
        with world.dataverse.application.lock:
            self._rows.backup(_database(world))
            world.dataverse.application.faults.clear()
        world.environ |= self.world.environ
        shutil.copytree(self.world.place.state, world.place.state, dirs_exist_ok=True)
        if world.place.table:
            connection = world.place.environ["DYNSYNC_SECRET_THE_STORE"]
            _copied_table(connection, self.world.place.table, world.place.table)
            _copied_blobs(connection, self.world.place.table, world.place.table)
        return world


def _database(world: World) -> sqlite3.Connection:
    return world.dataverse.application.service.world.store._db


def _copied_table(connection: str, one: str, other: str) -> None:
    with (
        TableClient.from_connection_string(connection, one) as rows,
        TableClient.from_connection_string(connection, other) as copies,
    ):
        copies.create_table()
        ordered = sorted(rows.list_entities(), key=lambda row: row["PartitionKey"])
        for _, some in itertools.groupby(ordered, key=lambda row: row["PartitionKey"]):
            for part in itertools.batched(some, 90, strict=False):
                copies.submit_transaction([("create", row) for row in part])


def _copied_blobs(connection: str, one: str, other: str) -> None:
    with (
        ContainerClient.from_connection_string(connection, one) as blobs,
        ContainerClient.from_connection_string(connection, other) as copies,
    ):
        copies.create_container()
        for name in list(blobs.list_blob_names()):
            copies.upload_blob(name, blobs.download_blob(name).readall())
