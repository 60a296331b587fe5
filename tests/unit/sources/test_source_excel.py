"""A sheet is read as a person sees it: values, not formulas; merged cells whole; the file as suspect as any other."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from shared.errors import SourceError
from shared.ports import StagedSource
from shared.sources import text_file, workbook
from shared.sources.excel import ExcelFile, Sheet
from shared.sources.sniffing import sniff
from tests.unit.sources.sink import FileSink

Write = Callable[..., Path]
HEADER = ["no", "name", "credit"]


def made(path: Path, rows: list[list[object]], *, shape: Callable[[Worksheet], None] = lambda _: None) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    shape(sheet)
    book.create_sheet("Second").append(["other"])
    book.save(path)
    return path


def rewritten(path: Path, **members: Callable[[bytes], bytes]) -> Path:
    """The workbook with some of its parts changed; a part is known by its name without folder and suffix."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, members.get(Path(name).stem, bytes)(content))
    return path


def stage(path: Path, sink: FileSink, *wanted: str, **sheet: object) -> StagedSource:
    return ExcelFile(path, wanted or tuple(HEADER), Sheet(**sheet)).stage(sink)  # type: ignore[arg-type]


def test_values_are_staged_as_texts_that_lose_nothing(tmp_path: Path, sink: FileSink) -> None:
    """Fifteen digits of a number, ISO dates, true and false; columns by name, in the schema's order."""
    rows: list[list[object]] = [
        ["text", "whole", "broken", "day", "moment", "hour", "span", "truth"],
        [
            "007",
            12,
            0.1 + 0.2,
            date(2026, 1, 31),
            datetime.fromisoformat("2026-01-31 08:30"),
            time(8, 30),
            timedelta(hours=30),
            True,
        ],
        [None, None, 1e20, None, datetime.fromisoformat("1999-12-31 23:59:59"), None, None, False],
    ]
    path = made(tmp_path / "x.xlsx", rows)
    assert stage(path, sink, "truth", *(str(name) for name in rows[0][:-1])).records == 2
    assert sink.rows() == [
        (1, "true", "007", "12", "0.3", "2026-01-31", "2026-01-31T08:30:00", "08:30:00", "30:00:00"),
        (2, "false", None, None, "1" + "0" * 20, None, "1999-12-31T23:59:59", None, None),
    ]


def test_header_foot_and_empty_rows(tmp_path: Path, sink: FileSink) -> None:
    """Rows above the header and at the foot are left out; a row without a value is no record."""
    rows: list[list[object]] = [
        ["Customers"],
        ["as of", 2026],
        [*HEADER, None, "spare"],
        ["1", "a", 1],
        [],
        ["2", "b", 2],
    ]
    path = made(tmp_path / "x.xlsx", [*rows, ["total", None, 3], [None, None, None]])
    assert stage(path, sink, skip_rows=2, skip_footer_rows=1).records == 2
    assert [row[1:] for row in sink.rows()] == [("1", "a", "1"), ("2", "b", "2")]
    source = ExcelFile(path, ("no",), Sheet(skip_rows=2))
    assert list(source.column_types()) == ["no", "name", "credit", "spare"]


def test_without_a_header_columns_go_by_order(tmp_path: Path, sink: FileSink) -> None:
    """The schema's columns, from the left."""
    path = made(tmp_path / "x.xlsx", [["1", "a", 1.5], ["2", "b"]])
    assert stage(path, sink, header=False).records == 2
    assert sink.rows() == [(1, "1", "a", "1.5"), (2, "2", "b", None)]


def test_merged_cells_hold_their_value_everywhere(tmp_path: Path, sink: FileSink) -> None:
    """Downwards and to the right; in the header downwards only, for two columns cannot have one name."""

    def merge(sheet: Worksheet) -> None:
        for area in ("A1:A2", "B1:C1", "A3:A4", "B4:C4"):
            sheet.merge_cells(area)

    rows: list[list[object]] = [["no", "both", None], [None, "name", "credit"], ["7", "a", 1], [None, "b", None]]
    path = made(tmp_path / "x.xlsx", [*rows, ["8", "c", 3]], shape=merge)
    assert stage(path, sink, skip_rows=1).records == 3
    assert [row[1:] for row in sink.rows()] == [("7", "a", "1"), ("7", "b", "b"), ("8", "c", "3")]


