"""What the engine needs of a source, and what a source needs of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.values.files import FileRead

Explain = Callable[[Exception], Exception | None]
"""Says what an error of DuckDB means, or None when it means something else."""


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A record that the reader could not split into cells. `row` counts data records from 1."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class StagedSource:
    """What `Source.stage` left in the sink: `records` good ones, and the malformed ones.

    `in_place`: the sink reads the file anew with every statement, so the file must stay as it is.
    `files` are those that were read, where a source is made of files that can be told apart.
    """

    records: int
    malformed: tuple[MalformedRow, ...] = ()
    in_place: bool = False
    files: tuple[FileRead, ...] = ()


class SourceSink(Protocol):
    """Where a source puts its records: one DuckDB table (or view) that the engine owns.

    The table holds `row_no BIGINT` (data records from 1, malformed ones counted), one column per source column named in
    the definition that is not calculated, and for a source that tells absent from null a BOOLEAN column `"<name>?"`.
    """

    def fill(self, query: str, parameters: Mapping[str, object] | None = None) -> int:
        """Create the table from a DuckDB query; returns the records in it."""

    def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
        """As `fill`, from a query without `row_no` whose records are numbered as they come; it may be read by several
        threads. No column may be called `rowid`. `never`: further columns, BOOLEAN and false in every record.
        """

    def view(self, query: str, explain: Explain) -> int:
        """Let the table be a view of a query over a file that is quick to read anew; returns the records in it.

        A later error of DuckDB that `explain` knows becomes what it returns.
        """

    def create(self, columns: Mapping[str, str]) -> None:
        """Create the empty table from names and DuckDB types; `append` fills it."""

    def append(self, rows: Sequence[tuple[object, ...]]) -> None:
        """Append rows in the order of `create`'s columns."""

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        """Run one statement beside the table (the reader's own bookkeeping) and fetch its rows."""


class Source(Protocol):
    """One kind of source, bound to one definition and its variables."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files outside the workspace that the sink's queries read; empty for a database."""

    def stage(self, sink: SourceSink) -> StagedSource:
        """Put all records into the sink.

        Raises:
            SourceError: it cannot be read, or not to its end; names file, line and reason.
        """

    def column_types(self) -> Mapping[str, str]:
        """The source's own columns and their DuckDB types, in order (a look at the header or the first records)."""
