"""Delimited files are staged cell by cell, under the right number, or refused with a sentence that helps."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.ports import StagedSource
from shared.sources.csv_dialect import Dialect
from shared.sources.delimited import DelimitedFile
from tests.examples import examples
from tests.unit.sources.sink import FileSink

Write = Callable[..., Path]


def source(path: Path, *wanted: str, encoding: str = "utf-8", **dialect: object) -> DelimitedFile:
    return DelimitedFile(path, wanted or ("a", "b", "c"), Dialect(**dialect), encoding, path.parent)  # type: ignore[arg-type]


def test_stages_only_the_wanted_columns_as_text_in_the_schemas_order(write: Write, sink: FileSink) -> None:
    """Columns that the schema does not name are left out; an empty cell is null."""
    path = write('a,x,c,b\n1,-,"",02\n"two, 2",-,3,\n')
    assert source(path).stage(sink) == StagedSource(records=2)
    assert sink.columns() == {"row_no": "BIGINT", "a": "VARCHAR", "b": "VARCHAR", "c": "VARCHAR"}
    assert sink.rows() == [(1, "1", "02", None), (2, "two, 2", None, "3")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_malformed_records_are_set_aside_and_counted(write: Write, sink: FileSink, end: str) -> None:
    """Row numbers count records, not lines: quoted line ends and malformed records do not shift them."""
    lines = ["a,b,c", "1,x,y", f'2,"two{end}lines",y', "3,x", '4,"x"y,z', "5,x,y,z", "6,x,y"]
    staged = source(write(end.join(lines) + end)).stage(sink)
    assert [row[:2] for row in sink.rows()] == [(1, "1"), (2, "2"), (6, "6")]
    assert [(one.row, one.text) for one in staged.malformed] == [(3, "3,x"), (4, '4,"x"y,z'), (5, "5,x,y,z")]
    assert staged.malformed[0].reason == "line 5: 2 cells instead of 3"
    assert [one.reason.partition(":")[0] for one in staged.malformed] == ["line 5", "line 6", "line 7"]
    assert "4 cells instead of 3" in staged.malformed[2].reason
    assert staged.records == 3


def test_a_torn_record_tells_how_many_cells_it_has(write: Write, sink: FileSink) -> None:
    """However many are missing or too many: the count is that of the record, not one beside what is wanted."""
    staged = source(write("a,b,c,d,e\n1\n1,2\n1,2,3,4,5,6,7\n1,2,3,4\n1,2,3,4,5\n")).stage(sink)
    counts = [one.reason.partition(": ")[2].partition(" instead")[0] for one in staged.malformed]
    assert counts == ["1 cell", "2 cells", "7 cells", "4 cells"]


def test_blank_lines_are_no_records(write: Write, sink: FileSink) -> None:
    """A blank line, before or between records, shifts no number; one inside a quoted cell is a value."""
    staged = source(write('a,b,c\n\n\n1,x"y,z\n\n2,"q\n\nq",z\n3,x\n\n\n4,x\n5,x,y\n')).stage(sink)
    assert [row[:2] for row in sink.rows()] == [(1, "1"), (2, "2"), (5, "5")]
    assert [one.row for one in staged.malformed] == [3, 4]


def test_lines_that_end_in_different_ways_are_read(write: Write, sink: FileSink) -> None:
    """A header ending with CR LF over records ending with LF is common; values keep their own line ends."""
    staged = source(write('a,b,c\r\n1,x,y\n2,"x\r\ny",z\r\n3,x\n4,x,y\n')).stage(sink)
    assert sink.rows() == [(1, "1", "x", "y"), (2, "2", "x\r\ny", "z"), (4, "4", "x", "y")]
    assert [one.row for one in staged.malformed] == [3]


def test_a_file_without_a_header_is_read_by_position(write: Write, sink: FileSink) -> None:
    """`header: false`: the schema's columns name the cells; a ragged first record is malformed like any other."""
    staged = source(write("1,2\n3,4,5\n"), header=False).stage(sink)
    assert sink.rows() == [(2, "3", "4", "5")]
    assert [one.row for one in staged.malformed] == [1]


@pytest.mark.parametrize("title", ["Export of today", 'The "open', '"quoted title', '"a\nb'])
def test_skipped_lines_are_lines_whatever_they_hold(write: Write, sink: FileSink, title: str) -> None:
    """A quote in a skipped title does not swallow the header."""
    skip = title.count("\n") + 2
    staged = source(write(f"{title}\n\na,b,c\n1,2,3\n4,5\n6,7,8\n"), skip_rows=skip).stage(sink)
    assert [row[:2] for row in sink.rows()] == [(1, "1"), (3, "6")]
    assert [one.row for one in staged.malformed] == [2]


