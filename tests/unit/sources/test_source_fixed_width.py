"""Fixed-width lines are cut at their widths; a line that does not fit is set aside under its number."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import SourceError
from shared.ports import StagedSource
from shared.secrets import EnvironmentSecrets
from shared.sources import open_source
from shared.sources.fixed_width import Field, FixedWidthFile, Layout
from tests.examples import examples
from tests.unit.sources.sink import FileSink

Write = Callable[..., Path]
FIELDS = (Field("no", 4), Field("name", 8), Field("credit", 6))


def line(number: int) -> str:
    return f"{number:04}{'name':<8}{number:>6}"


def source(path: Path, *fields: Field, encoding: str = "utf-8", **layout: object) -> FixedWidthFile:
    return FixedWidthFile(path, Layout(fields or FIELDS, **layout), encoding, path.parent)  # type: ignore[arg-type]


def test_cells_are_cut_by_characters_and_freed_of_blanks(write: Write, sink: FileSink) -> None:
    """Leading zeros stay; accents and scripts count as one character; a cell of blanks is null."""
    path = write("0007O'Brien   1.50\n0008né\"東京,\tx      \n\n  09            -3\n\x1a")
    assert source(path).stage(sink) == StagedSource(records=3)
    assert sink.columns() == {"row_no": "BIGINT", "no": "VARCHAR", "name": "VARCHAR", "credit": "VARCHAR"}
    assert sink.rows() == [(1, "0007", "O'Brien", "1.50"), (2, "0008", 'né"東京,\tx', None), (3, "09", None, "-3")]
    assert list(source(path).column_types()) == ["no", "name", "credit"]


def test_top_and_foot_are_left_out(write: Write, sink: FileSink) -> None:
    """Empty lines at the end do not count as a foot."""
    path = write(f"EXTRACT 7\n------\n{line(1)}\n{line(2)}\nTOTAL 2\n\n\n")
    assert source(path, skip_rows=2, skip_footer_rows=1).stage(sink) == StagedSource(records=2)
    assert [row[1] for row in sink.rows()] == ["0001", "0002"]


def test_more_foot_than_lines_says_so(write: Write, sink: FileSink) -> None:
    """With both numbers."""
    with pytest.raises(SourceError, match=r"has 1 line .* `skip_footer_rows` is 2"):
        source(write(line(1)), skip_footer_rows=2).stage(sink)


def test_a_line_that_does_not_fit_is_set_aside(write: Write, sink: FileSink) -> None:
    """Too short: with the column where it ends; too long: with both numbers; blanks beyond the end are nothing."""
    lines = [line(1), "0002tw", line(3) + "   ", line(4) + "x", line(5)]
    staged = source(write("\n".join(lines))).stage(sink)
    assert (staged.records, [one.row for one in staged.malformed]) == (3, [2, 4])
    assert "only 6 characters, the schema's columns take 18; it ends in column 'name'" in staged.malformed[0].reason
    assert staged.malformed[1].reason == "the line has 19 characters, the schema's columns take 18"
    assert (staged.malformed[0].text, [row[0] for row in sink.rows()]) == ("0002tw", [1, 3, 5])


def test_lines_whose_blanks_were_cut_can_be_read(write: Write, sink: FileSink) -> None:
    """`short_lines: blank`: what is missing counts as blanks."""
    path = write(f"0001one\n{line(2)}\n\n")
    assert source(path, short_lines="blank").stage(sink) == StagedSource(records=2)
    assert sink.rows() == [(1, "0001", "one", None), (2, "0002", "name", "2")]


def test_widths_that_no_line_has_are_an_error(write: Write, sink: FileSink) -> None:
    """Not a job of rejects only."""
    with pytest.raises(SourceError, match=r"no line fits the schema's widths \(first: .*state `short_lines: blank`"):
        source(write("0001 one\n0002 two\n")).stage(sink)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("0007né          1\r\n0008b           2".encode("windows-1252"), "windows-1252"),
        ("0007né          1\n0008b           2\r\n".encode(), "utf-8"),
        (gzip.compress("0007né          1\n0008b           2\n".encode()), "utf-8"),
    ],
    ids=["windows", "mixed line ends", "gzip"],
)
def test_encodings_line_ends_and_gzip(write: Write, sink: FileSink, content: bytes, encoding: str) -> None:
    """The same as of other text files."""
    fields = (Field("no", 4), Field("name", 8), Field("n", 5))
    assert source(write(content), *fields, encoding=encoding).stage(sink) == StagedSource(records=2)
    assert sink.rows() == [(1, "0007", "né", "1"), (2, "0008", "b", "2")]


@pytest.mark.parametrize(("content", "words"), [(b"", "is empty"), (b"0001\xff\n", "bytes that are not utf-8")])
def test_what_is_no_text_is_refused(write: Write, sink: FileSink, content: bytes, words: str) -> None:
    """With the words of every text file."""
    with pytest.raises(SourceError, match=words):
        source(write(content)).stage(sink)


CELL = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=5)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELL.filter(bool), CELL, CELL), min_size=1, max_size=12))
def test_what_was_written_is_read(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    """Any cells, padded to their widths, come back; the empty ones as null."""
    path = tmp_path / "law.txt"
    path.write_text("\n".join("".join(f"{cell:<6}" for cell in row) for row in rows), encoding="utf-8")
    database = tmp_path / "law.duckdb"
    database.unlink(missing_ok=True)
    sink = FileSink(database, threads=1)
    source(path, *(Field(name, 6) for name in "abc")).stage(sink)
    assert sink.rows() == [(number, *(cell or None for cell in row)) for number, row in enumerate(rows, start=1)]
    sink.connection.close()


def test_a_definition_gives_its_widths(tmp_path: Path, sink: FileSink) -> None:
    """`width` of each column in the schema's order; a calculated column takes no room."""
    (tmp_path / "x.txt").write_text("top\n007  5\n008\n", encoding="utf-8")
    schema = [{"name": "no", "width": 3}, {"name": "twice", "formula": "no || no"}, {"name": "n", "width": 3}]
    written = {"type": "fixed_width", "path": "x.txt", "schema": schema, "skip_rows": 1, "short_lines": "blank"}
    opened = open_source(
        TypeAdapter[Definition](Definition).validate_python(written),
        variables={},
        base=tmp_path,
        allows_path=lambda _: True,
        secrets=EnvironmentSecrets({}),
        spool=tmp_path,
    )
    assert opened.stage(sink) == StagedSource(records=2)
    assert sink.rows() == [(1, "007", "5"), (2, "008", None)]
