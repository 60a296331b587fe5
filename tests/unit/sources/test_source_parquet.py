"""Parquet files keep their types and their order."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from shared.engine.workspace import Limits, SourceTable, Workspace, workspace_folder
from shared.errors import SourceError
from shared.ports import StagedSource
from shared.sources.parquet import ParquetFile
from tests.unit.sources.sink import FileSink


def made(tmp_path: Path, select: str) -> Path:
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)").fetchall()
    return path


def test_types_are_kept_and_nested_values_become_json(tmp_path: Path, sink: FileSink) -> None:
    """Numbers and dates stay what they are; lists and objects are JSON text, bytes base64."""
    select = (
        "SELECT 1.50::DECIMAL(9,2) AS n, DATE '2026-01-31' AS d, [1, 2] AS l, {'x': 'y'} AS s, 'a'::BLOB AS b, 9 AS no"
    )
    source = ParquetFile(made(tmp_path, select), ("d", "n", "l", "s", "b"))
    assert source.stage(sink) == StagedSource(records=1, in_place=True)
    assert list(sink.columns().values()) == ["BIGINT", "DATE", "DECIMAL(9,2)", "VARCHAR", "VARCHAR", "VARCHAR"]
    assert [str(cell) for cell in sink.rows()[0]] == ["1", "2026-01-31", "1.50", "[1,2]", '{"x":"y"}', "YQ=="]
    assert source.column_types()["l"] == "INTEGER[]"


@pytest.mark.parametrize("name", ["v", "file_row_number"])
def test_rows_are_numbered_in_the_files_order(tmp_path: Path, sink: FileSink, name: str) -> None:
    """Also when a column of the file has the name of DuckDB's own numbering."""
    path = made(tmp_path, f"SELECT range AS {name} FROM range(300000)")
    assert ParquetFile(path, (name,)).stage(sink).records == 300_000
    assert sink.query(f"SELECT count(*) FROM source WHERE row_no <> {name} + 1") == [(0,)]


def test_missing_columns_are_named_with_the_nearest(tmp_path: Path, sink: FileSink) -> None:
    """A misspelt column is no null column."""
    with pytest.raises(SourceError, match=r"no column 'Name' \(did you mean 'name'\?\)"):
        ParquetFile(made(tmp_path, "SELECT 1 AS name"), ("Name",)).stage(sink)


def test_a_damaged_file_stops_the_job(tmp_path: Path, sink: FileSink) -> None:
    """Truncated, its list of contents damaged, empty, or of another kind."""
    path = made(tmp_path, "SELECT range AS v FROM range(5000)")
    whole = path.read_bytes()
    for content in (whole[:-20], whole[:-200] + b"\xff" * 150 + whole[-50:], b"", b"a,b\n1,2\n"):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="no whole Parquet file") as caught:
            ParquetFile(path, ("v",)).stage(sink)
        assert str(path) in str(caught.value)
        assert "LINE 1" not in str(caught.value)
        sink.query("DROP VIEW IF EXISTS source")


def test_damage_that_shows_late_names_the_file(tmp_path: Path) -> None:
    """The file is read anew by every statement; what DuckDB says of its inside becomes the same plain words."""
    path = made(tmp_path, "SELECT range AS v, md5(range::VARCHAR) AS t FROM range(50000)")
    whole = bytearray(path.read_bytes())
    with workspace_folder() as folder, Workspace(folder, limits=Limits(), readable=[path]) as workspace:
        assert ParquetFile(path, ("v", "t")).stage(SourceTable(workspace)).in_place
        whole[5:4000] = b"\xff" * 3995
        path.write_bytes(whole)
        with pytest.raises(SourceError, match="no whole Parquet file") as caught:
            workspace.value("SELECT count(hash(v, t)) FROM source")
        assert str(path) in str(caught.value)
