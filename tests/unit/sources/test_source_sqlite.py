"""SQLite is read and never written; variables are bound; values lose nothing."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.databases.binding import Statement, bind
from shared.errors import SourceError
from shared.ports import StagedSource
from shared.sources import sqlite, sqlite_lists
from shared.sources.dbapi import DbApiSource, Driver, as_text, select_table
from shared.sources.sqlite import SqliteSource, sqlite_source
from shared.sources.sqlite_lists import Held
from tests.examples import examples
from tests.unit.sources.sink import FileSink


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "erp ?#%.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            """
            CREATE TABLE customers (no TEXT, credit NUMERIC, country TEXT, photo BLOB);
            INSERT INTO customers VALUES ('007', 12345678901234567, 'NL', x'6162'), ('008', 1.5, 'O''Brien', NULL);
            """
        )
    return path


def test_values_are_staged_as_they_stand(database: Path, sink: FileSink) -> None:
    """Leading zeros and all digits survive; bytes are base64."""
    source = sqlite_source(database, select_table("customers", None), wanted=("photo", "no", "credit"), variables={})
    assert source.stage(sink) == StagedSource(records=2)
    assert sink.rows() == [(1, "YWI=", "007", "12345678901234567"), (2, None, "008", "1.5")]
    assert list(source.column_types()) == ["no", "credit", "country", "photo"]


@pytest.mark.parametrize(("value", "found"), [("O'Brien", 1), ("x' OR '1'='1", 0), ("NL", 1)])
def test_variables_are_bound(database: Path, sink: FileSink, value: str, found: int) -> None:
    """A value is compared, never parsed; `@name` in quotes is text."""
    sql = select_table("customers", "country = @country AND no <> '@country' -- a remark")
    source = sqlite_source(database, sql, wanted=("no",), variables={"country": value})
    assert source.stage(sink).records == found


def test_placeholders_follow_the_driver() -> None:
    """Each style of PEP 249; a per cent sign is doubled where it has a meaning."""
    text, values = "SELECT '@a %' WHERE x LIKE 'p%' AND a = @a AND b = @b AND c = @a", {"a": "1", "b": "2"}
    by_place = ["1", "2", "1"]
    kept, doubled = "SELECT '@a %' WHERE x LIKE 'p%'", "SELECT '@a %%' WHERE x LIKE 'p%%'"
    assert bind(text, values, style="qmark") == Statement(f"{kept} AND a = ? AND b = ? AND c = ?", by_place)
    assert bind(text, values, style="numeric") == Statement(f"{kept} AND a = :1 AND b = :2 AND c = :3", by_place)
    assert bind(text, values, style="named") == Statement(f"{kept} AND a = :a AND b = :b AND c = :a", values)
    assert bind(text, values, style="format") == Statement(f"{doubled} AND a = %s AND b = %s AND c = %s", by_place)
    assert bind(text, values, style="pyformat").text == f"{doubled} AND a = %(a)s AND b = %(b)s AND c = %(a)s"
    with pytest.raises(SourceError, match="@b"):
        bind(text, {"a": "1"}, style="qmark")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT no FORM customers", ["syntax error", "correct the table, query or filter"]),
        ("SELECT * FROM orders", ["no such table: orders", "the table is gone", "correct `table`"]),
        ('SELECT "mistyped" AS no FROM customers', ["no such column", "the column is gone"]),
        ("DELETE FROM customers", ["refused"]),
        ("ATTACH DATABASE 'other.db' AS other", ["refused"]),
        ("PRAGMA journal_mode = DELETE", ["refused"]),
        ("SELECT no FROM customers; DELETE FROM customers", ["one statement"]),
        ("SELECT no, no FROM customers", ["'no' twice", "AS"]),
        ("SELECT credit FROM customers", ["no column 'no'"]),
    ],
)
def test_what_cannot_be_read_says_so(database: Path, sink: FileSink, sql: str, words: list[str]) -> None:
    """The database's own words, the file, and what to do; nothing is ever written."""
    before = database.read_bytes()
    with pytest.raises(SourceError) as caught:
        sqlite_source(database, sql, wanted=("no",), variables={}).stage(sink)
    assert [word for word in [str(database), *words] if word not in str(caught.value)] == []
    assert database.read_bytes() == before


