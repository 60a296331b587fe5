"""Parquet files, read by DuckDB where they are, with their own types: such a file is as quick to read as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from shared.errors import SourceError
from shared.ports import SourceSink, StagedSource
from shared.sources import names
from shared.sql import identifier, literal

_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")
_ROW_NUMBER = "file_row_number"


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file as a source."""

    path: Path
    wanted: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself."""
        return (self.path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: the file's own types; lists and objects as JSON text; bytes as base64."""
        names.require_distinct(self.wanted, where=str(self.path))
        with self._readable():
            types = self._types()
            names.require(self.wanted, list(types), where=str(self.path))
            cells = ", ".join(f"{_cell(name, types[name])} AS {identifier(name)}" for name in self.wanted)
            if _ROW_NUMBER in {name.casefold() for name in types}:  # it would be taken for DuckDB's own numbering
                query = f"SELECT row_number() OVER () AS row_no, {cells} FROM read_parquet({literal(str(self.path))})"
                return StagedSource(sink.fill(query))
            read = f"read_parquet({literal(str(self.path))}, file_row_number = TRUE)"
            query = f"SELECT {_ROW_NUMBER} + 1 AS row_no, {cells} FROM {read}"
            return StagedSource(sink.view(query, self._explained), in_place=True)

    def column_types(self) -> Mapping[str, str]:
        """The file's columns and DuckDB's types for them."""
        with self._readable():
            return self._types()

    def _types(self) -> dict[str, str]:
        with duckdb.connect(config={"threads": 1, "memory_limit": "100MB"}) as connection:
            rows = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(str(self.path))})").fetchall()
        return {str(row[0]): str(row[1]) for row in rows}

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise self._damaged(error) from None

    def _explained(self, error: Exception) -> SourceError | None:
        """Damage further inside names the file, or comes from the reader's own libraries as a bare `Error`."""
        return self._damaged(error) if str(self.path) in str(error) or type(error) is duckdb.Error else None

    def _damaged(self, error: Exception) -> SourceError:
        reason = str(error).partition("\n")[0]
        return SourceError(
            f"{self.path} is no whole Parquet file ({reason}); it is damaged, truncated or of another kind; "
            "nothing was taken from it; get it again"
        )


def _cell(name: str, kind: str) -> str:
    column = identifier(name)
    if kind.endswith("]") or kind.startswith(_NESTED):
        return f"to_json({column})::VARCHAR"
    return f"to_base64({column})" if kind == "BLOB" else column
