"""A job's working memory: one DuckDB file with a memory limit, a spool folder, and nothing of the outside in reach."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from shared import temporary
from shared.errors import FailError
from shared.ports import Explain
from shared.sql import identifier, literal

Row = tuple[object, ...]
_ROW_GROUP = 20_480
"""Rows of a table's part that is written at once. A group of pages fills several, so each goes straight to the file
instead of by way of the write-ahead log."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DATABASE = "work.duckdb"
"""The database inside a workspace."""
SPOOL = "spool"
"""The folder inside a workspace for files that come and go."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may use: DuckDB's memory in MB (the process needs about 150 MB more), threads, disk in MB."""

    memory_mb: int = 256
    threads: int = 2
    disk_mb: int = 20_000


@contextmanager
def workspace_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for one job's workspace; it vanishes afterwards, and with it what killed processes have left."""
    with temporary.folder("work", parent) as folder:
        (folder / SPOOL).mkdir()
        yield folder


class Workspace:
    """One DuckDB database in `folder` (from `workspace_folder`). `readable` are files outside it that may be read.

    A file that another workspace left in the folder is gone on with.
    `kept`: its tables are files; without, they live in memory, which is quicker for a few rows.
    """

    def __init__(self, folder: Path, *, limits: Limits, readable: Sequence[Path] = (), kept: bool = True) -> None:
        self.folder = folder
        self._place = str(folder / DATABASE) if kept else ":memory:"
        self.spool = folder / SPOOL
        self._explain: Explain = lambda _: None
        self._connection = duckdb.connect()
        self._set(self._settings(limits, readable))

    def _set(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._connection.execute(statement).fetchall()

    def _settings(self, limits: Limits, readable: Sequence[Path]) -> list[str]:
        return [
            f"SET memory_limit = '{limits.memory_mb}MB'",
            f"SET threads = {limits.threads}",
            f"SET temp_directory = {literal(str(self.folder / 'spill'))}",
            f"SET max_temp_directory_size = '{limits.disk_mb}MB'",
            # Compresses texts a little better than the others do, at many times their cost.
            "SET disabled_compression_methods = 'dict_fsst'",
            # Nothing here has to outlive a loss of power: a job reads again, and what a slice leaves is put on the disk
            # by the store that keeps it. Waiting for the disk, at every statement, cost as much as comparing.
            "SET fsync_mode = 'NONE'",
            "SET TimeZone = 'UTC'",
            f"ATTACH {literal(self._place)} AS work (ROW_GROUP_SIZE {_ROW_GROUP})",
            "USE work",
            "PRAGMA disable_checkpoint_on_shutdown",
            f"SET allowed_directories = {_list([self.folder])}",
            f"SET allowed_paths = {_list(readable)}",
            "SET enable_external_access = FALSE",
        ]

    def seal(self) -> None:
        """Let go of the order of rows and lock the configuration: before the first of a definition's expressions runs.

        From then on a statement keeps an order only where it says ORDER BY, so both cores load pages side by side.
        """
        self._set(["SET preserve_insertion_order = FALSE", "SET lock_configuration = TRUE"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def run(self, sql: str, parameters: Mapping[str, object] | None = None, *, within_s: float | None = None) -> int:
        """Run one statement to its end; the number of rows it changed (0 when it tells none).

        Raises:
            FailError: memory, disk or (`within_s`) time ran out.
        """
        with self._in_words(), _time_limit(self._connection, within_s):
            rows = self._all(sql, parameters)
        return int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """All rows of a small query."""
        with self._in_words():
            return self._all(sql, parameters)

    def _all(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Every statement but `stream` goes through here."""
        return self._connection.execute(sql, parameters or {}).fetchall()

    def value(self, sql: str, parameters: Mapping[str, object] | None = None) -> int:
        """The one whole number that a query gives."""
        (row,) = self.rows(sql, parameters)
        if not isinstance(row[0], int):
            raise TypeError(f"the query gives {type(row[0]).__name__}, not a whole number: {sql}")
        return row[0]

    def stream(self, sql: str, size: int, parameters: Mapping[str, object] | None = None) -> Iterator[list[Row]]:
        """The rows of a large query, `size` at a time; no other statement may run meanwhile."""
        with self._in_words():
            cursor = self._connection.execute(sql, parameters or {})
            while rows := cursor.fetchmany(size):
                yield rows

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows to a table, in the order of its columns."""
        with self._in_words(), self._connection.appender(table) as appender:
            appender.append_rows(rows)

    def explain_errors(self, explain: Explain) -> None:
        """From now on ask `explain` what an error of DuckDB means."""
        self._explain = explain

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            with _limits_in_words():
                yield
        except duckdb.Error as error:
            told = self._explain(error)
            if told is None:
                raise
            raise told from error

    def columns(self, table: str) -> dict[str, str]:
        """A table's columns and their DuckDB types, in order."""
        return {str(name): str(type_) for name, type_, *_ in self.rows(f"DESCRIBE {identifier(table)}")}

    def spooled(self, name: str, content: bytes | memoryview) -> Path:
        """Write a file that statements may read."""
        path = self.spool / name
        with room_in_words():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return path


class SourceTable:
    """The table `source`: the sink that sources fill (`ports.SourceSink`). `lasting`: it outlives the source's file."""

    name = "source"

    def __init__(self, workspace: Workspace, *, lasting: bool = False) -> None:
        self._workspace = workspace
        self._lasting = lasting

    def fill(self, query: str, parameters: Mapping[str, object] | None = None) -> int:
        """Create the table from a query; returns the records in it."""
        self._workspace.run(f"CREATE OR REPLACE TABLE {self.name} AS {query}", parameters)
        return self._workspace.value(f"SELECT count(*) FROM {self.name}")

    def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
        """As `fill`, numbering the records as they come; `never` are the names of columns that are false throughout.

        Counting the records one after the other would leave one core idle; a table knows the place of each row without
        that. And what is the same in every record need not be written with each.
        """
        self._workspace.run(f"CREATE OR REPLACE TABLE {self.name}_cells AS {query}")
        cells = ", ".join(["rowid + 1 AS row_no", "*", *(f"false AS {identifier(name)}" for name in never)])
        self._workspace.run(f"CREATE OR REPLACE VIEW {self.name} AS SELECT {cells} FROM {self.name}_cells")
        return self._workspace.value(f"SELECT count(*) FROM {self.name}_cells")

    def view(self, query: str, explain: Explain) -> int:
        """Let the table be a view of a query over a file; returns the records in it. A lasting one is a table."""
        self._workspace.explain_errors(explain)
        if self._lasting:
            return self.fill(query)
        self._workspace.run(f"CREATE OR REPLACE VIEW {self.name} AS {query}")
        return self._workspace.value(f"SELECT count(*) FROM {self.name}")

    def create(self, columns: Mapping[str, str]) -> None:
        """Create the empty table from names and DuckDB types."""
        listed = ", ".join(f"{identifier(name)} {type_}" for name, type_ in columns.items())
        self._workspace.run(f"CREATE OR REPLACE TABLE {self.name} ({listed})")

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows in the order of `create`'s columns."""
        self._workspace.append(self.name, rows)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Run one statement beside the table and fetch its rows."""
        return self._workspace.rows(sql, parameters)


@contextmanager
def _limits_in_words() -> Iterator[None]:
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        if not isinstance(error, duckdb.OutOfMemoryException) and "No space left" not in str(error):
            raise
        raise _no_room() from error
    except (duckdb.InterruptException, RuntimeError) as error:
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error  # Ctrl-C reaches DuckDB first and comes back under its own name


def _no_room() -> FailError:
    return FailError(
        "the job needs more working memory or temporary disk than it may use; nothing was written for this step. "
        "Raise DYNSYNC_MEMORY_MB or DYNSYNC_DISK_MB, or split the source."
    )


@contextmanager
def room_in_words() -> Iterator[None]:
    """A full disk in words, for files that are written past the database. Raises `FailError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _no_room() from error


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """Interrupt a statement that runs longer than `seconds`."""
    if seconds is None:
        yield
        return
    late = threading.Event()

    def interrupt() -> None:
        late.set()
        connection.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.start()
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        if not late.is_set():
            raise
        found = f"the definition's expressions took longer than {seconds:,.0f} s over the source"
        raise FailError(f"{found}; simplify its formulas and filters, or split the source") from error
    finally:
        timer.cancel()


def _list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"
