"""An incremental sync's statement: never too few rows, and in most cases only those that are newer."""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import SourceError
from shared.secrets import EnvironmentSecrets
from shared.sources import open_source
from shared.sources.dbapi import DbApiSource, Driver
from shared.sources.postgresql import PostgresSource
from shared.sources.sqlite import connect, sqlite_source
from shared.sources.sqlserver import fits_in_brackets, newer
from shared.values.watermarks import Since
from tests.examples import examples
from tests.postgres import Server
from tests.unit.sources.sink import FileSink

MARK = datetime(2026, 3, 15, 12, tzinfo=UTC)
NUMBERED = itertools.count()


def staged(source: DbApiSource | PostgresSource, folder: Path) -> list[tuple[object, ...]]:
    """What a source gives, without the record's numbers."""
    sink = FileSink(folder / f"sink-{next(NUMBERED)}.duckdb")
    with contextlib.closing(sink.connection):
        source.stage(sink)
        return [row[1:] for row in sink.rows()]


def filled(folder: Path, values: Sequence[object]) -> Path:
    path = folder / f"erp-{next(NUMBERED)}.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, changed)")
        connection.executemany("INSERT INTO t (changed) VALUES (?)", [(value,) for value in values])
    return path


def ids(path: Path, since: Since, sql: str = "SELECT * FROM t") -> set[int]:
    found = staged(sqlite_source(path, sql, wanted=("id",), variables={}, since=since), path.parent)
    return {int(str(row[0])) for row in found}


SPELLINGS = (
    lambda it: it.strftime("%Y-%m-%dT%H:%M:%SZ"),
    lambda it: it.strftime("%Y-%m-%d %H:%M:%S"),
    lambda it: it.strftime("%Y/%m/%d %H:%M"),
    lambda it: f"{it.year}-{it.month}-{it.day} 23:59",
    lambda it: f"  {it:%Y-%m-%d}",
    lambda it: it.astimezone(ZoneInfo("Pacific/Auckland")).isoformat(),
    lambda it: it.astimezone(ZoneInfo("America/Los_Angeles")).isoformat(" "),
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-400 * 24, 400 * 24), st.sampled_from(SPELLINGS)), min_size=1, max_size=20),
    st.integers(-400 * 24, 400 * 24),
)
def test_sqlite_gives_every_row_that_is_newer(tmp_path: Path, written: list[tuple[int, object]], at: int) -> None:
    """However its date is written; and nothing that is more than three days older."""
    instants = [MARK + timedelta(hours=hours) for hours, _ in written]
    texts = [spelling(instant) for instant, (_, spelling) in zip(instants, written, strict=True)]  # type: ignore[operator]
    path = filled(tmp_path, [*texts, None, 5, b"x"])
    bound = MARK + timedelta(hours=at)
    found = ids(path, Since("changed", "changed", bound))
    assert {n for n, instant in enumerate(instants, 1) if instant >= bound} <= found
    assert {len(texts) + 1, len(texts) + 2, len(texts) + 3} <= found
    plain = {n for n, text in enumerate(texts, 1) if re.match(r"\d{4}-\d\d-\d\d", text)}
    old = {n for n, instant in enumerate(instants, 1) if instant < bound - timedelta(days=3)}
    assert not found & plain & old


def test_sqlite_compares_numbers_as_numbers(tmp_path: Path) -> None:
    """Texts among them pass, since the schema may read them as numbers."""
    path = filled(tmp_path, [1, 9, 10, 10.5, "7", "70", None, 200])
    assert ids(path, Since("changed", "changed", Decimal("9.5"))) == {3, 4, 5, 6, 7, 8}


def test_dates_of_a_form_of_their_own_are_not_compared(tmp_path: Path) -> None:
    """The database would compare letters: all is read, and the engine leaves the older ones out."""
    path = filled(tmp_path, ["01.04.2026", "31.12.2025"])
    changed = {"name": "changed", "type": "date", "input_format": "dd.MM.yyyy"}
    where = {"type": "sql", "dialect": "sqlite", "path": path.name, "table": "t", "schema": [{"name": "id"}, changed]}
    source = open_source(
        TypeAdapter[Definition](Definition).validate_python(where),
        variables={},
        base=tmp_path,
        allows_path=lambda _: True,
        secrets=EnvironmentSecrets({}),
        since=Since("changed", "changed", MARK),
    )
    assert source.stage(FileSink(tmp_path / "all.duckdb")).records == 2


def test_a_query_with_its_own_variables_is_narrowed(tmp_path: Path) -> None:
    """Sorted, with a common table, with a variable that has the bound's name."""
    path = filled(tmp_path, [1, 2, 3, 4])
    sql = "WITH few AS (SELECT * FROM t WHERE id <> @since) SELECT * FROM few ORDER BY id DESC"
    source = sqlite_source(
        path, sql, wanted=("id",), variables={"since": "4"}, since=Since("changed", "changed", Decimal(2))
    )
    assert sorted(staged(source, tmp_path)) == [("2",), ("3",)]


