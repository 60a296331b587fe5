"""A first look proposes types that lose nothing."""

from __future__ import annotations

import contextlib
import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from shared.errors import SourceError
from shared.sources.sniffing import SniffedFile, sniff

Write = Callable[..., Path]


def types(found: SniffedFile) -> dict[str, str]:
    return {column.name: column.type for column in found.columns}


def test_keys_codes_and_telephone_numbers_stay_text(write: Write) -> None:
    """Leading zeros, a plus sign, many digits or a telling name: never a number."""
    rows = ["customerNo,branch,contact,gauge,amount,zip,ean", "1,01,+31201234567,0612345678,1.50,1011,8712345678906"]
    rows += ["2,10,+31201234568,0201234567,-3,1012,8712345678913"] * 3
    found = sniff(write("\n".join(rows) + "\n"))
    assert types(found) == {
        "customerNo": "text", "branch": "text", "contact": "text", "gauge": "text", "amount": "number", "zip": "text",
        "ean": "text",
    }  # fmt: skip
    assert (found.kind, found.delimiter, found.encoding, found.header) == ("delimited", ",", "utf-8", True)


@pytest.mark.parametrize(
    ("values", "kind", "input_format", "doubtful"),
    [
        (["2026-01-31", "2026-02-01"], "date", None, False),
        (["2026-01-31T08:00:00Z", "2026-01-31 08:00:00.5+01:00"], "date", None, False),
        (["31/01/2026", "01/02/2026"], "date", "%d/%m/%Y", False),
        (["01/31/2026", "02/01/2026"], "date", "%m/%d/%Y", False),
        (["01/02/2026", "02/03/2026"], "date", "%d/%m/%Y", True),
        (["31.01.2026 23:59", ""], "date", "%d.%m.%Y %H:%M", False),
        (["31-01-2026", "soon"], "text", None, False),
        (["true", "FALSE"], "bool", None, False),
        (["yes", "no"], "text", None, False),
        (["1", "0"], "number", None, False),
        (["1e3", "-.5"], "number", None, False),
        (["1,000.50", "2"], "text", None, False),
        (["20260131", "19991231"], "number", None, False),
        (["", ""], "text", None, True),
        (["31.01.2026", "01.02.2026", "28.02.2026", "30.02.2026", "05.05.2026"], "date", "%d.%m.%Y", True),
        (["31.01.2026", "01.02.2026", "28.02.2026", "30.02.2026", "soon", "05.05.2026"], "text", None, False),
        (["2026-01-31", "2026-02-01", "2026-02-02", "2026-02-30x", "2026-03-01"], "date", None, True),
        (["20260131", "20260201", "20260202", "20260203", "20269999"], "number", None, False),
    ],
)
def test_types_by_content(write: Write, values: list[str], kind: str, input_format: str | None, doubtful: bool) -> None:
    """Every value of the sample must fit, blanks aside, but for a date or two; what is doubtful is said."""
    found = sniff(write("name;v\n" + "".join(f"x;{json.dumps(value)}\n" for value in values)))
    column = found.columns[1]
    assert found.delimiter == ";"
    assert (column.type, column.input_format, column.doubt is not None) == (kind, input_format, doubtful)
    assert column.max_length == max(map(len, values))
    assert column.blanks == values.count("")
    assert column.distinct_in_sample == len(set(values) - {""})


def test_a_file_without_header_is_noticed(write: Write) -> None:
    """Values in the first line are no names."""
    found = sniff(write("1|2026-01-31|x\n2|2026-02-01|y\n", "x.txt"))
    assert (found.header, found.delimiter) == (False, "|")
    assert types(found) == {"column_1": "number", "column_2": "date", "column_3": "text"}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("né;b\n1;2\n".encode("cp1252"), "windows-1252"),
        ("né;b\n1;2\n".encode("utf-16"), "utf-16"),
        (b"\xef\xbb\xbf" + "né;b\n1;2\n".encode(), "utf-8"),
        (gzip.compress("né;b\n1;2\n".encode(), mtime=0), "utf-8"),
    ],
)
def test_encodings_are_found(write: Write, content: bytes, encoding: str) -> None:
    """By the mark, else as UTF-8, else as Windows' letters."""
    found = sniff(write(content))
    assert (found.encoding, found.delimiter, list(types(found))) == (encoding, ";", ["né", "b"])


def test_json_texts_are_not_made_numbers(write: Write) -> None:
    """A quoted number was a text on purpose; inner objects give dotted names."""
    records = [{"a": "12", "b": 1.5, "c": {"d": "2026-01-31", "e": True}, "f": [1]}, {"a": "13", "b": 2}]
    wanted = {"a": "text", "b": "number", "c.d": "date", "c.e": "bool", "f": "text"}
    for text, where in (
        (json.dumps(records), None),
        ("\n".join(map(json.dumps, records)), None),
        (json.dumps({"count": 2, "value": records}, indent=2), "value"),
        (json.dumps({"count": 2, "value": records}), "value"),
    ):
        found = sniff(write(text, "x.json"))
        assert (found.kind, found.records, types(found)) == ("json", where, wanted)
        assert [column.blanks for column in found.columns] == [0, 0, 1, 1, 1]


