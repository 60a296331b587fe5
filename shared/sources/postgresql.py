"""PostgreSQL, read by COPY: one statement in a transaction that cannot write, streamed to a file beside the workspace.

Rows as Python objects would cost more than the whole rest of the read. COPY gives texts that lose nothing; DuckDB
reads them in parallel. Only the schema's columns travel.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from shared import variables
from shared.databases.binding import Statement, bind
from shared.databases.postgresql import CONNECT_S, driver, secured, unreachable
from shared.errors import SourceError
from shared.ports import SourceSink, StagedSource
from shared.sources import names
from shared.sources.csv_dialect import MAX_RECORD_BYTES
from shared.sources.newer import Condition, narrowed
from shared.sources.postgresql_copy import Copied
from shared.sources.postgresql_errors import refusal
from shared.sources.text_file import room_for
from shared.sql import identifier, literal
from shared.values.looks import SourceSample
from shared.values.watermarks import Since

if TYPE_CHECKING:
    import psycopg

_SETTINGS = {"TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "iso_8601", "extra_float_digits": "1"}
_HEAD = "SELECT * FROM (\n"
_TAIL = "\n) AS source"
_STAGED = {16: "BOOLEAN", 20: "BIGINT", 21: "BIGINT", 23: "BIGINT", 26: "BIGINT", 700: "DOUBLE", 701: "DOUBLE"}
_KINDS = _STAGED | {1700: "DECIMAL", 790: "DECIMAL", 1082: "DATE", 1114: "TIMESTAMP", 1184: "TIMESTAMP WITH TIME ZONE"}
"""DuckDB's types by PostgreSQL's object ids. Staged as such is only what no value can break: a numeric may be NaN, a
date infinite or before Christ, and one such value must reject its record, not end the job.

Source: pg_type.dat of PostgreSQL 17 (object ids of built-in types never change)."""
_BYTES, _MONEY = 17, 790
_DAY, _WALL, _INSTANT = 1082, 1114, 1184
_WHOLE = (20, 21, 23)
_NUMBERS = (*_WHOLE, 700, 701, 1700)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the result: its name, its type's object id, and whether that is a list."""

    name: str
    oid: int
    is_list: bool

    @property
    def kind(self) -> str:
        """The DuckDB type that its values are."""
        return _KINDS.get(self.oid, "VARCHAR")

    @property
    def staged(self) -> str:
        """The DuckDB type as which it is staged."""
        return _STAGED.get(self.oid, "VARCHAR")

    def newer(self, since: Since, time_zone: str) -> Condition | None:
        """The condition under which a row is new; None for types that do not sort as their values do."""
        number = since.number()
        if number is not None and self.oid in _WHOLE:
            number = str(math.floor(Decimal(number)))
        bounds = {_DAY: since.day(), _WALL: since.wall(time_zone), _INSTANT: since.instant()}
        bound = bounds.get(self.oid, number if self.oid in _NUMBERS else None)
        return None if bound is None else Condition("{column} >= {bound}", bound)

    def expression(self) -> str:
        """What COPY selects for it."""
        name = identifier(self.name)
        if self.oid in _STAGED:
            return name
        if self.oid == _BYTES:
            return f"replace(encode({name}, 'base64'), chr(10), '')"
        if self.is_list:
            return f"to_json({name})::text"
        return f"{name}::numeric::text" if self.oid == _MONEY else f"{name}::text"


