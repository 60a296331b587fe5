"""SQL Server, as far as it goes without one: strings, statements, types and errors, over a driver that is played."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlglot

from shared.databases.sqlserver import connection_string
from shared.errors import AuthenticationError, NotBuiltError, SourceError
from shared.ports import StagedSource
from shared.sources.dbapi import DbApiSource, select_table
from shared.sources.newer import Condition, narrowed, nothing_of
from shared.sources.sqlserver import require_select, sqlserver_source
from tests.unit.sources.sink import FileSink

RECORDED = [
    ("no", str, None, 20, 20, 0, False),
    ("credit", Decimal, None, 12, 12, 2, True),
    ("tier", int, None, 10, 10, 0, True),
    ("active", bool, None, 1, 1, 0, True),
    ("share", float, None, 53, 53, 0, True),
    ("seen", datetime, None, 34, 34, 7, True),
    ("photo", bytes, None, 100, 100, 0, True),
]
"""A description as the driver gives it: Python's types by column (mssql-python 1.16)."""
ROW = ("007", Decimal("1.50"), 3, True, 0.1, datetime(2026, 1, 31, 8, tzinfo=UTC), b"ab")


class Played(types.ModuleType):
    """What the product uses of mssql-python."""

    class Error(Exception): ...

    class ConnectionStringParseError(Exception): ...

    def __init__(self, refusal: Exception | None = None) -> None:
        super().__init__("mssql_python")
        self.refusal, self.strings, self.ran, self.closed = refusal, list[str](), list[tuple[str, object]](), 0
        self.description: Sequence[Sequence[object]] = RECORDED
        self.rows = [ROW]

    def connect(self, text: str, *, autocommit: bool, timeout: int) -> Played:
        assert not autocommit and timeout
        self.strings.append(text)
        if self.refusal:
            raise self.refusal
        return self

    def cursor(self) -> Played:
        return self

    def execute(self, statement: str, parameters: object) -> None:
        self.ran.append((statement, parameters))

    def fetchmany(self, size: int) -> list[tuple[object, ...]]:
        rows, self.rows = self.rows[:size], self.rows[size:]
        return rows

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played()
    monkeypatch.setitem(sys.modules, "mssql_python", played)
    return played


def source(sql: str = "SELECT * FROM t", *wanted: str, table: str | None = None, **variables: str) -> DbApiSource:
    return sqlserver_source(
        "Server=db.example.com;Database=erp;UID=x;PWD={hu;sh}", sql, wanted=wanted or ("no",), variables=variables,
        identity=None, shown="the database", table=table,
    )  # fmt: skip


def test_rows_are_staged_by_the_types_that_the_driver_tells(driver: Played, sink: FileSink) -> None:
    """Numbers and truth values as such, everything else as text that loses nothing."""
    names = [str(item[0]) for item in RECORDED]
    assert source("SELECT * FROM t WHERE no = @no AND note <> '@no'", *names, no="007").stage(sink) == StagedSource(1)
    assert driver.ran == [("SELECT * FROM t WHERE no = ? AND note <> '@no'", ["007"])]
    assert sink.rows() == [(1, "007", "1.50", 3, True, 0.1, "2026-01-31T08:00:00+00:00", "YWI=")]
    kinds = ["BIGINT", "VARCHAR", "VARCHAR", "BIGINT", "BOOLEAN", "DOUBLE", "VARCHAR", "VARCHAR"]
    assert list(sink.columns().values()) == kinds
    assert driver.closed == 1


@pytest.mark.parametrize(
    ("table", "kept", "about"),
    [
        ("sales.customers", [(25_000,)], 25_000),
        ("customers", [(Decimal(0),)], 0),
        ("a_view", [(None,)], None),
        ("elsewhere.sales.customers", [(25_000,)], None),
        ("refused", None, None),
        (None, [(25_000,)], None),
    ],
)
def test_a_first_look_tells_the_rows_that_a_table_keeps(
    driver: Played, monkeypatch: pytest.MonkeyPatch, table: str | None, kept: list[tuple[object]] | None, about: int
) -> None:
    """Names travel as values; a view, another database's table, a filter and a refusal tell nothing."""
    plain = driver.execute

    def execute(statement: str, parameters: object) -> None:
        plain(statement, parameters)
        if "sys.partitions" in statement:
            if kept is None:
                raise Played.Error("The SELECT permission was denied")
            driver.rows = list(kept)

    monkeypatch.setattr(driver, "execute", execute)
    found = source(table=table).sample(10)
    assert (len(found.rows), found.about) == (1, about)
    if about is not None and table is not None:
        (asked, parts) = driver.ran[-1]
        assert parts == table.split(".")
        assert asked.count("?") == len(parts)


