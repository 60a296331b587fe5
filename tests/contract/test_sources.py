"""What every kind of source promises, run over all of them through `open_source`."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import openpyxl
import pytest
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import NotAllowedError, NotBuiltError, SourceError
from shared.ports import Source
from shared.sources import open_source
from tests.unit.sources.sink import FileSink

ROWS = [("007", "O'Brien", "1.50"), ("008", 'naïve, "東京"\n🌍', None), ("009", None, "-3")]
SCHEMA = [
    {"name": "legal name", "type": "text"},
    {"name": "no", "type": "text", "alias": "number"},
    {"name": "double", "type": "text", "formula": "no || no"},
    {"name": "credit", "type": "number"},
]


def write_delimited(path: Path) -> dict[str, object]:
    cells = ["no,spare,legal name,credit"] + [
        ",".join(f'"{(cell or "").replace(chr(34), chr(34) * 2)}"' for cell in (no, "-", name, credit))
        for no, name, credit in ROWS
    ]
    path.write_text("\n".join(cells) + "\n", encoding="utf-8")
    return {"type": "delimited"}


def objects() -> list[dict[str, object]]:
    return [{"no": no, "spare": [1], "legal name": name, "credit": credit} for no, name, credit in ROWS]


def write_array(path: Path) -> dict[str, object]:
    path.write_text(json.dumps({"answer": {"items": objects()}}, indent=1), encoding="utf-8")
    return {"type": "json", "records": "answer.items"}


def write_lines(path: Path) -> dict[str, object]:
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in objects()), encoding="utf-8")
    return {"type": "json", "format": "lines"}


def write_parquet(path: Path) -> dict[str, object]:
    with duckdb.connect() as connection:
        connection.execute(
            'CREATE TABLE t (no VARCHAR, spare INTEGER, "legal name" VARCHAR, credit VARCHAR)'
        ).fetchall()
        with connection.appender("t") as appender:
            appender.append_rows([(no, 1, name, credit) for no, name, credit in ROWS])
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)").fetchall()
    return {"type": "parquet"}


def write_excel(path: Path) -> dict[str, object]:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in [("no", "spare", "legal name", "credit"), *((no, 1, name, credit) for no, name, credit in ROWS)]:
        sheet.append(row)
    book.save(path)
    return {"type": "excel"}


def write_sqlite(path: Path) -> dict[str, object]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE t (no TEXT, spare INTEGER, "legal name" TEXT, credit TEXT)')
        connection.executemany("INSERT INTO t VALUES (?, 1, ?, ?)", ROWS)
        connection.commit()
    return {"type": "sql", "dialect": "sqlite", "table": "t"}


KINDS: Mapping[str, Callable[[Path], dict[str, object]]] = {
    "delimited": write_delimited,
    "array": write_array,
    "lines": write_lines,
    "excel": write_excel,
    "parquet": write_parquet,
    "sqlite": write_sqlite,
}
MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)


class NoSecrets:
    """Holds one secret: the path of a database."""

    def get(self, name: str) -> str:
        assert name == "erp"
        return "extract.x"


@dataclass
class Case:
    folder: Path
    settings: dict[str, object]

    def open(self, path: str | None = "@extract.x", *, allowed: bool = True, **changes: object) -> Source:
        place = {} if path is None else {"path": path}
        definition = MODEL.validate_python({"schema": SCHEMA, **place, **self.settings, **changes})
        return open_source(
            definition,
            variables={"extract": "extract"},
            base=self.folder,
            allows_path=lambda path: allowed and path.is_relative_to(self.folder.resolve()),
            secrets=NoSecrets(),
            spool=self.folder,
        )


@pytest.fixture(params=list(KINDS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    folder = tmp_path / "reach"
    folder.mkdir()
    return Case(folder, KINDS[request.param](folder / "extract.x"))


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[FileSink]:
    made = FileSink(tmp_path / "sink.duckdb")
    yield made
    made.connection.close()


def test_stages_every_record_under_its_number(case: Case, sink: FileSink) -> None:
    """The table holds row_no and the schema's columns, calculated ones and strangers left out; cells are whole."""
    staged = case.open().stage(sink)
    assert (staged.records, staged.malformed) == (len(ROWS), ())
    columns = [name for name in sink.columns() if not name.endswith("?")]
    assert columns == ["row_no", "legal name", "no", "credit"]
    assert sink.columns()["row_no"] == "BIGINT"
    staged = [row[:4] for row in sink.rows()]
    assert staged == [(number, name, no, credit) for number, (no, name, credit) in enumerate(ROWS, start=1)]