@dataclass(frozen=True, slots=True)
class PostgresSource:
    """The result of one SELECT as a source. `conninfo` is never shown; `shown` names the database in messages."""

    conninfo: str
    sql: str
    variables: Mapping[str, str]
    wanted: tuple[str, ...]
    shown: str
    spool: Path
    since: Since | None = None
    time_zone: str = "UTC"

    @property
    def files(self) -> tuple[Path, ...]:
        """None: the rows are copied into the spool folder."""
        return ()

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: numbers and truth values as such, everything else as text; null and '' are told apart."""
        names.require_distinct(self.wanted, where=self.shown)
        with tempfile.TemporaryDirectory(prefix="dynsync-", dir=self.spool) as folder:
            path = Path(folder) / "rows.csv"
            with self._connected() as connection:
                found = {column.name: column for column in self._columns(connection)}
                names.require(self.wanted, list(found), where=f"the result of {self.shown}")
                columns = [found[name] for name in self.wanted]
                rows = self._narrowed(found)._copy(connection, columns, path)
            try:
                staged = sink.fill(_read(path, columns) if rows else _none(columns))
            except duckdb.Error as error:
                reason = str(error).partition("\n")[0]
                raise SourceError(f"the rows of {self.shown} cannot be staged: {reason}") from None
        if staged != rows:
            raise SourceError(f"{self.shown} gave {rows:,} rows, of which {staged:,} could be staged; report this")
        return StagedSource(records=staged)

    def column_types(self) -> Mapping[str, str]:
        """The result's columns and the DuckDB types that stand for the database's."""
        with self._connected() as connection:
            return {column.name: column.kind for column in self._columns(connection)}

    def sample(self, size: int) -> SourceSample:
        """The columns, the first rows, and about how many there are: what the server's planner expects."""
        with self._connected() as connection:
            columns = self._columns(connection)
            cells = ", ".join(f"({column.expression()})::text" for column in columns)
            rows = self._run(
                connection, self._bound(f"SELECT {cells} FROM (\n", f"{_TAIL} LIMIT {int(size)}")
            ).fetchall()
            explained = self._run(connection, self._bound(f"EXPLAIN (FORMAT JSON) {_HEAD}", _TAIL)).fetchall()
        about = int(explained[0][0][0]["Plan"]["Plan Rows"])
        return SourceSample({column.name: column.kind for column in columns}, tuple(map(tuple, rows)), about)

    def _narrowed(self, found: Mapping[str, Column]) -> PostgresSource:
        """The same source; of an incremental sync only what is newer, where the column's type sorts."""
        if self.since is None:
            return self
        names.require([self.since.column], list(found), where=f"the result of {self.shown}")
        condition = found[self.since.column].newer(self.since, self.time_zone)
        if condition is None:
            return self
        sql, bound = narrowed(self.sql, self.variables, self.since.column, condition)
        return replace(self, sql=sql, variables=bound)

    def _bound(self, head: str, tail: str) -> Statement:
        inner = bind(self.sql, self.variables, style="pyformat")
        return Statement(head.replace("%", "%%") + inner.text + tail.replace("%", "%%"), inner.parameters)

    @property
    def _sent(self) -> str:
        """The statement as psycopg sends it: each variable's number in its place."""
        numbers: dict[str, str] = {}
        pieces = variables.code_pieces(self.sql)
        return variables.render(pieces, lambda name: numbers.setdefault(name, f"${len(numbers) + 1}"))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in one transaction that reads: one moment of the database, and no way to write."""
        psycopg = driver()
        try:
            connection = psycopg.connect(secured(self.conninfo, self.shown), connect_timeout=CONNECT_S)
        except psycopg.Error as error:
            raise unreachable(error, self.shown) from None
        with contextlib.closing(connection):
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            try:
                for name, value in _SETTINGS.items():
                    connection.execute("SELECT set_config(%s, %s, true)", (name, value))
                yield connection
            except psycopg.Error as error:
                raise refusal(error, self.shown, self._sent, head=len(_HEAD)) from None

    def _run(self, connection: psycopg.Connection[Any], statement: Statement) -> psycopg.Cursor[Any]:
        # Prepared: the server takes exactly one statement then.
        return connection.execute(statement.text.encode(), statement.parameters, prepare=True)

    def _columns(self, connection: psycopg.Connection[Any]) -> list[Column]:
        cursor = self._run(connection, self._bound(_HEAD, f"{_TAIL} LIMIT 0"))
        found = []
        for item in cursor.description or ():
            known = connection.adapters.types.get(item.type_code)
            found.append(Column(item.name, item.type_code, known is not None and known.array_oid == item.type_code))
        listed = [column.name for column in found]
        twice = next((name for at, name in enumerate(listed) if name in listed[:at]), None)
        if twice is not None:
            raise SourceError(f"the result of {self.shown} has the column {twice!r} twice; name each with AS")
        return found

    def _copy(self, connection: psycopg.Connection[Any], columns: list[Column], path: Path) -> int:
        cells = ", ".join(column.expression() for column in columns)
        # The text within the brackets has just been prepared as one statement, so it cannot leave them.
        statement = self._bound(f"COPY (SELECT {cells} FROM (\n", f"{_TAIL}) TO STDOUT (FORMAT csv)")
        with path.open("wb") as out, connection.cursor() as cursor:
            with cursor.copy(statement.text.encode(), statement.parameters):
                copied = Copied(connection)
                for block in copied.blocks():
                    room_for(out, self.spool, len(block), Path(self.shown))
                    out.write(block)
            return copied.rows or 0


def _read(path: Path, columns: list[Column]) -> str:
    types = ", ".join(f"'c{at}': '{column.staged}'" for at, column in enumerate(columns))
    cells = ", ".join(f"c{at} AS {identifier(column.name)}" for at, column in enumerate(columns))
    return f"""
        SELECT row_number() OVER () AS row_no, {cells} FROM read_csv({literal(str(path))},
          auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n',
          columns = {{{types}}}, allow_quoted_nulls = false, compression = 'none', strict_mode = true,
          max_line_size = {MAX_RECORD_BYTES}, buffer_size = {2 * MAX_RECORD_BYTES})"""


def _none(columns: list[Column]) -> str:
    cells = ", ".join(f"NULL::{column.staged} AS {identifier(column.name)}" for column in columns)
    return f"SELECT 1::BIGINT AS row_no, {cells} WHERE false"
