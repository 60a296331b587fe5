"""Databases through any DB-API 2.0 driver: one statement, bound variables, rows in batches.

A driver gives a function that connects, its placeholder style and its error class; the rest is the same for all.
Source: PEP 249, Python Database API Specification v2.0.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Protocol, cast

from shared.databases.binding import ParameterStyle, bind
from shared.errors import SourceError
from shared.ports import MalformedRow, SourceSink, StagedSource
from shared.sources import names
from shared.sources.newer import Condition, narrowed, nothing_of
from shared.sql import identifier
from shared.values.looks import SourceSample
from shared.values.watermarks import Since

BATCH = 10_000
"""Rows fetched at once."""
_MAX_MALFORMED = 100_000


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    @property
    def description(self) -> Sequence[Sequence[object]] | None:
        """One item per result column, its name first; None without a result."""

    def execute(self, statement: str, parameters: Sequence[str] | Mapping[str, str], /) -> object:
        """Run a statement."""

    def fetchmany(self, size: int, /) -> Sequence[Sequence[object]]:
        """The next rows; none at the end."""


class Connection(Protocol):
    """What is used of a driver's connection."""

    def cursor(self) -> Cursor:
        """A new cursor."""

    def close(self) -> None:
        """Close the connection."""


def all_text(description: Sequence[Sequence[object]]) -> list[str]:
    """Every column as VARCHAR: the rule that loses nothing."""
    return ["VARCHAR"] * len(description)


def everything(_column: Sequence[object], _since: Since) -> Condition | None:
    """No condition: all rows are read, and the engine leaves the older ones out."""
    return None


def unknown(_cursor: Cursor) -> int | None:
    """How many rows there are would need a count."""
    return None


@dataclass(frozen=True, slots=True)
class Driver:
    """One driver. `column_types` gives a DuckDB type per result column; only VARCHAR columns have values made text.

    `newer` gives the condition under which a row is new, for the watermark's item of the result's description. `about`
    asks about how many rows there are, where the database keeps that.
    """

    connect: Callable[[], Connection]
    errors: tuple[type[Exception], ...]
    style: ParameterStyle
    column_types: Callable[[Sequence[Sequence[object]]], list[str]] = all_text
    newer: Callable[[Sequence[object], Since], Condition | None] = everything
    about: Callable[[Cursor], int | None] = unknown


def select_table(table: str, condition: str | None) -> str:
    """A statement that reads a whole table (`schema.table`), or the rows for which `condition` holds."""
    name = ".".join(identifier(part) for part in table.split("."))
    return f"SELECT * FROM {name}" + (f" WHERE (\n{condition}\n)" if condition else "")


@dataclass(frozen=True, slots=True)
class DbApiSource:
    """The result of one statement as a source. `shown` names the database in messages; it never holds a secret."""

    driver: Driver
    sql: str
    variables: Mapping[str, str]
    wanted: tuple[str, ...]
    shown: str
    since: Since | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """None: rows come through the driver."""
        return ()

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: the rows in the order of the database, fetched by 10,000."""
        names.require_distinct(self.wanted, where=self.shown)
        with self._connected() as cursor:
            types = self._run(cursor, *self._narrowed(cursor))
            names.require(self.wanted, list(types), where=f"the result of {self.shown}")
            columns = {name: types[name] for name in self.wanted}
            sink.create({"row_no": "BIGINT"} | columns)
            picked = _Picked([list(types).index(name) for name in self.wanted], list(columns.values()))
            read, malformed = 0, list[MalformedRow]()
            while rows := cursor.fetchmany(BATCH):
                good = list(picked.rows(rows, after=read, malformed=malformed))
                read += len(rows)
                if good:
                    sink.append(good)
        return StagedSource(records=read - len(malformed), malformed=tuple(malformed))

    def column_types(self) -> Mapping[str, str]:
        """The result's columns and the DuckDB types they are staged as."""
        with self._connected() as cursor:
            return self._run(cursor, self.sql, self.variables)

    def sample(self, size: int) -> SourceSample:
        """The columns, the first rows, and about how many there are, where the database keeps that."""
        with self._connected() as cursor:
            types = self._run(cursor, self.sql, self.variables)
            rows = cursor.fetchmany(size)
            about = self.driver.about(cursor)
        return SourceSample(types, tuple(tuple(as_text(value) for value in row) for row in rows), about)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Cursor]:
        try:
            with contextlib.closing(self.driver.connect()) as connection:
                yield connection.cursor()
        except self.driver.errors as error:
            raise SourceError(f"{self.shown} refused the read: {error}; {_remedy(str(error))}") from None

    def _narrowed(self, cursor: Cursor) -> tuple[str, Mapping[str, str]]:
        """The statement and its variables; of an incremental sync only what is newer, where the database can tell."""
        if self.since is None or self.driver.newer is everything:
            return self.sql, self.variables
        self._run(cursor, nothing_of(self.sql), self.variables)
        described = {str(item[0]): item for item in cursor.description or ()}
        names.require([self.since.column], list(described), where=f"the result of {self.shown}")
        cursor.fetchmany(1)
        condition = self.driver.newer(described[self.since.column], self.since)
        if condition is None:
            return self.sql, self.variables
        return narrowed(self.sql, self.variables, self.since.column, condition)

    def _run(self, cursor: Cursor, sql: str, variables: Mapping[str, str]) -> dict[str, str]:
        """Run a statement; gives its columns and the DuckDB types they are staged as."""
        statement = bind(sql, variables, style=self.driver.style)
        cursor.execute(statement.text, statement.parameters)
        return self._types(cursor)

    def _types(self, cursor: Cursor) -> dict[str, str]:
        if cursor.description is None:
            raise SourceError(f"the statement for {self.shown} gives no rows; write a SELECT")
        columns = [str(item[0]) for item in cursor.description]
        twice = next((name for at, name in enumerate(columns) if name in columns[:at]), None)
        if twice is not None:
            raise SourceError(f"the result of {self.shown} has the column {twice!r} twice; name each with AS")
        return dict(zip(columns, self.driver.column_types(cursor.description), strict=True))