def with_formula(path: Path, formula: bytes) -> Path:
    """A workbook whose last cell of the first record is written as stated."""
    cell = re.compile(rb'<c r="C2"[^>]*>.*?</c>')
    return rewritten(made(path, [list(HEADER), ["1", "a", 9]]), sheet1=lambda part: cell.sub(formula, part))


def test_a_formula_gives_its_value(tmp_path: Path, sink: FileSink) -> None:
    """The value that Excel computed last; an empty text is one."""
    path = with_formula(tmp_path / "x.xlsx", b'<c r="C2"><f>SUM(1,2)</f><v>3</v></c>')
    assert stage(path, sink).records == 1
    assert sink.rows() == [(1, "1", "a", "3")]
    path = with_formula(tmp_path / "y.xlsx", b'<c r="C2" t="str"><f>""</f><v></v></c>')
    assert stage(path, FileSink(tmp_path / "other.duckdb")).records == 1


@pytest.mark.parametrize(
    "cell",
    [b'<c r="C2"><f>A2</f></c>', b'<c r="C2"><f>A2</f><v/></c>', b'<x:c s="1" r="C2"><x:f t="shared" si="0"/></x:c>'],
)
def test_a_formula_that_was_never_computed_stops_the_read(tmp_path: Path, sink: FileSink, cell: bytes) -> None:
    """It would be read as an empty cell, and clear what is there; the message names the cell."""
    with pytest.raises(SourceError, match="cell C2 holds a formula that was never computed; open the workbook"):
        stage(with_formula(tmp_path / "x.xlsx", cell), sink)


def test_texts_may_be_shared(tmp_path: Path, sink: FileSink) -> None:
    """Excel keeps each text once, beside the sheets; line ends in it are escaped."""
    path = with_formula(tmp_path / "x.xlsx", b'<c r="C2" t="s"><v>1</v></c>')
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
    rewritten(path, **{"[Content_Types]": lambda part: part.replace(b"</Types>", entry)})
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    texts = "<si><t>other</t></si><si><r><t>two_x000D_</t></r><r><t>\nlines</t></r></si>"
    with zipfile.ZipFile(path, "a") as book:
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{space}" count="2" uniqueCount="2">{texts}</sst>')
    assert stage(path, sink).records == 1
    assert sink.rows() == [(1, "1", "a", "two\r\nlines")]


def test_a_row_with_an_error_is_set_aside(tmp_path: Path, sink: FileSink) -> None:
    """#N/A is no value; a column that nobody reads may hold any."""
    rows = [[*HEADER, "spare"], ["1", "a", 1, None], ["2", "#N/A", 2, None], ["3", "c", 3, "#REF!"]]
    staged = stage(made(tmp_path / "x.xlsx", rows), sink)
    assert (staged.records, [(one.row, one.reason) for one in staged.malformed]) == (
        2,
        [(2, "column 'name' holds the error #N/A")],
    )
    assert [row[0] for row in sink.rows()] == [1, 3]


def test_sheets_are_chosen_by_name(tmp_path: Path, sink: FileSink) -> None:
    """The first one when none is named; a wrong name lists those there are."""
    path = made(tmp_path / "x.xlsx", [["a"]])
    assert list(ExcelFile(path, (), Sheet()).column_types()) == ["a"]
    assert list(ExcelFile(path, (), Sheet("Second")).column_types()) == ["other"]
    with pytest.raises(SourceError, match=r"no sheet 'second' \(did you mean 'Second'\?\); it has 'Sheet', 'Second'"):
        stage(path, sink, name="second")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["no", "no", "credit"], "names the column 'no' twice"),
        (["no", "Name", "credit"], "no column 'name'"),
        ([], "no header in row 1"),
    ],
)
def test_a_header_that_does_not_fit_says_so(tmp_path: Path, sink: FileSink, header: list[object], words: str) -> None:
    """Before anything is staged."""
    with pytest.raises(SourceError, match=words):
        stage(made(tmp_path / "x.xlsx", [header, ["1", "a", 1]]), sink)


