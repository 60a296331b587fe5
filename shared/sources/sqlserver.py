"""SQL Server and Azure SQL through mssql-python, which brings its own driver.

SQL Server has no session that can only read. So the text must be one SELECT, the connection says that it only reads
(`ApplicationIntent`), and its transaction is never committed; the login should have no more than db_datareader.
Source: mssql-python, Microsoft, wiki pages on connection strings and on supported types (2026).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import sqlglot
from sqlglot import exp

from shared.databases.binding import bind
from shared.databases.sqlserver import connected, connection_string, driver
from shared.errors import SourceError
from shared.sources.dbapi import Connection, Cursor, DbApiSource, Driver
from shared.sources.newer import Condition
from shared.values.watermarks import Since

_MILLISECONDS = len("2026-01-31T08:00:00.000")
"""The most that the older type `datetime` reads."""
_NAMED_HERE = 2
"""Parts of a table's name within its database: schema and name."""
_WRITES = (exp.Into, exp.DML, exp.DDL, exp.Command)
_STAGED: Mapping[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE"}
"""What no value can break; decimals, dates and the rest are staged as text and read by the schema."""


def column_types(description: Sequence[Sequence[object]]) -> list[str]:
    """A DuckDB type for each column of a result; the driver describes types as Python's."""
    return [_STAGED.get(item[1], "VARCHAR") if isinstance(item[1], type) else "VARCHAR" for item in description]


def require_select(sql: str, *, shown: str) -> None:
    """Hold that a T-SQL text, variables already marked by `?`, is one SELECT.

    Raises:
        SourceError: it is more, or something else.
    """
    try:
        found = [one for one in sqlglot.parse(sql, read="tsql") if one is not None]
    except sqlglot.errors.SqlglotError as error:
        reason = str(error).partition("\n")[0]
        raise SourceError(f"{shown}: the query cannot be read ({reason}); write one SELECT, or read a view") from None
    if len(found) != 1 or not isinstance(found[0], exp.Query) or found[0].find(*_WRITES):
        raise SourceError(f"{shown}: a source only reads; write one SELECT, without INTO and other statements")


def newer(column: Sequence[object], since: Since, *, time_zone: str) -> Condition | None:
    """By the column's type; times with and without an offset look alike, so the earlier of both bounds serves.

    Source: Microsoft Learn, T-SQL, date and time literals: ISO 8601 is read alike under every language setting.
    """
    if column[1] in (int, float, Decimal) and (number := since.number()) is not None:
        return Condition("{column} >= CAST({bound} AS decimal(38, 10))", number)
    if column[1] is date and (day := since.day()) is not None:
        return Condition("{column} >= {bound}", day.replace("-", ""))
    instant, wall = since.instant(), since.wall(time_zone)
    if column[1] is not datetime or instant is None or wall is None:
        return None
    return Condition("{column} >= {bound}", min(instant, wall)[:_MILLISECONDS])


def rows_kept(cursor: Cursor, table: str, refusals: tuple[type[Exception], ...]) -> int | None:
    """About how many rows a table has: what its heap or clustered index keeps; None for a view or after a refusal.

    Whoever may read the table sees that; `sys.dm_db_partition_stats` would ask for a right more.
    Source: Microsoft Learn, sys.partitions (Transact-SQL): column `rows`, and permissions.
    """
    parts = table.split(".")
    if len(parts) > _NAMED_HERE:
        return None  # of another database, whose partitions are not listed in this one
    name = " + '.' + ".join(["QUOTENAME(?)"] * len(parts))
    sql = f"SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID({name}) AND index_id IN (0, 1)"
    try:
        cursor.execute(sql, parts)
        (row,) = cursor.fetchmany(1)
    except refusals:
        return None
    return int(str(row[0])) if row[0] is not None else None


def fits_in_brackets(sql: str) -> bool:
    """Whether a SELECT may stand within another: T-SQL lets none that begins with WITH or is sorted at its end."""
    found = sqlglot.parse_one(sql, read="tsql")
    return found.find(exp.With) is None and found.args.get("order") is None


def sqlserver_source(
    secret: str,
    sql: str,
    *,
    wanted: tuple[str, ...],
    variables: Mapping[str, str],
    identity: str | None,
    shown: str,
    since: Since | None = None,
    time_zone: str = "UTC",
    table: str | None = None,
) -> DbApiSource:
    """The result of a SELECT; `@name` outside of quotes is bound. `table`: the one whose every row it gives.

    Raises:
        NotBuiltError: the driver is not installed.
        SourceError: the secret is no connection string, or the text no single SELECT.
    """
    module = driver()
    marked = bind(sql, variables, style="qmark").text
    require_select(marked, shown=shown)
    text = connection_string(secret, identity=identity, shown=shown, reads=True)

    def connect() -> Connection:
        opened: Connection = connected(module, text, shown)
        return opened

    def about(cursor: Cursor) -> int | None:
        return rows_kept(cursor, table, (module.Error,)) if table else None

    way = Driver(connect, (module.Error,), "qmark", column_types, functools.partial(newer, time_zone=time_zone), about)
    return DbApiSource(way, sql, variables, wanted, shown, since if since and fits_in_brackets(marked) else None)