_DAMAGED = ("truncated", "malformed", "not a database", "disk I/O error")
DAMAGED = (
    "it is damaged or a file of another kind, or its copy was not finished; nothing was taken from it; get it again"
)
"""What to do about a database file that breaks off."""


_REMEDIES = {
    ("no such table", "Invalid object name"): "the table is gone, has another name or is in another schema: correct "
    "`table` or `query`",
    ("no such column", "Invalid column name"): "the column is gone or has another name: correct `query` or `filter`",
    ("permission was denied",): "give the login the right to SELECT",
}
"""By words of SQLite and SQL Server. Source: SQL Server, Database Engine errors 207, 208 and 229, Microsoft Learn."""


def _remedy(reason: str) -> str:
    if "locked" in reason or "busy" in reason:
        return "another program holds the database; run the job again when it is done"
    if any(word in reason for word in _DAMAGED):
        return DAMAGED
    for words, remedy in _REMEDIES.items():
        if any(word in reason for word in words):
            return remedy
    return "correct the table, query or filter of the source"


@dataclass(frozen=True, slots=True)
class _Picked:
    """The wanted cells of rows, by position; texts where the column is staged as VARCHAR."""

    positions: list[int]
    types: list[str]

    def rows(
        self, rows: Sequence[Sequence[object]], *, after: int, malformed: list[MalformedRow]
    ) -> Iterator[tuple[object, ...]]:
        columns = list(zip(*rows, strict=True))
        picked: list[Sequence[object]] = [range(after + 1, after + 1 + len(rows))]
        damaged: set[int] = set()
        for at, kind in zip(self.positions, self.types, strict=True):
            column: Sequence[object] = columns[at]
            if kind == "VARCHAR":
                texts = _texts(column)
                if "\0" in "".join(filter(None, texts)):
                    damaged.update(number for number, text in enumerate(texts) if text and "\0" in text)
                column = texts
            picked.append(column)
        for at in sorted(damaged):
            set_aside(after + 1 + at, malformed)
        whole = zip(*picked, strict=True)
        return (row for number, row in enumerate(whole) if number not in damaged) if damaged else whole


def set_aside(row: int, malformed: list[MalformedRow]) -> None:
    """Note a row with a NUL character, which no text holds. Raises SourceError when there are too many."""
    if len(malformed) >= _MAX_MALFORMED:
        raise SourceError(f"more than {_MAX_MALFORMED:,} rows hold a NUL character; check the data")
    malformed.append(MalformedRow(row, "a text holds a NUL character", ""))


def _texts(column: Sequence[object]) -> Sequence[str | None]:
    """A column as texts. Most hold texts or whole numbers alone, which need no look at each value."""
    kinds = set(map(type, column))
    if kinds <= {str, type(None)}:
        return cast("Sequence[str | None]", column)
    return list(map(str, column)) if kinds == {int} else [as_text(value) for value in column]


def as_text(value: object) -> str | None:
    """A driver's value as text that loses nothing but a zero's sign: digits, ISO dates, true, false, base64."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        plain = repr(value + 0.0) if isinstance(value, float) else ""  # the sum of a zero below zero is a zero
        return plain if plain[-1:].isdecimal() and "e" not in plain else format(Decimal(plain or value), "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return str(value)
