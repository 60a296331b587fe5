"""Which sources tell their columns' types before a job reads them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.engine.drift import told_columns
from shared.ports import SourceSink, StagedSource

MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)
SQL = {"type": "sql", "dialect": "sqlite", "path": "erp.db", "table": "t"}


class Told:
    """A source that says its columns, and is not read."""

    files: tuple[Path, ...] = ()

    def stage(self, sink: SourceSink) -> StagedSource:
        raise AssertionError("nothing is read yet")

    def column_types(self) -> dict[str, str]:
        return {"no": "VARCHAR"}


@pytest.mark.parametrize(
    ("source", "tells"),
    [
        (SQL, True),
        ({"type": "parquet", "path": "a.parquet"}, True),
        ({"type": "parquet", "path": "blob://in/a.parquet"}, True),
        ({"type": "parquet", "path": "blob://in/*.parquet"}, False),
        ({"type": "delimited", "path": "a.csv"}, False),
    ],
)
def test_what_has_types_of_its_own_is_asked(source: dict[str, Any], tells: bool) -> None:
    """A database, and one Parquet file wherever it lies: its footer is little. Of a text every column is a text."""
    definition: Any = SimpleNamespace(source=MODEL.validate_python({"schema": [{"name": "no"}], **source}))
    assert bool(told_columns(definition, Told())) == tells
