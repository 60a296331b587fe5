"""A really large file is read in bounded memory, to its last record, or refused in words.

By default the files have some megabytes, which goes the same ways. `DYNSYNC_LARGE_MB=2200` makes them larger than what
32 bits can count (one test at a time, about 5 GB of temporary disk); the peak of the process is held then, too.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import duckdb
import openpyxl
import pytest
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import SourceError
from shared.secrets import EnvironmentSecrets
from shared.sources import open_source, sqlite, text_file
from shared.sources.beginnings import beginning
from tests.unit.sources.sink import FileSink

LARGE_MB = int(os.environ.get("DYNSYNC_LARGE_MB", "24"))
RECORD_BYTES = (8 << 20) if LARGE_MB > 1000 else (1 << 20)
RECORDS = LARGE_MB * (1 << 20) // RECORD_BYTES
WIDEST = 32_000
NARROW = LARGE_MB * (1 << 20) // WIDEST + 1
"""Lines of fixed width, whose columns are not wider, and rows of Parquet, which DuckDB writes by thousands."""
PEAK_MB = 1200
"""Of a process that holds 200 MB for DuckDB, and a few records of 8 MB at once in every part that reads ahead."""
MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)
BLANKS = b" " * RECORD_BYTES
Write = Callable[[Path], dict[str, object]]


def written(
    path: Path, first: bytes, record: tuple[bytes, bytes], last: bytes = b"", *, records: int = RECORDS
) -> None:
    """A file of records whose number stands behind a long cell: `record` is what is before and behind the number."""
    with path.open("wb") as file:
        file.write(first)
        for number in range(1, records + 1):
            file.writelines((record[0], b"%06d" % number, record[1]))
        file.write(last)


def delimited(path: Path) -> dict[str, object]:
    written(path, b"spare,no\n", (b"x" + BLANKS + b",", b"\n"))
    return {"type": "delimited"}


def fixed_width(path: Path) -> dict[str, object]:
    written(path, b"", (b" " * WIDEST, b"\n"), records=NARROW)
    return {"type": "fixed_width", "schema": [{"name": "spare", "width": WIDEST}, {"name": "no", "width": 6}]}


def lines(path: Path) -> dict[str, object]:
    written(path, b"", (b'{"spare":"' + BLANKS + b'","no":"', b'"}\n'))
    return {"type": "json", "format": "lines"}


def listed(path: Path) -> dict[str, object]:
    written(path, b"[", (b'{"spare":"' + BLANKS + b'","no":"', b'"},\n'), b'{"no":"999999"}]')
    return {"type": "json"}


def parquet(path: Path) -> dict[str, object]:
    cells = f"(repeat(' ', {WIDEST}) || i)::BLOB AS spare, lpad(i::VARCHAR, 6, '0') AS no"
    with duckdb.connect(config={"threads": 1, "memory_limit": "400MB"}) as connection:
        connection.execute("SET preserve_insertion_order = FALSE").fetchall()
        options = "FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE 2048, ROW_GROUP_SIZE_BYTES '32MB'"
        rows = f"SELECT {cells} FROM range(1, {NARROW} + 1) r(i)"
        connection.execute(f"COPY ({rows}) TO '{path}' ({options})").fetchall()
    return {"type": "parquet"}


def database(path: Path) -> dict[str, object]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE t (spare, no)")
        insert = f"INSERT INTO t VALUES (zeroblob({RECORD_BYTES}), ?)"
        for number in range(1, RECORDS + 1):
            connection.execute(insert, (f"{number:06d}",))
    return {"type": "sql", "dialect": "sqlite", "table": "t"}


def workbook(path: Path) -> dict[str, object]:
    """Blanks between the rows: what has to be passed through is large, what has to be kept is not."""
    made = path.with_name("small.xlsx")
    book = openpyxl.Workbook()
    book.worksheets[0].append(("no", "spare"))
    book.save(made)
    with zipfile.ZipFile(made) as small, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as large:
        for member in small.infolist():
            content = small.read(member)
            with large.open(member.filename, "w", force_zip64=True) as out:
                out.write(_rows(out, content) if member.filename == "xl/worksheets/sheet1.xml" else content)
    return {"type": "excel"}


def _rows(out: IO[bytes], content: bytes) -> bytes:
    head, end, tail = content.partition(b"</sheetData>")
    out.write(head)
    for number in range(1, RECORDS + 1):
        cell = b'<c r="A%d" t="inlineStr"><is><t>%06d</t></is></c>' % (number + 1, number)
        out.writelines((BLANKS, b'<row r="%d">' % (number + 1), cell, b"</row>"))
    return end + tail


KINDS: dict[str, Write] = {
    "delimited": delimited, "fixed width": fixed_width, "JSON lines": lines, "JSON": listed, "Parquet": parquet,
    "SQLite": database, "Excel": workbook,
}  # fmt: skip


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[FileSink]:
    made = FileSink(tmp_path / "sink.duckdb")
    yield made
    made.connection.close()


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_large_file_is_read_to_its_last_record(tmp_path: Path, sink: FileSink, kind: str) -> None:
    """Every record is there once, under its number; a sheet of gigabytes that holds next to nothing is refused."""
    path = tmp_path / "large"
    settings = {"schema": [{"name": "no"}], "path": "large", **KINDS[kind](path)}
    if kind != "Excel":
        assert path.stat().st_size >= LARGE_MB << 20
    refused = kind == "Excel" and LARGE_MB > 256
    told = pytest.raises(SourceError, match="no honest file") if refused else contextlib.nullcontext()
    try:
        source = open_source(
            MODEL.validate_python(settings),
            variables={},
            base=tmp_path,
            allows_path=lambda _: True,
            secrets=EnvironmentSecrets({}),
            spool=tmp_path,
        )
        count = NARROW if kind in ("fixed width", "Parquet") else RECORDS + (kind == "JSON")
        with told:
            assert source.stage(sink).records == count
        assert refused or sink.query("SELECT count(*) FROM source WHERE no::INT = row_no OR no = '999999'") == [
            (count,)
        ]
    finally:
        path.unlink()
    if LARGE_MB > 1000:
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10 < PEAK_MB


def test_a_database_with_a_hole_of_gigabytes_is_whole(tmp_path: Path, sink: FileSink) -> None:
    """Its size is counted in pages, beyond what 32 bits of bytes can say; one that is a page short is not read."""
    path = tmp_path / "large.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (no)")
        connection.execute("INSERT INTO t VALUES ('7')")
        connection.commit()
    with path.open("r+b") as file:
        head = file.read(100)
        pages = (5 << 30) // 4096
        file.seek(28)
        file.write(pages.to_bytes(4))
        file.truncate(pages * 4096)
    assert head[16:18] == (4096).to_bytes(2)
    with contextlib.closing(sqlite.connect(path)) as opened:
        assert opened.execute("SELECT no FROM t").fetchall() == [("7",)]
    os.truncate(path, (pages - 1) * 4096)
    with pytest.raises(sqlite3.DatabaseError, match=r"truncated \(5,368,705,024 bytes of 5,368,709,120\)"):
        sqlite.connect(path)


def test_the_footer_of_gigabytes_is_found(tmp_path: Path) -> None:
    """A look at a Parquet file of 5 GB reads its end, and makes a copy that takes no room."""
    small, large, part = tmp_path / "small", tmp_path / "large", tmp_path / "part"
    duckdb.execute(f"COPY (SELECT 1 AS no) TO '{small}' (FORMAT parquet)").fetchall()
    content = small.read_bytes()
    with large.open("wb") as file:
        file.write(content[:4])
        file.seek(5 << 30)
        file.write(content[4:])
    with large.open("rb") as file:
        assert beginning(file, part, encoding=None, most_bytes=1)
    assert part.stat().st_size == large.stat().st_size
    assert part.stat().st_blocks * 512 < 1 << 20
    assert [row[0] for row in duckdb.execute(f"DESCRIBE FROM read_parquet('{part}')").fetchall()] == ["no"]


def test_growth_is_counted_beyond_32_bits() -> None:
    """A packed file of 100 MB may unpack to 20 GB, and not to 30."""
    text_file.check_growth(100 << 20, 20 << 30, "x")
    with pytest.raises(SourceError, match=r"unpacks to more than 30,720 MB"):
        text_file.check_growth(100 << 20, 30 << 30, "x")