def test_the_watermarks_column_must_be_there(tmp_path: Path) -> None:
    """Else the message names it."""
    with pytest.raises(SourceError, match="changed_at"):
        ids(filled(tmp_path, [1]), Since("changed_at", "changed_at", Decimal(2)))


def test_a_driver_that_cannot_tell_gives_all(tmp_path: Path) -> None:
    """The engine leaves the older ones out."""
    path = filled(tmp_path, [1, 2, 3])
    driver = Driver(lambda: connect(path), (sqlite3.Error,), "named")
    since = Since("changed", "changed", Decimal(1000))
    assert len(staged(DbApiSource(driver, "SELECT * FROM t", {}, ("id",), "the test", since), tmp_path)) == 3


TABLE = """
CREATE TABLE t (id int PRIMARY KEY, day date, wall timestamp, instant timestamptz, n int, amount numeric, share float8,
  text_ text);
INSERT INTO t SELECT i, t::date, t AT TIME ZONE 'Europe/Amsterdam', t, i, i + 0.5, i + 0.25, t::text
  FROM (SELECT i, timestamptz '2026-03-15 12:00Z' + make_interval(hours => i) AS t FROM generate_series(-100, 100) i) s;
INSERT INTO t (id) VALUES (1000);
"""


@pytest.fixture(scope="module")
def erp(postgresql: Server) -> str:
    with psycopg.connect(postgresql.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE newer")
    conninfo = postgresql.conninfo("newer")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'; " + TABLE)
    return conninfo


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    ("column", "value", "first"),
    [
        ("instant", MARK, 0),
        ("wall", MARK, -1),
        ("day", MARK, -36),
        ("n", Decimal("6.7"), 6),
        ("amount", Decimal("6.7"), 7),
        ("share", Decimal("6.2"), 6),
        ("text_", MARK, -100),
    ],
)
def test_postgresql_gives_what_is_newer_by_the_columns_type(
    erp: str, tmp_path: Path, column: str, value: datetime | Decimal, first: int
) -> None:
    """Exactly for instants and numbers, an hour more for times without a zone, a day more for days, all for texts."""
    source = PostgresSource(
        erp, "SELECT * FROM t WHERE id > @low ORDER BY id", {"low": "-1000"}, ("id",), "it", tmp_path
    )
    narrowed = replace(source, since=Since(column, column, value), time_zone="Europe/Amsterdam")
    assert [row[0] for row in sorted(staged(narrowed, tmp_path))] == [*range(first, 101), 1000]  # type: ignore[type-var]


def described(kind: type) -> Sequence[object]:
    return ("changed", kind, None, 0, 0, 0, True)


@pytest.mark.parametrize(
    ("kind", "value", "sql", "bound"),
    [
        (datetime, MARK, "{column} >= {bound}", "2026-03-15T11:00:00.000"),
        (date, MARK, "{column} >= {bound}", "20260314"),
        (int, Decimal(7), "{column} >= CAST({bound} AS decimal(38, 10))", "7"),
        (Decimal, Decimal("7.5"), "{column} >= CAST({bound} AS decimal(38, 10))", "7.5"),
    ],
)
def test_sql_server_compares_by_the_columns_type(kind: type, value: datetime | Decimal, sql: str, bound: str) -> None:
    """In a form that every language setting reads alike."""
    condition = newer(described(kind), Since("changed", "changed", value), time_zone="UTC")
    assert condition is not None
    assert (condition.sql, condition.bound) == (sql, bound)


@pytest.mark.parametrize(("kind", "value"), [(str, MARK), (int, MARK), (datetime, Decimal(7)), (bytes, MARK)])
def test_sql_server_reads_all_where_types_do_not_meet(kind: type, value: datetime | Decimal) -> None:
    """A text may be written any way."""
    assert newer(described(kind), Since("changed", "changed", value), time_zone="UTC") is None


def test_sql_server_takes_the_earlier_of_both_clocks() -> None:
    """Whether a time has an offset cannot be told, so neither reading may leave a row out."""
    for zone, hour in (("Europe/Amsterdam", "12"), ("America/New_York", "07")):
        condition = newer(described(datetime), Since("changed", "changed", MARK), time_zone=zone)
        assert condition is not None
        assert condition.bound == f"2026-03-15T{hour}:00:00.000"


@pytest.mark.parametrize(
    ("sql", "fits"),
    [
        ("SELECT * FROM t", True),
        ("SELECT * FROM t WHERE a IN (SELECT TOP 3 a FROM u ORDER BY a)", True),
        ("SELECT * FROM t ORDER BY a", False),
        ("WITH few AS (SELECT * FROM t) SELECT * FROM few", False),
    ],
)
def test_what_cannot_stand_in_brackets_in_t_sql_is_read_whole(sql: str, fits: bool) -> None:
    """The engine leaves the older records out."""
    assert fits_in_brackets(sql) is fits
