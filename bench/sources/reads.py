"""One read in a process of its own: ours through `open_source` into a workspace, or the driver's own raw read."""

from __future__ import annotations

import importlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from pydantic import TypeAdapter

from bench.sources.data import COLUMNS, WIDTHS
from shared.definitions.source import Source as Definition
from shared.engine.workspace import Limits, SourceTable, Workspace, workspace_folder
from shared.ports import Source
from shared.secrets import EnvironmentSecrets
from shared.sources import open_source

TABLE = "customers"
BATCH = 10_000
LIST_BLOCK = 1 << 20
MEMORY_MB = 100
DRIVERS = {"sqlite": ("sqlite3",), "postgresql": ("psycopg",), "excel": ("openpyxl",)}
JSON = {"json": "lines", "json_list": "array"}
"""The kinds of JSON, and what the product calls them."""


def ours(kind: str, place: str) -> int:
    """The product's read; returns the records."""
    with workspace_folder() as folder:
        source = opened(kind, place, folder / "spool")
        with Workspace(folder, limits=Limits(memory_mb=MEMORY_MB), readable=source.files) as workspace:
            return source.stage(SourceTable(workspace)).records


def opened(kind: str, place: str, spool: Path) -> Source:
    """The source, as a definition names it."""
    schema = [{"name": name} | ({"width": WIDTHS[name]} if kind == "fixed_width" else {}) for name in COLUMNS]
    where: dict[str, object] = {"type": kind, "path": place}
    if kind in ("sqlite", "postgresql"):
        where = {"type": "sql", "dialect": kind, "table": TABLE}
        where |= {"path": place} if kind == "sqlite" else {"connection": {"secret": "bench"}}
    if kind in JSON:
        where |= {"type": "json", "format": JSON[kind]}
    return open_source(
        TypeAdapter[Definition](Definition).validate_python({**where, "schema": schema}),
        variables={},
        base=Path("/"),
        allows_path=lambda _: True,
        secrets=EnvironmentSecrets({"DYNSYNC_SECRET_BENCH": place}),
        spool=spool,
    )


def raw(kind: str, place: str) -> int:
    """The driver alone: every value of every record is fetched (Python's drivers) or scanned (DuckDB's readers)."""
    return RAW[kind](place)


def _scan(query: str) -> int:
    """DuckDB puts what it reads into a table of the same kind of file, with the same memory, and does no more."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/raw.duckdb") as connection:
        for setting in (f"memory_limit = '{MEMORY_MB}MB'", "threads = 2", "disabled_compression_methods = 'dict_fsst'"):
            connection.execute(f"SET {setting}").fetchall()
        connection.execute(f"CREATE TABLE source AS {query}").fetchall()
        return int(connection.execute("SELECT count(*) FROM source").fetchall()[0][0])


def _delimited(place: str) -> int:
    return _scan(f"SELECT * FROM read_csv('{place}', header = true, all_varchar = true)")


def _fixed_width(place: str) -> int:
    start, cells = 1, []
    for width in WIDTHS.values():
        cells.append(f"substring(line, {start}, {width})")
        start += width
    lines = f"read_csv('{place}', header = false, delim = '\x01\x02', quote = '', columns = {{'line': 'VARCHAR'}})"
    return _scan(f"SELECT {', '.join(cells)} FROM {lines}")


def _parquet(place: str) -> int:
    return _scan(f"SELECT * FROM read_parquet('{place}')")


def _json(place: str) -> int:
    with Path(place).open(encoding="utf-8") as file:
        return sum(1 for line in file if json.loads(line))


def _json_list(place: str) -> int:
    """One record behind the other, so that a list of any length can be read."""
    decoder, waiting, count = json.JSONDecoder(), "", 0
    with Path(place).open(encoding="utf-8") as file:
        while block := file.read(LIST_BLOCK):
            waiting, at = waiting + block, 0
            while (start := waiting.find("{", at)) >= 0:
                try:
                    _, at = decoder.raw_decode(waiting, start)
                except json.JSONDecodeError:  # it goes on in the next block
                    break
                count += 1
            waiting = waiting[at:]
    return count


def _excel(place: str) -> int:
    from openpyxl import load_workbook

    with Path(place).open("rb") as file:
        book = load_workbook(file, read_only=True, data_only=True)
        return sum(1 for _ in book.worksheets[0].iter_rows(values_only=True)) - 1


def _sqlite(place: str) -> int:
    import sqlite3

    cursor, count = sqlite3.connect(place).execute(f"SELECT * FROM {TABLE}"), 0
    while rows := cursor.fetchmany(BATCH):
        count += len(rows)
    return count


def _postgresql(place: str) -> int:
    import psycopg

    count = 0
    with psycopg.connect(place) as connection, connection.cursor(name="raw") as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        while rows := cursor.fetchmany(BATCH):
            count += len(rows)
    return count


RAW: dict[str, Callable[[str], int]] = {
    "delimited": _delimited, "fixed_width": _fixed_width, "json": _json, "json_list": _json_list,
    "parquet": _parquet, "excel": _excel,
    "sqlite": _sqlite, "postgresql": _postgresql,
}  # fmt: skip


def load(who: str, kind: str, place: str) -> None:
    """Import what a side imports only when it reads that kind; nothing is read."""
    for name in DRIVERS.get(kind, ()):
        importlib.import_module(name)
    if who == "ours":
        opened(kind, place, Path(tempfile.gettempdir()))


def main(who: str, kind: str, place: str) -> None:
    """Read once and print records, CPU seconds and peak memory as JSON; imports and start do not count."""
    read = ours if who == "ours" else raw
    load(who, kind, place)
    before = time.process_time()
    records = read(kind, place)
    cpu_s = time.process_time() - before
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"records": records, "cpu_s": cpu_s, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(*sys.argv[1:])