def test_a_locked_database_is_told_apart(database: Path, sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that holds the file is no mistake of the definition."""
    monkeypatch.setattr(sqlite, "_WAIT_S", 0.0)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="another program holds the database"):
            sqlite_source(database, "SELECT no FROM customers", wanted=("no",), variables={}).stage(sink)


def test_a_file_that_is_no_database_says_so(tmp_path: Path, sink: FileSink) -> None:
    """Neither is it created when it is not there."""
    path = tmp_path / "x.db"
    path.write_text("this is a text of some length and no database at all" * 20)
    with pytest.raises(SourceError, match="not a database"):
        sqlite_source(path, "SELECT no FROM customers", wanted=("no",), variables={}).stage(sink)
    with pytest.raises(SourceError, match="unable to open"):
        sqlite_source(tmp_path / "none.db", "SELECT 1 AS no", wanted=("no",), variables={}).stage(sink)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_to_be_got_again(database: Path, sink: FileSink, share: float) -> None:
    """Neither table nor query is at fault."""
    whole = database.read_bytes()
    database.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        SourceError, match="damaged or a file of another kind, or its copy was not finished; nothing was taken from it"
    ):
        sqlite_source(database, "SELECT no FROM customers", wanted=("no",), variables={}).stage(sink)


def test_a_text_with_nul_is_a_malformed_row(database: Path, sink: FileSink) -> None:
    """It is set aside under its number; the others go on."""
    sql = "SELECT no FROM customers UNION ALL SELECT 'a' || char(0) UNION ALL SELECT 'z'"
    staged = sqlite_source(database, sql, wanted=("no",), variables={}).stage(sink)
    assert (staged.records, [one.row for one in staged.malformed]) == (3, [3])
    assert sink.rows() == [(1, "007"), (2, "008"), (4, "z")]


_WITH_FRACTIONS = st.builds(
    lambda whole, places, towards: math.nextafter(whole / 10**places, towards) if towards else whole / 10**places,
    st.integers(-(10**16), 10**16) | st.integers(-(10**6), 10**6),
    st.integers(0, 13),
    st.sampled_from([0, math.inf, -math.inf]),
)
"""Numbers with few digits, and those right beside one."""


@given(numbers=st.lists(_WITH_FRACTIONS | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1), min_size=50))
@example(numbers=[-97.27029279999999, 941339421.2630529, 0.1 + 0.2, -0.0, 1e9, 999_999_999.999999, 1e-3, 0.000999, 1e3])
@settings(max_examples=examples(40), deadline=None)
def test_numbers_keep_all_their_digits(numbers: list[float]) -> None:
    """Law: whichever way a number is written, it is the text that loses nothing."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        sqlite_lists.prepare(connection)
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [(number,) for number in numbers])
        written = connection.execute(sqlite_lists.quick("SELECT a FROM t", {"a": Held.INEXACT})).fetchall()
    cells = [line.removeprefix("[0,0,").removesuffix(",0]").strip('"') for (line,) in written]
    assert cells == [as_text(number) for number in numbers]


@given(
    rows=st.lists(
        st.tuples(
            st.none()
            | st.integers(-(2**63), 2**63 - 1)
            | st.floats(allow_nan=False)
            | _WITH_FRACTIONS
            | st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
            | st.sampled_from(["null", "", '"', "\\", "\\u0000", '{"a":1}', "[0,", "a\nb\r", "x,y", " "])
            | st.binary(max_size=4),
            st.text("ab\0\\\n", max_size=3),
        ),
        min_size=1,
        max_size=12,
    ),
    sample=st.sampled_from([1, 3, 1000]),
)
@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_is_staged_as_the_driver_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[object, str]], sample: int
) -> None:
    """Law: rows that SQLite writes itself are those that the driver fetches, digit for digit, NUL characters told.

    So it is also when the first rows do not tell what the others hold.
    """
    monkeypatch.setattr(sqlite_lists, "_ROWS", sample)
    path = tmp_path / "law.db"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE t (a, "b""?")')
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    source = sqlite_source(path, "SELECT * FROM t", wanted=('b"?', "a"), variables={}, spool=tmp_path)
    found = []
    for stage in (SqliteSource.stage, DbApiSource.stage):
        sink = FileSink(Path(":memory:"), threads=1)
        found.append((stage(source, sink), sink.rows(), sink.columns()))
        sink.connection.close()
    assert found[0] == found[1]