def test_parquet_and_sqlite_keep_their_types(tmp_path: Path) -> None:
    """What is typed already is taken over; a text of digits stays a text."""
    path = tmp_path / "x.parquet"
    duckdb.execute(f"COPY (SELECT '12' t, 1.5 n, DATE '2026-01-31' d, true b, [1] l) TO '{path}'").fetchall()
    assert types(sniff(path)) == {"t": "text", "n": "number", "d": "date", "b": "bool", "l": "text"}
    database = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(
            "CREATE TABLE a (n INTEGER, t TEXT, m); CREATE TABLE b (z);"
            "INSERT INTO a VALUES (5, '12', 1), (6, '13', 'x')"
        )
    found = sniff(database)
    assert (found.kind, found.tables, found.table) == ("sqlite", ("a", "b"), "a")
    assert types(found) == {"n": "number", "t": "text", "m": "text"}
    assert types(sniff(database, table="b")) == {"z": "text"}
    with pytest.raises(SourceError, match="no table c"):
        sniff(database, table="c")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b\n1,\0\n"])
def test_what_is_no_source_is_refused(write: Write, content: bytes) -> None:
    """With the same words as a read."""
    with pytest.raises(SourceError, match=r"source\.csv"):
        sniff(write(content))


def test_no_file_is_no_source(tmp_path: Path) -> None:
    """A folder or nothing."""
    with pytest.raises(SourceError, match="is a folder; give the path of a"):
        sniff(tmp_path)
    with pytest.raises(SourceError, match=r"gone\.csv does not exist; give the path of a"):
        sniff(tmp_path / "gone.csv")


def test_what_is_empty_or_cut_short_has_a_remedy_that_fits(tmp_path: Path) -> None:
    """No header is asked of JSON, and no other query of a database that breaks off."""
    (tmp_path / "empty.json").touch()
    with pytest.raises(SourceError, match=r"empty \(0 bytes\); a list without records is written as \[\]"):
        sniff(tmp_path / "empty.json")
    with contextlib.closing(sqlite3.connect(tmp_path / "whole.db")) as connection, connection:
        connection.execute("CREATE TABLE a AS SELECT randomblob(9000) AS n")
    whole = (tmp_path / "whole.db").read_bytes()
    (tmp_path / "cut.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="nothing was taken from it; get it again"):
        sniff(tmp_path / "cut.db")


def test_one_broken_date_makes_no_text_of_a_column(write: Write) -> None:
    """A clear majority decides on the format; it is told how many values do not fit, whatever else is in doubt."""
    good = [f"0{day}/0{day}/2026" for day in range(1, 10)]
    columns = {"v": [*good, "31/02/2026"], "born_on": ["20260131"] * 9 + ["20269999"], "w": [*good, "soon"]}
    lines = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    found = {column.name: column for column in sniff(write("\n".join(lines) + "\n")).columns}
    assert (found["v"].type, found["v"].input_format) == ("date", "%d/%m/%Y")
    assert found["v"].doubt == "does not fit 1 of 10 values in the sample; day and month cannot be told apart"
    assert (found["born_on"].type, found["born_on"].input_format) == ("date", "%Y%m%d")
    assert found["born_on"].doubt == "does not fit 1 of 10 values in the sample"
    assert (found["w"].type, found["w"].input_format) == ("date", "%d/%m/%Y")


def test_the_first_rows_are_shown(tmp_path: Path) -> None:
    """Ten of them, as texts, of every kind; how many there are, where the file says so itself or holds few."""
    rows = [(str(number), f"n{number}") for number in range(12)]
    (tmp_path / "a.csv").write_text("no,name\n" + "".join(f"{no},{name}\n" for no, name in rows))
    (tmp_path / "a.json").write_text(json.dumps([{"no": no, "name": name} for no, name in rows]))
    read = f"read_csv('{tmp_path / 'a.csv'}', all_varchar = true)"
    duckdb.execute(f"COPY (FROM {read}) TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)").fetchall()
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE t (no, name)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    book = openpyxl.Workbook()
    for row in [("no", "name"), *rows]:
        book.worksheets[0].append(row)
    book.save(tmp_path / "a.xlsx")
    counts = {"csv": None, "json": None, "parquet": 12, "db": 12, "xlsx": 12}
    for kind, count in counts.items():
        found = sniff(tmp_path / f"a.{kind}")
        assert (list(found.rows), found.about) == (rows[:10], count), kind