def test_a_header_cell_may_hold_a_line_end(write: Write, sink: FileSink) -> None:
    """The header is a record, too."""
    source(write('a,"b\nb",c\n1,2,3\n'), "a", "b\nb").stage(sink)
    assert sink.rows() == [(1, "1", "2")]


def test_another_quote_escape_and_delimiter(write: Write, sink: FileSink) -> None:
    """Dialects beyond the usual one."""
    source(write("a\tb\tc\n1\t'it\\'s'\t\"\n"), delimiter="\t", quote="'", escape="\\").stage(sink)
    assert sink.rows() == [(1, "1", "it's", '"')]


def test_no_quote_at_all(write: Write, sink: FileSink) -> None:
    """`quote: null`: a quote is a sign like any other."""
    source(write('a;b;c\n1;5" pipe;"x\n'), delimiter=";", quote=None).stage(sink)
    assert sink.rows() == [(1, "1", '5" pipe', '"x')]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252", "latin-1"])
def test_encodings(write: Write, sink: FileSink, encoding: str) -> None:
    """The same text in every encoding gives the same cells."""
    euro = "é" if encoding == "latin-1" else "é€"
    codec = {"windows-1252": "cp1252"}.get(encoding, encoding)
    source(write(f"a,b,c\n1,{euro},3\n".encode(codec)), encoding=encoding).stage(sink)
    assert sink.rows() == [(1, "1", euro, "3")]


def test_a_mark_at_the_start_is_no_part_of_the_first_column(write: Write, sink: FileSink) -> None:
    """UTF-8 with a mark is UTF-8."""
    source(write(b"\xef\xbb\xbfa,b,c\n1,2,3\n")).stage(sink)
    assert sink.rows() == [(1, "1", "2", "3")]


def test_gzip_is_unpacked(write: Write, sink: FileSink) -> None:
    """A gzip file is known by its first bytes."""
    source(write(gzip.compress(b"a,b,c\n1,2,3\n"), "x.csv.gz")).stage(sink)
    assert sink.rows() == [(1, "1", "2", "3")]


def test_a_header_without_records_is_an_empty_source(write: Write, sink: FileSink) -> None:
    """No record is not an error here; the brakes judge it."""
    assert source(write("a,b,c\n")).stage(sink) == StagedSource(records=0)
    assert sink.rows() == []


PACKED = gzip.compress(b"a,b,c\n" + b"".join(b"%d,%d,%d\n" % (n, n * n, n**3) for n in range(9999)), mtime=0)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", {}, ["empty", "0 bytes"]),
        (b"a;b;c\n1;2;3\n", {}, ["delimiter seems to be ';'"]),
        (b"a\tb\tc\n1\t2\t3\n", {}, ["delimiter seems to be a tab"]),
        (b"a,b,a,c\n1,2,3,4\n", {}, ["'a' twice", "positions 1 and 3"]),
        (b"a,B,c\n1,2,3\n", {}, ["no column 'b'", "did you mean 'B'"]),
        ("a,b,c\n1,2,3\n4,é,6\n".encode("cp1252"), {}, ["line 3", "not utf-8", "windows-1252"]),
        ("a,b,c\n1,€,3\n".encode("cp1252"), {"encoding": "latin-1"}, ["line 2", "windows-1252"]),
        ("a,b,c\n1,é,3\n".encode(), {"encoding": "ascii"}, ["line 2", "seems to be in utf-8"]),
        ("a,b,c\n1,2,3\n".encode("utf-16"), {}, ["seems to be in utf-16"]),
        ("a,b,c\n1,2,3\n".encode("utf-16-le"), {}, ["seems to be in utf-16"]),
        (b"a,b,c\n1,\0,3\n", {}, ["line 2", "NUL"]),
        (b"a,b,c\n1,2,3\n4,5,6\n7," + b"x" * 11_000_000 + b",9\n", {}, ["line 4", "10 MB"]),
        (b'a,b,c\n1,2,3\n4,"5,6\n7,8,9\n', {}, ["line 3", "never closed"]),
        (b'a,b,c\n1,2,3\n4,"5,6\n' + b"7,8,9\n" * 5000, {}, ["line 3", "never closed"]),
        (b'a,b,c\n1,2,"3', {}, ["line 2", "never closed"]),
        (PACKED[:-30], {}, ["truncated gzip"]),
        (b"a,b,c\n", {"skip_rows": 4}, ["has 1 line,", "skip_rows"]),
        (b"\n\n", {}, ["no header line"]),
        (b"1;2;3\n4;5;6\n", {"header": False}, ["no record has", "delimiter"]),
    ],
)
def test_what_cannot_be_read_whole_stops_the_job(
    write: Write, sink: FileSink, content: bytes, options: dict[str, object], words: list[str]
) -> None:
    """The message names the file, the place, the reason and what to do, in our words; nothing is staged."""
    path = write(content)
    with pytest.raises(SourceError) as caught:
        source(path, **options).stage(sink)  # type: ignore[arg-type]
    message = str(caught.value)
    assert str(path) in message
    assert [word for word in words if word not in message] == []
    assert "Possible fixes" not in message
    assert sink.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'source'") == [(0,)]


