"""A sink over a DuckDB file, as small as the contract allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from shared.ports import Explain
from shared.sql import identifier


class FileSink:
    """One DuckDB table `source` in a file, under a tight memory limit."""

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "200MB", "threads": threads}
        self.connection = duckdb.connect(path, config=config)

    def fill(self, query: str, parameters: Mapping[str, object] | None = None) -> int:
        self.query(f"CREATE OR REPLACE TABLE source AS {query}", parameters)
        return int(str(self.query("SELECT count(*) FROM source")[0][0]))

    def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
        self.query(f"CREATE TABLE cells AS {query}")
        listed = ", ".join(["rowid + 1 AS row_no", "*", *(f"false AS {identifier(name)}" for name in never)])
        self.query(f"CREATE VIEW source AS SELECT {listed} FROM cells")
        return int(str(self.query("SELECT count(*) FROM cells")[0][0]))

    def view(self, query: str, explain: Explain) -> int:
        self.query(f"CREATE VIEW source AS {query}")
        return int(str(self.query("SELECT count(*) FROM source")[0][0]))

    def create(self, columns: Mapping[str, str]) -> None:
        self.query(f"CREATE TABLE source ({', '.join(f'{identifier(n)} {t}' for n, t in columns.items())})")

    def append(self, rows: Sequence[tuple[object, ...]]) -> None:
        with self.connection.appender("source") as appender:
            appender.append_rows(list(rows))

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        return self.connection.execute(sql, dict(parameters) if parameters else None).fetchall()

    def rows(self) -> list[tuple[object, ...]]:
        """All staged records by number."""
        return self.query("SELECT * FROM source ORDER BY row_no")

    def columns(self) -> dict[str, str]:
        """The staged table's columns and types."""
        return {str(row[0]): str(row[1]) for row in self.query("DESCRIBE source")}