def test_staging_twice_gives_the_same(case: Case, sink: FileSink, tmp_path: Path) -> None:
    """A source can be read again; it holds nothing open in between."""
    source = case.open()
    other = FileSink(tmp_path / "other.duckdb")
    assert source.stage(sink) == source.stage(other)
    assert sink.rows() == other.rows()
    (case.folder / "extract.x").unlink()
    other.connection.close()


def test_tells_its_own_columns(case: Case) -> None:
    """All of them, also those that the schema does not name, in order."""
    assert list(case.open().column_types()) == ["no", "spare", "legal name", "credit"]


def test_a_column_that_is_not_there_is_an_error(case: Case, sink: FileSink) -> None:
    """A misspelt column is never a column of nulls (JSON: when no record has any of the columns)."""
    with pytest.raises(SourceError, match="did you mean 'no'"):
        case.open(schema=[{"name": "No"}]).stage(sink)


def test_a_path_outside_the_reach_is_refused(case: Case, tmp_path: Path) -> None:
    """Neither by a plain path, nor by going up, nor by an absolute one."""
    (tmp_path / "secret.txt").write_text("x")
    for path in ("../secret.txt", str(tmp_path / "secret.txt"), "@extract/../../secret.txt"):
        with pytest.raises(NotAllowedError, match="reach"):
            case.open(path)
    with pytest.raises(NotAllowedError, match="reach"):
        case.open(allowed=False)


@pytest.mark.needs("symlinks")
def test_a_link_out_of_the_reach_is_refused(case: Case, tmp_path: Path) -> None:
    """What counts is where a link leads."""
    (tmp_path / "secret.txt").write_text("x")
    (case.folder / "link").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(NotAllowedError, match="reach"):
        case.open("link")


def test_a_missing_file_names_similar_ones(case: Case) -> None:
    """The path, and what lies beside it."""
    with pytest.raises(SourceError, match=r"extrakt\.x does not exist; similar names .*: extract\.x; correct the path"):
        case.open("extrakt.x")
    with pytest.raises(SourceError, match=r"folder .* does not exist either"):
        case.open("nowhere/extract.x")
    with pytest.raises(SourceError, match="@missing"):
        case.open("@missing")
    with pytest.raises(NotBuiltError, match="address"):
        case.open("https://example.org/x")


@pytest.mark.parametrize("cut", [0.3, 0.7])
def test_a_file_cut_short_is_no_clean_read(case: Case, sink: FileSink, cut: float) -> None:
    """Half a file stops the job or, where its records are lines, sets the broken record aside."""
    path = case.folder / "extract.x"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * cut)])
    try:
        staged = case.open().stage(sink)
    except SourceError as error:
        assert "extract.x" in str(error)
    else:
        assert staged.records < len(ROWS)
        assert case.settings["type"] == "delimited"


def test_a_database_may_be_named_by_a_secret(tmp_path: Path, sink: FileSink) -> None:
    """The connection's secret holds the path; it is never shown."""
    case = Case(tmp_path, write_sqlite(tmp_path / "extract.x"))
    assert case.open(None, connection={"secret": "erp"}).stage(sink).records == len(ROWS)
    with pytest.raises(NotAllowedError, match="the secret 'erp'") as caught:
        case.open(None, connection={"secret": "erp"}, allowed=False)
    assert "extract" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "rest", "url": "https://example.org"},
    ],
)
def test_kinds_that_do_not_run_yet_are_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    """By name, before anything starts."""
    with pytest.raises(NotBuiltError, match="does not run yet"):
        Case(tmp_path, settings).open(None)