def test_a_wrong_size_in_the_file_cuts_nothing_off(tmp_path: Path, sink: FileSink) -> None:
    """Some programs write `dimension` before they know it."""
    path = made(tmp_path / "x.xlsx", [list(HEADER), ["1", "a", 1], ["2", "b", 2]])
    size = re.compile(rb'<dimension ref="[^"]*"')
    rewritten(path, sheet1=lambda part: size.sub(b'<dimension ref="A1:A1"', part))
    assert stage(path, sink).records == 2


def archive(**members: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as made_archive:
        for name, content in members.items():
            made_archive.writestr(name.replace("__", "/"), content)
    return whole.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no,name\n1,a\n", "is no Excel workbook"),
        (b"", "is no Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old kind"),
        (archive(**{"a.csv": b"1"}), "archive of another kind"),
        (archive(**{"xl__workbook.bin": b"1"}), "binary workbook"),
        (archive(**{"[Content_Types].xml": b"<x"}), "damaged workbook"),
    ],
    ids=["text", "empty", "old", "zip", "binary", "torn"],
)
def test_a_workbook_that_is_none(write: Write, sink: FileSink, content: bytes, words: str) -> None:
    """Each kind of mistake in its own words, with the file's name."""
    path = write(content, "x.xlsx")
    with pytest.raises(SourceError, match=words) as caught:
        stage(path, sink)
    assert str(path) in str(caught.value)


def test_a_damaged_sheet_says_so(tmp_path: Path, sink: FileSink) -> None:
    """Half-way as well as at the start."""
    path = made(tmp_path / "x.xlsx", [list(HEADER), *([str(n), "a", n] for n in range(500))])
    rewritten(path, sheet1=lambda part: part[: len(part) // 2] + b"<<")
    with pytest.raises(SourceError, match="damaged workbook"):
        stage(path, sink)


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, sink: FileSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what its directory says, beyond which the reader unpacks nothing."""
    path = made(tmp_path / "x.xlsx", [list(HEADER), ["1", "a", 1]])
    assert stage(path, sink).records == 1
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/huge.xml", bytes(3 << 20))
    monkeypatch.setattr(workbook, "MOST_TEXTS_BYTES", 2 << 20)
    with pytest.raises(SourceError, match=r"texts and styles unpack to 3 MB; at most 2 MB"):
        stage(path, sink)
    monkeypatch.setattr(workbook, "MOST_TEXTS_BYTES", 4 << 20)
    monkeypatch.setattr(workbook, "MOST_UNPACKED_BYTES", 1 << 20)
    with pytest.raises(SourceError, match="sheets unpack to"):
        stage(path, sink)


def test_a_sheet_of_blanks_is_refused_before_it_is_unpacked(
    tmp_path: Path, sink: FileSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks between the cells would be held in memory: what grows beyond any honest sheet is told by its directory."""
    path = made(tmp_path / "x.xlsx", [list(HEADER), ["1", "a", 1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet9.xml", b" " * (3 << 20))
    monkeypatch.setattr(text_file, "_ANY_GROWTH_BYTES", 2 << 20)
    with pytest.raises(SourceError, match=r"sheet9\.xml \(\d+ KB\) unpacks to more than 3 MB, over 100 times"):
        stage(path, sink)


def test_entities_do_not_grow(tmp_path: Path, sink: FileSink) -> None:
    """A billion laughs end in a message, not in the memory."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'.encode()
    path = made(tmp_path / "x.xlsx", [list(HEADER), ["1", "a", 1]])
    rewritten(path, sheet1=lambda part: bomb + part.replace(b"<t>a</t>", b"<t>&l11;</t>"))
    with pytest.raises(SourceError, match="damaged workbook"):
        stage(path, sink)


def test_a_first_look_keeps_the_sheets_own_types(tmp_path: Path) -> None:
    """A text of digits stays a text; numbers, dates and truth values are taken over."""
    rows: list[list[object]] = [["t", "n", "d", "b"], ["12", 1.5, date(2026, 1, 31), True], ["13", 2, None, False]]
    found = sniff(made(tmp_path / "x.xlsx", rows))
    assert (found.kind, found.tables, found.table) == ("excel", ("Sheet", "Second"), "Sheet")
    assert {one.name: one.type for one in found.columns} == {"t": "text", "n": "number", "d": "date", "b": "bool"}
    assert [one.name for one in sniff(tmp_path / "x.xlsx", table="Second").columns] == ["other"]