def test_columns_that_differ_by_case_only_are_refused(write: Write, sink: FileSink) -> None:
    """One table cannot hold both."""
    with pytest.raises(SourceError, match="differ by case only"):
        source(write("a,A\n1,2\n"), "a", "A").stage(sink)


def test_leaves_nothing_behind(write: Write, sink: FileSink, tmp_path: Path) -> None:
    """Temporary copies and the reader's own tables are gone afterwards, also after an error."""
    source(write(gzip.compress(b"a,b,c\r\n1,2,3\n4,5\n"))).stage(sink)
    with pytest.raises(SourceError):
        source(write(gzip.compress(b'a,b,c\n1,2,"3'))).stage(sink)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    assert sink.query("SELECT table_name FROM duckdb_tables()") == [("source",)]


def test_numbers_stay_right_over_many_buffers(write: Write, tmp_path: Path) -> None:
    """Parallel reading of a file larger than the reader's buffers keeps order and numbers."""
    out = io.StringIO()
    out.write("a,b,c\n")
    bad = {7, 60_000, 60_001, 199_999}
    filler = "p" * 300
    for number in range(1, 200_001):
        if number in bad:
            out.write(f"{number},{filler}\n")
        elif number % 10 == 0:
            out.write(f'{number},"two\nlines",{filler}\n')
        else:
            out.write(f"{number},one,{filler}\n")
    sink = FileSink(tmp_path / "many.duckdb", threads=2)
    staged = source(write(out.getvalue())).stage(sink)
    assert {one.row for one in staged.malformed} == bad
    assert sink.query("SELECT count(*), count(*) FILTER (row_no::VARCHAR <> a) FROM source") == [(199_996, 0)]


CELLS = st.text(alphabet='ab,"\n é', max_size=6)


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), end=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], end: str
) -> None:
    """Law: any table written by a standard CSV writer comes back cell for cell."""
    folder = tmp_path_factory.mktemp("law")
    path = folder / "x.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([("a", "b", "c"), *rows])
    sink = FileSink(folder / "x.duckdb")
    assert source(path).stage(sink) == StagedSource(records=len(rows))
    wanted = [(n, *(cell or None for cell in row)) for n, row in enumerate(rows, start=1)]
    assert sink.rows() == wanted
    sink.connection.close()


def test_column_types_are_the_headers(write: Write) -> None:
    """Every column of the header is text; without a header the schema's columns are."""
    assert source(write("x,y\n1,2\n")).column_types() == {"x": "VARCHAR", "y": "VARCHAR"}
    assert list(source(write("1,2,3\n"), header=False).column_types()) == ["a", "b", "c"]


def test_column_types_tell_a_name_that_stands_twice(write: Write) -> None:
    """What staging would refuse is told before anything runs; cells without a name are no column."""
    with pytest.raises(SourceError, match="names the column 'a' twice, at positions 1 and 3"):
        source(write("a,b,a\n1,2,3\n")).column_types()
    assert list(source(write("a,b,,\n1,2,3,4\n")).column_types()) == ["a", "b", ""]


def test_a_column_called_rowid_is_one_like_any_other(write: Write, sink: FileSink) -> None:
    """DuckDB has a name like it for the place of a row."""
    assert source(write("no,RowId\na,7\nb,5\n"), "no", "RowId").stage(sink).records == 2
    assert sink.rows() == [(1, "a", "7"), (2, "b", "5")]