@pytest.mark.parametrize(
    ("given", "identity", "added"),
    [
        ("Server=s;UID=x;PWD=y", None, ";Encrypt=yes;ApplicationIntent=ReadOnly"),
        ("Server=s;Encrypt=strict;ApplicationIntent=ReadWrite;Trusted_Connection=yes;", None, ""),
        ("Server=s", None, ";Encrypt=yes;ApplicationIntent=ReadOnly;Authentication=ActiveDirectoryDefault"),
        ("Server=s", "1-2", ";Encrypt=yes;ApplicationIntent=ReadOnly;Authentication=ActiveDirectoryMSI;UID=1-2"),
        ("Server=s;User Id=x;Password={a;b}}c=d}", None, ";Encrypt=yes;ApplicationIntent=ReadOnly"),
    ],
)
def test_what_a_string_leaves_open_is_filled_in(given: str, identity: str | None, added: str) -> None:
    """TLS, reading only, and the identity where nobody signs in; what it says stays."""
    assert connection_string(given, identity=identity, shown="it", reads=True) == given.rstrip(";") + added


@pytest.mark.parametrize("secret", ["let-me-in", "", "Server=s;hush", "UID=x;PWD=hush", "Server={s;PWD=hush"])
def test_what_is_no_connection_string_is_not_shown(secret: str) -> None:
    """It may be a password."""
    with pytest.raises(SourceError, match="holds no connection string") as caught:
        connection_string(secret, identity=None, shown="it", reads=True)
    assert "hush" not in str(caught.value)
    assert "let-me-in" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "SELECT * INTO copy FROM t",
        "SELECT 1; COMMIT; DROP TABLE t",
        "EXEC sp_who",
        "UPDATE t SET a = 1",
        "MERGE t USING s ON t.a = s.a WHEN MATCHED THEN DELETE;",
        "SELECT 1; SELECT 2",
        "DECLARE @x int = 1",
        "",
    ],
)
def test_only_one_select_is_sent(driver: Played, sql: str) -> None:
    """Nothing else reaches the server."""
    with pytest.raises(SourceError, match="one SELECT"):
        source(sql, x="1")
    assert driver.strings == []


def test_selects_of_every_shape_are_let_through() -> None:
    """As databases are asked in practice."""
    for sql in (
        "SELECT TOP 5 [a b], COUNT(*) OVER (PARTITION BY c) FROM [dbo].[t] WITH (NOLOCK) WHERE d > ? ORDER BY 1",
        "WITH x AS (SELECT a FROM t) SELECT a FROM x UNION ALL SELECT b FROM u",
        "SELECT * FROM t CROSS APPLY OPENJSON(t.j) WITH (k int '$.k') -- a remark",
        "SELECT CONVERT(varchar(10), d, 120) AS d, IIF(a = 1, 'x', 'y') AS i FROM t FOR SYSTEM_TIME AS OF ?",
    ):
        require_select(sql, shown="it")


def test_a_refusal_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong login, no network, a string that the driver does not take."""
    for refusal, kind, words in (
        (Played.Error("Login failed for user 'x'. (18456)"), AuthenticationError, "refused the login"),
        (Played.Error("Login timeout expired"), SourceError, "cannot be reached: Login timeout"),
        (RuntimeError("Failed to load the driver"), SourceError, "Failed to load the driver; install libltdl7"),
        (Played.ConnectionStringParseError("unknown keyword 'hush'"), SourceError, "leave out what only other"),
    ):
        monkeypatch.setitem(sys.modules, "mssql_python", Played(refusal))
        with pytest.raises(kind, match=words) as caught:
            source().column_types()
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Invalid object name 'dbo.gone'.", "the table is gone"),
        ("Invalid column name 'gone'.", "the column is gone"),
        ("The SELECT permission was denied on the object 't'", "give the login the right to SELECT"),
        ("Incorrect syntax near 'FORM'.", "correct the table, query or filter"),
    ],
)
def test_a_statement_that_is_refused_says_why(
    driver: Played, monkeypatch: pytest.MonkeyPatch, sink: FileSink, said: str, remedy: str
) -> None:
    """The server's own words, and what to do; the connection is closed."""

    def execute(_statement: str, _parameters: object) -> None:
        raise Played.Error(said)

    monkeypatch.setattr(driver, "execute", execute)
    with pytest.raises(SourceError, match=re.escape(said) + f".*{remedy}"):
        source().stage(sink)
    assert driver.closed == 1


def test_what_the_product_writes_itself_is_one_select() -> None:
    """A table, its columns alone, its newer rows: read back as T-SQL, with every name kept letter by letter."""
    table = select_table('sales.cust"o]mers', "credit > ?")
    since = narrowed(table, {}, 'changed "at"', Condition("{column} >= CAST({bound} AS decimal(38, 10))", "1"))
    for sql in (table, nothing_of(table), since[0].replace("@since", "?")):
        require_select(sql, shown="it")
        found = sqlglot.parse_one(sql, read="tsql")
        assert [(one.db, one.name) for one in found.find_all(sqlglot.exp.Table)] == [("sales", 'cust"o]mers')]
    assert 'changed "at"' in {one.name for one in found.find_all(sqlglot.exp.Column)}


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's name, and where it is entered."""
    monkeypatch.setitem(sys.modules, "mssql_python", None)
    with pytest.raises(NotBuiltError, match=r"needs the package mssql-python.*requirements\.txt"):
        source()
