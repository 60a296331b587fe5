"""Test data of every kind: the same twelve columns, made by DuckDB."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import duckdb

WIDTHS = {
    "no": 9, "name": 24, "street": 14, "city": 12, "country": 2, "phone": 13, "mail": 26, "tier": 1, "credit": 14,
    "opened": 10, "changed": 19, "active": 5,
}  # fmt: skip
COLUMNS = tuple(WIDTHS)
ROWS = """
SELECT lpad(i::VARCHAR, 9, '0') AS no, 'Customer ' || i AS name, 'Street ' || (i % 1000) AS street,
  'City ' || (i % 500) AS city, 'NL' AS country, '+31' || lpad((i * 7 % 1000000000)::VARCHAR, 10, '0') AS phone,
  'mail' || i || '@example.com' AS mail, (i % 7)::INTEGER AS tier, (i * 1.17)::DECIMAL(14, 2) AS credit,
  DATE '2000-01-01' + (i % 9000)::INTEGER AS opened, TIMESTAMP '2020-01-01' + to_seconds(i) AS changed,
  i % 2 = 0 AS active
FROM range(1, {rows} + 1) r(i)
"""


def make(kind: str, rows: int, path: Path) -> None:
    """Write `rows` records of a kind to a file."""
    select = ROWS.format(rows=rows)
    with duckdb.connect(config={"threads": 1}) as connection:
        match kind:
            case "delimited":
                connection.execute(f"COPY ({select}) TO '{path}' (FORMAT csv, HEADER)").fetchall()
            case "parquet":
                connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)").fetchall()
            case "json":
                connection.execute(f"COPY ({select}) TO '{path}' (FORMAT json)").fetchall()
            case "json_list":
                connection.execute(f"COPY ({select}) TO '{path}' (FORMAT json, ARRAY true)").fetchall()
            case "fixed_width":
                line = " || ".join(f"rpad({name}::VARCHAR, {width}, ' ')" for name, width in WIDTHS.items())
                copy = f"COPY (SELECT {line} FROM ({select})) TO '{path}' (FORMAT csv, HEADER false, QUOTE '')"
                connection.execute(copy).fetchall()
            case "excel":
                _excel(connection, select, path)
            case "sqlite":
                _sqlite(connection, select, path)


def _excel(connection: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Customers")
    sheet.append(COLUMNS)
    cursor = connection.execute(select)
    while rows := cursor.fetchmany(10_000):
        for row in rows:
            sheet.append(row)
    book.save(path)


def _sqlite(connection: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE customers ({', '.join(COLUMNS)})")
        cursor = connection.execute(select.replace("AS credit", "::DOUBLE AS credit"))
        marks = ", ".join("?" * len(COLUMNS))
        while rows := cursor.fetchmany(10_000):
            plain = [[value if isinstance(value, str | int | float) else str(value) for value in row] for row in rows]
            database.executemany(f"INSERT INTO customers VALUES ({marks})", plain)
        database.commit()
