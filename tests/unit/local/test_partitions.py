"""Rows of elastic tables by id and partition, also in a file that was made when ids alone told them apart."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.partitions import id_of, row_key
from local.dataverse.seeding import SeedError

ID = "88888888-0000-4000-8000-000000000001"
EARLIER = """
DROP INDEX "new_reading.row";
DROP INDEX "new_reading.id";
DROP TRIGGER "new_reading.deleted";
ALTER TABLE new_reading DROP COLUMN "~row";
CREATE UNIQUE INDEX "new_reading.id" ON new_reading (new_readingid);
CREATE TRIGGER "new_reading.deleted" AFTER DELETE ON new_reading BEGIN
  INSERT INTO "~deleted" VALUES ('new_reading', OLD.new_readingid, 1); END;
"""


@given(partition=st.one_of(st.none(), st.text()))
def test_a_key_holds_the_id(partition: str | None) -> None:
    """Whatever the partition is called; the partition of the row's own id adds nothing."""
    assert id_of(row_key(ID, partition)) == ID
    assert row_key(ID, ID) == row_key(ID) == ID
    assert partition in (None, ID) or row_key(ID, partition) != ID


def test_a_file_of_an_earlier_version_is_brought_along(tmp_path: Path) -> None:
    """Its rows stay, and from now on an id may stand in several partitions."""
    file = tmp_path / "rows.db"
    with LocalDataverse(file=file) as server:
        server.insert("new_reading", [{"new_readingid": ID, "partitionid": "a", "new_name": "first"}])
    database = sqlite3.connect(file)
    database.executescript(EARLIER)
    database.close()
    with LocalDataverse(file=file) as server:
        server.insert("new_reading", [{"new_readingid": ID, "partitionid": "b", "new_name": "second"}])
        assert [row["new_name"] for row in server.rows("new_reading")] == ["first", "second"]
        with pytest.raises(SeedError, match="matching key values already exists"):
            server.insert("new_reading", [{"new_readingid": ID, "partitionid": "b"}])
