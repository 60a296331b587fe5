"""PostgreSQL is read and never written; values lose nothing; every refusal says what, where and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from shared.databases.postgresql import secured
from shared.errors import AuthenticationError, NotBuiltError, SourceError
from shared.ports import StagedSource
from shared.sources.dbapi import select_table
from shared.sources.postgresql import PostgresSource
from tests.postgres import Server, free_port
from tests.unit.sources.sink import FileSink

pytestmark = pytest.mark.needs("postgresql")
TABLES = """
CREATE TABLE customers (
  no text, "Legal ""name" varchar(50), credit numeric(20, 4), tier int2, share float8, active bool, since date,
  seen timestamptz, at_hour time, photo bytea, tags text[], more jsonb, padded char(5), id uuid, owed money
);
INSERT INTO customers VALUES
  ('007', E'O''Brien, "Ltd"\\n東京', 12345678901234.5000, 3, 0.1, true, '2026-01-31', '2026-01-31 08:30:00.5+01',
   '08:30', '\\x6162', '{a,"b c"}', '{"k": [1, null]}', 'ab', '6f9619ff-8b86-d011-b42d-00cf4fc964ff', 12.50),
  ('008', '', 'NaN', NULL, 'Infinity', false, '0044-03-15 BC', 'infinity', NULL, '', '{}', 'null', NULL, NULL, NULL),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE "Sales 2026" (n int);