@pytest.mark.parametrize("kinds", [("real",), ("real", "blob")])
@pytest.mark.parametrize(
    ("sql", "careful"),
    [
        ("SELECT no, country FROM customers", False),
        ("SELECT no, credit FROM customers", False),
        ("SELECT photo AS no FROM customers", False),
        ("SELECT no FROM customers UNION ALL SELECT NULL UNION ALL SELECT 7", False),
        ("SELECT no FROM customers UNION ALL SELECT NULL UNION ALL SELECT 0.1", True),
        ("SELECT CAST(no AS INTEGER) AS no FROM customers UNION ALL SELECT 'x' UNION ALL SELECT 0.5", True),
        ("SELECT no COLLATE NOCASE AS no FROM customers UNION ALL SELECT 0.1 + 0.2", True),
        ("SELECT credit AS no FROM customers UNION ALL SELECT 0.1 + 0.2 UNION ALL SELECT -0.0", False),
        ("SELECT credit AS no FROM customers UNION ALL SELECT '1.50' UNION ALL SELECT x'312e35'", False),
        ("SELECT no FROM customers UNION ALL SELECT 0.1 + 0.2", True),
        ("SELECT CAST(no AS INTEGER) AS no FROM customers UNION ALL SELECT 562949953421312.0", True),
        ("SELECT CAST(no AS INTEGER) AS no FROM customers UNION ALL SELECT 1e16", True),
        (
            "SELECT CAST(no AS INTEGER) AS no FROM customers UNION ALL SELECT -0.0 UNION ALL SELECT 562949953421311.0 "
            "UNION ALL SELECT -9223372036854775807 - 1 UNION ALL SELECT 'x'",
            False,
        ),
        ("SELECT no FROM customers UNION ALL SELECT x'00'", True),
        ("SELECT max(no, random()) AS no FROM customers", True),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 400000) SELECT max(i) AS no FROM n",
            True,
        ),
    ],
)
def test_most_rows_are_asked_for_the_quick_way(
    database: Path, sink: FileSink, monkeypatch: pytest.MonkeyPatch, sql: str, careful: bool, kinds: tuple[str, ...]
) -> None:
    """The careful way is for values not foreseen, statements that give others when asked twice, and slow ones."""
    monkeypatch.setattr(sqlite_lists, "_ROWS", 2)
    monkeypatch.setattr(sqlite_lists, "_INEXACT", kinds)
    asked = []
    written = sqlite_lists.careful
    monkeypatch.setattr(sqlite_lists, "careful", lambda *given: (asked.append(given), written(*given))[1])
    source = sqlite_source(database, sql, wanted=("no",), variables={})
    assert source.stage(sink).records > 0
    assert bool(asked) == careful
    plain = FileSink(Path(":memory:"), threads=1)
    DbApiSource.stage(source, plain)
    assert "random" in sql or sink.rows() == plain.rows()
    plain.connection.close()


def test_an_order_of_its_own_does_not_matter(tmp_path: Path, sink: FileSink) -> None:
    """A column whose collation only another program knows is read as any other."""
    path = tmp_path / "own.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.create_collation("OWN", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE t (no TEXT COLLATE OWN, credit REAL COLLATE OWN)")
        connection.execute("INSERT INTO t VALUES ('a', 1.17)")
        connection.commit()
    assert sqlite_source(path, "SELECT * FROM t", wanted=("no", "credit"), variables={}).stage(sink).records == 1


@pytest.mark.parametrize("width", [124, 125, 900])
def test_wide_rows_are_read_too(tmp_path: Path, sink: FileSink, width: int) -> None:
    """SQLite's own lists hold so many values; wider rows are fetched."""
    names = [f"c{at}" for at in range(width)]
    sql = f"SELECT {', '.join(f'{at} AS {name}' for at, name in enumerate(names))}"
    with contextlib.closing(sqlite3.connect(tmp_path / "wide.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    source = sqlite_source(tmp_path / "wide.db", sql, wanted=tuple(names), variables={}, spool=tmp_path)
    assert source.stage(sink).records == 1
    assert sink.rows() == [(1, *map(str, range(width)))]


def test_a_text_that_is_no_text_says_so(database: Path, sink: FileSink) -> None:
    """SQLite keeps any bytes as a text; which rows are in doubt is told."""
    source = sqlite_source(database, "SELECT CAST(x'ff' AS TEXT) AS no", wanted=("no",), variables={})
    with pytest.raises(SourceError, match="a text that is not UTF-8, behind row 0"):
        source.stage(sink)


def test_json_of_the_database_is_a_text(database: Path, sink: FileSink) -> None:
    """SQLite's JSON functions mark what they give; it is a text like any other."""
    sql = """SELECT json('{"a":[1]}') AS no, random() || 'x' AS r FROM customers ORDER BY customers.no DESC;"""
    assert sqlite_source(database, sql, wanted=("no",), variables={}).stage(sink).records == 2
    assert [row[1] for row in sink.rows()] == ['{"a":[1]}'] * 2


def test_a_driver_may_state_types(sink: FileSink) -> None:
    """A driver with types of its own keeps them; its rows come in many batches."""

    class Cursor:
        description: Sequence[Sequence[object]] | None = [("n", int), ("t", str)]
        left = 25_000

        def execute(self, statement: str, parameters: object, /) -> None:
            assert statement == "SELECT 1"

        def fetchmany(self, size: int, /) -> list[tuple[object, ...]]:
            rows = [(number, number) for number in range(self.left, max(self.left - size, 0), -1)]
            self.left -= len(rows)
            return rows

    class Connection:
        closed = False

        def cursor(self) -> Cursor:
            return Cursor()

        def close(self) -> None:
            self.closed = True

    connection = Connection()
    driver = Driver(lambda: connection, (LookupError,), "qmark", lambda _: ["BIGINT", "VARCHAR"])
    staged = DbApiSource(driver, "SELECT 1", {}, ("n", "t"), "the test").stage(sink)
    assert staged.records == 25_000
    assert sink.query("SELECT count(*) FROM source WHERE n + row_no = 25001 AND t = n::VARCHAR") == [(25_000,)]
    assert connection.closed