INSERT INTO "Sales 2026" SELECT generate_series(1, 25000);
CREATE ROLE reader LOGIN PASSWORD 'let me in';
CREATE TABLE hidden (n int);
"""


@pytest.fixture(scope="module")
def server(postgresql: Server) -> Server:
    with psycopg.connect(postgresql.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE erp")
    with psycopg.connect(postgresql.conninfo("erp"), autocommit=True) as connection:
        connection.execute(TABLES)
    return postgresql


@pytest.fixture
def writer(server: Server) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(server.conninfo("erp"), autocommit=True) as connection:
        yield connection


def source(
    conninfo: str, sql: str, *wanted: str, spool: Path, variables: Mapping[str, str] | None = None
) -> PostgresSource:
    return PostgresSource(conninfo, sql, variables or {}, wanted, "the database 'erp'", spool)


def test_values_are_staged_as_they_stand(server: Server, sink: FileSink, tmp_path: Path) -> None:
    """All digits, zeros in front, line ends, quotes; bytes as base64, lists as JSON; '' is not null."""
    names = ["no", 'Legal "name', "credit", "tier", "share", "active", "since", "seen", "at_hour", "photo", "tags"]
    names += ["more", "padded", "id", "owed"]
    found = source(server.conninfo("erp"), select_table("public.customers", None), *names, spool=tmp_path)
    assert found.stage(sink) == StagedSource(records=3)
    assert sink.rows() == [
        (1, "007", "O'Brien, \"Ltd\"\n東京", "12345678901234.5000", 3, 0.1, True, "2026-01-31",
         "2026-01-31 07:30:00.5+00", "08:30:00", "YWI=", '["a","b c"]', '{"k": [1, null]}', "ab",
         "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "12.50"),
        (2, "008", "", "NaN", None, float("inf"), False, "0044-03-15 BC", "infinity", None, "", "[]", "null", None,
         None, None),
        (3, *[None] * 15),
    ]  # fmt: skip
    assert {name: sink.columns()[name] for name in ("tier", "share", "active", "credit")} == {
        "tier": "BIGINT", "share": "DOUBLE", "active": "BOOLEAN", "credit": "VARCHAR",
    }  # fmt: skip
    types = found.column_types()
    assert [types[name] for name in ("credit", "since", "seen", "more")] == [
        "DECIMAL", "DATE", "TIMESTAMP WITH TIME ZONE", "VARCHAR",
    ]  # fmt: skip
    assert list(tmp_path.glob("dynsync-*")) == []


def test_many_rows_keep_their_order_and_none_are_none(server: Server, sink: FileSink, tmp_path: Path) -> None:
    """Rows are numbered as the database gives them; an empty result still has its columns."""
    assert source(server.conninfo("erp"), select_table("Sales 2026", None), "n", spool=tmp_path).stage(sink) == (
        StagedSource(records=25_000)
    )
    assert sink.query("SELECT count(*) FROM source WHERE row_no = n") == [(25_000,)]
    empty = FileSink(tmp_path / "empty.duckdb")
    assert source(server.conninfo("erp"), "SELECT 1 AS n WHERE false", "n", spool=tmp_path).stage(empty).records == 0
    assert empty.columns() == {"row_no": "BIGINT", "n": "BIGINT"}


@pytest.mark.parametrize(("value", "rows"), [("007", 1), ("x' OR '1'='1", 0), ("\\'; DROP TABLE customers; --", 0)])
def test_variables_are_bound(server: Server, sink: FileSink, tmp_path: Path, value: str, rows: int) -> None:
    """A value is compared, never parsed; its type is what it is compared with; a per cent sign is itself."""
    sql = select_table("customers", "no = @no AND no LIKE '%7' AND tier < @tier AND no <> '@no' -- a remark")
    variables = {"no": value, "tier": "10"}
    found = source(server.conninfo("erp"), sql, "no", spool=tmp_path, variables=variables)
    assert found.stage(sink).records == rows


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT no\nFORM customers", ["syntax error", "line 2, column 6, at 'customers'", "correct `query`"]),
        ("SELECT @x || no\nFROM customers WHERE nope = 1", ['"nope"', "line 2, column 22, at 'nope", "column is gone"]),
        ("SELECT * FROM orders", ['relation "orders" does not exist', "line 1, column 15", "table is gone"]),
        ("SELECT 1 / 0 AS no", ["division by zero"]),
        ("DELETE FROM customers", ["syntax error"]),
        ("SELECT 1 AS no) AS source; DELETE FROM customers; SELECT * FROM (SELECT 1", ["multiple commands"]),
        ("WITH gone AS (DELETE FROM customers RETURNING no) SELECT no FROM gone", ["WITH clause", "top level"]),
        ("SELECT nextval('steps')::text AS no", ["read-only transaction", "a source only reads"]),
        ("SELECT set_config('transaction_read_only', 'off', true) AS no", ["read-write mode"]),
        ("SELECT no, no FROM customers", ["'no' twice", "AS"]),
        ("SELECT tier FROM customers", ["no column 'no'", "'tier'"]),
    ],
)
def test_what_cannot_be_read_says_so(
    server: Server, writer: psycopg.Connection[tuple[object, ...]], sink: FileSink, tmp_path: Path, sql: str,
    words: list[str],
) -> None:  # fmt: skip
    """The database's own words, the place in the definition's text, and a remedy; nothing is ever written."""
    writer.execute("CREATE SEQUENCE IF NOT EXISTS steps")
    with pytest.raises(SourceError) as caught:
        source(server.conninfo("erp"), sql, "no", spool=tmp_path, variables={"x": "y"}).stage(sink)
    assert [word for word in ["the database 'erp'", *words] if word not in str(caught.value)] == []
    assert writer.execute("SELECT count(*) FROM customers").fetchall() == [(3,)]


def test_a_wrong_login_and_a_right_that_lacks(server: Server, sink: FileSink, tmp_path: Path) -> None:
    """Told apart, and the password is not shown."""
    with pytest.raises(AuthenticationError, match="refused the login") as caught:
        source(server.conninfo("erp", password="guessed-it"), "SELECT 1 AS no", "no", spool=tmp_path).stage(sink)
    assert "guessed-it" not in str(caught.value)
    reader = f"host=127.0.0.1 port={server.port} dbname=erp user=reader password='let me in'"
    with pytest.raises(SourceError, match="permission denied for table hidden; give the user the right to SELECT"):
        source(reader, "SELECT * FROM hidden", "n", spool=tmp_path).stage(sink)


def test_no_network_and_no_such_database(server: Server, sink: FileSink, tmp_path: Path) -> None:
    """What libpq says, and where to look."""
    nobody = f"host=127.0.0.1 port={free_port()} dbname=erp user=x password=hush"
    for conninfo, words in ((nobody, "refused"), (server.conninfo("nowhere"), "does not exist")):
        with pytest.raises(SourceError, match=f"cannot be reached: .*{words}.*; check host") as caught:
            source(conninfo, "SELECT 1 AS no", "no", spool=tmp_path).stage(sink)
        assert "hush" not in str(caught.value)


def test_what_is_no_connection_string_is_not_shown(sink: FileSink, tmp_path: Path) -> None:
    """It may be a password."""
    for secret in ("let-me-in", "host=x pass word", "postgresql://u:hush@[::1"):
        with pytest.raises(SourceError, match="holds no connection string") as caught:
            source(secret, "SELECT 1 AS no", "no", spool=tmp_path).stage(sink)
        assert all(piece not in str(caught.value) for piece in ("let-me-in", "hush", "pass word"))


def test_a_connection_that_breaks_stops_the_read(
    server: Server, writer: psycopg.Connection[tuple[object, ...]], sink: FileSink, tmp_path: Path
) -> None:
    """Half of the rows are none."""
    sql = (
        "SELECT n::text AS no FROM generate_series(1, 100000) n"
        " WHERE n < 90000 OR pg_terminate_backend(pg_backend_pid())"
    )
    with pytest.raises(SourceError, match=r"terminating connection|broke off the read"):
        source(server.conninfo("erp"), sql, "no", spool=tmp_path).stage(sink)
    assert sink.query("SELECT count(*) FROM duckdb_tables()") == [(0,)]


def test_tls_is_asked_for_where_nothing_is_said() -> None:
    """But not of this machine itself, nor against what the string says."""
    assert "sslmode=require" in secured("host=db.example.com user=x", "it")
    assert "sslmode=require" in secured("postgresql://u:p@db.example.com/erp", "it")
    assert "sslmode=verify-full" in secured("host=db.example.com sslmode=verify-full", "it")
    assert "sslmode" not in secured("host=127.0.0.1 user=x", "it") + secured("host=/run/pg", "it")


def test_without_the_driver_it_says_what_to_install(
    sink: FileSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's name, and where it is entered."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotBuiltError, match=r"needs the package psycopg.*psycopg\[binary\]"):
        source("host=x", "SELECT 1 AS no", "no", spool=tmp_path).stage(sink)


def test_a_sample_is_ten_rows_of_texts(server: Server, tmp_path: Path) -> None:
    """Without reading more."""
    found = source(server.conninfo("erp"), select_table("Sales 2026", "n > 5"), spool=tmp_path).sample(10)
    assert (dict(found.columns), len(found.rows), found.rows[0]) == ({"n": "BIGINT"}, 10, ("6",))
    assert found.about is not None
    assert found.about > 0


def test_what_cannot_be_staged_says_so(server: Server, sink: FileSink, tmp_path: Path) -> None:
    """And the copy is gone."""
    sink.connection.execute("SET enable_external_access = false").fetchall()
    with pytest.raises(SourceError, match="cannot be staged"):
        source(server.conninfo("erp"), "SELECT 1 AS no", "no", spool=tmp_path).stage(sink)
    assert list(tmp_path.glob("dynsync-*")) == []
