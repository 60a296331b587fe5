"""A first look at a file: its kind, how it is written, and a careful proposal for the type of each column.

A proposal errs towards text: a number that is a key, a code or a telephone number loses its zeros for good when it is
read as a number, while a text that is a number loses nothing.
"""

from __future__ import annotations

import contextlib
import csv
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import duckdb

from shared.errors import SourceError
from shared.json_text import DECODER, Number, Twice, TwiceError, text_of
from shared.sources import column_guess, sqlite
from shared.sources.column_guess import SniffedColumn
from shared.sources.csv_dialect import Dialect, read_top
from shared.sources.dbapi import DAMAGED, as_text, select_table
from shared.sources.excel import ExcelFile, Sheet
from shared.sources.excel import as_text as excel_text
from shared.sources.json_file import JsonFile
from shared.sources.parquet import ParquetFile
from shared.sources.text_file import EMPTY_JSON, EMPTY_TABLE, TextFile
from shared.sql import identifier, literal

SAMPLE_RECORDS = 20_000
_SHOWN = 10
Kind = Literal["delimited", "excel", "json", "parquet", "sqlite"]
_ENCODINGS = ("utf-8", "utf-16", "windows-1252", "latin-1")
_DELIMITERS = (",", ";", "\t", "|")
_MAX_COLUMNS = 2_000
_MAX_DOCUMENT = 64 << 20
_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True, slots=True)
class SniffedFile:
    """What a file seems to be. `columns` describe its first 20,000 records.

    `delimiter` and `header` are for delimited files; `encoding` for these and JSON; `records` is the dotted way to the
    list in a JSON document; `tables` names all tables of a SQLite file or sheets of a workbook, `table` the one
    that was looked at. `rows` are the first ten as texts; `about` is how many there are, where the file says so itself.
    """

    kind: Kind
    columns: tuple[SniffedColumn, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None
    header: bool = True
    records: str | None = None
    tables: tuple[str, ...] = ()
    table: str | None = None
    rows: tuple[tuple[str | None, ...], ...] = ()
    about: int | None = None


def sniff(path: Path, *, table: str | None = None, spool: Path | None = None) -> SniffedFile:
    """Look at a file. `table` chooses one of a SQLite file; `spool` is a folder for a temporary copy.

    Raises:
        SourceError: the file is missing, empty, or of no known kind.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise SourceError(f"{path} {found}; give the path of a delimited, Excel, JSON, Parquet or SQLite file")
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PAR1"):
        return _sniff_parquet(path)
    if start.startswith(b"SQLite format 3\0"):
        return _sniff_sqlite(path, table)
    if start.startswith(_ARCHIVES):
        return _sniff_excel(path, table)
    encoding = _encoding(path, spool or path.parent)
    text = TextFile(path, encoding, spool or path.parent, _empty(path))
    with text.readable() as readable:
        with readable.open(encoding="utf-8-sig", newline="") as opened:
            sign = opened.read(4096).lstrip()[:1]
        if sign in ("[", "{") and path.suffix.lower() not in (".csv", ".tsv"):
            return _sniff_json(path, encoding)
        return replace(_sniff_delimited(readable, path), encoding=encoding)


def _empty(path: Path) -> str:
    return EMPTY_JSON if path.suffix.lower() in (".json", ".jsonl", ".ndjson") else EMPTY_TABLE


def _encoding(path: Path, spool: Path) -> str:
    failure: SourceError | None = None
    for encoding in _ENCODINGS:
        try:
            with TextFile(path, encoding, spool, _empty(path)).readable():
                return encoding
        except SourceError as error:
            failure = failure or error
    raise failure or SourceError(f"{path} is in no known encoding")


def _sniff_delimited(readable: Path, shown: Path) -> SniffedFile:
    delimiter = _delimiter(readable)
    dialect = Dialect(delimiter=delimiter)
    first = read_top(readable, dialect, shown=shown).header or ()
    header = _is_header(first)
    dialect = replace(dialect, header=header)
    names = first if header else tuple(f"column_{number}" for number in range(1, len(first) + 1))
    if len(names) > _MAX_COLUMNS:
        raise SourceError(f"{shown} has {len(names):,} columns; at most {_MAX_COLUMNS:,} are read")
    options = dialect.options(skip=read_top(readable, dialect, shown=shown).skip, width=len(names))
    read = f"read_csv({literal(str(readable))}, {options}, ignore_errors = true)"
    with _sample_of(shown) as connection:
        connection.execute(f"CREATE TABLE sample AS FROM {read} LIMIT {SAMPLE_RECORDS}").fetchall()
        columns = column_guess.guess(connection, names, texts=frozenset())
        rows = _first_rows(connection)
    return SniffedFile("delimited", columns, delimiter=delimiter, header=header, rows=rows)


def _first_rows(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[str | None, ...], ...]:
    return tuple(connection.execute(f"FROM sample LIMIT {_SHOWN}").fetchall())


def _delimiter(readable: Path) -> str:
    """The separator with which most of the first 200 records have the same number of cells, more than one."""
    with readable.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in islice(iter(lambda: file.readline(1 << 20), ""), 200) if line.strip()]
    return max(_DELIMITERS, key=lambda delimiter: _fit(lines, delimiter))


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = [len(record) for record in csv.reader(lines, delimiter=delimiter) if record]
    except csv.Error:
        return (0.0, 0)
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0])


def _is_header(cells: Sequence[str]) -> bool:
    names = [cell.strip().casefold() for cell in cells]
    return all(names) and len(set(names)) == len(names) and not any(column_guess.is_value(name) for name in names)


def _sniff_json(path: Path, encoding: str) -> SniffedFile:
    if encoding != "utf-8":
        raise SourceError(f"{path} is JSON in {encoding}; JSON is read in utf-8 only, so export it again")
    records = _list_in(path)
    members: dict[str, list[str | None]] = {}
    texts: set[str] = set()
    count = 0
    for record in islice(JsonFile(path, (), "auto", records, path.parent).read(), SAMPLE_RECORDS):
        if not isinstance(record, dict) or isinstance(record, Twice):
            continue
        for name, value in _flat(record):
            column = members.setdefault(name, [])
            column += [None] * (count - len(column)) + [_text(value)]
            if isinstance(value, str) and not isinstance(value, Number):
                texts.add(name)
        count += 1
        if len(members) > _MAX_COLUMNS:
            raise SourceError(f"{path} has records of more than {_MAX_COLUMNS:,} members; at most that many are read")
    columns = [[*column, *[None] * (count - len(column))] for column in members.values()]
    rows = list(zip(*columns, strict=True))
    guessed = _guess_rows(path, tuple(members), rows, frozenset(texts))
    return SniffedFile("json", guessed, encoding=encoding, records=records, rows=tuple(rows[:_SHOWN]))


def _text(value: object) -> str | None:
    with contextlib.suppress(TwiceError, RecursionError):
        return text_of(value)
    return None


def _flat(record: dict[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, dict) and value and not isinstance(value, Twice):
            yield from ((f"{name}.{inner}", item) for inner, item in value.items())
        else:
            yield name, value


def _list_in(path: Path) -> str | None:
    """The member that holds the list when the document is one object: the first one with objects in it."""
    found: list[object] = []
    with contextlib.suppress(SourceError):
        found += islice(JsonFile(path, (), "lines", None, path.parent).read(), 2)
    if len(found) != 1 or not isinstance(found[0], dict):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            found = [DECODER.decode(path.read_text("utf-8-sig"))] if path.stat().st_size < _MAX_DOCUMENT else []
    if len(found) == 1 and isinstance(found[0], dict):
        for name, value in found[0].items():
            if isinstance(value, list) and value and isinstance(value[0], dict) and "." not in name:
                return str(name)
    return None


def _sniff_parquet(path: Path) -> SniffedFile:
    types = ParquetFile(path, ()).column_types()
    cells = ", ".join(f"{identifier(name)}::VARCHAR AS c{at}" for at, name in enumerate(types))
    native = {name: column_guess.native(kind) for name, kind in types.items()}
    texts = frozenset(name for name, kind in native.items() if kind is None)
    with _sample_of(path) as connection:
        read = f"read_parquet({literal(str(path))})"
        connection.execute(f"CREATE TABLE sample AS SELECT {cells} FROM {read} LIMIT {SAMPLE_RECORDS}").fetchall()
        columns = column_guess.guess(connection, tuple(types), texts=texts)
        shown = _first_rows(connection)
        count = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({literal(str(path))})").fetchall()
    known = [replace(one, type=kind, input_format=None) if (kind := native[one.name]) else one for one in columns]
    return SniffedFile("parquet", tuple(known), rows=shown, about=int(count[0][0]))


def _sniff_sqlite(path: Path, table: str | None) -> SniffedFile:
    try:
        with contextlib.closing(sqlite.connect(path)) as connection:
            found = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'"
            ).fetchall()
            tables = tuple(str(row[0]) for row in found)
            chosen = table or next(iter(tables), None)
            if chosen is None or chosen not in tables:
                raise SourceError(f"{path} has no table {chosen or 'at all'}; it has {', '.join(tables) or 'none'}")
            cursor = connection.execute(select_table(chosen, None))
            names = tuple(str(item[0]) for item in cursor.description)
            rows = cursor.fetchmany(SAMPLE_RECORDS)
    except sqlite3.Error as error:
        raise SourceError(f"{path} cannot be read as a SQLite file: {error}; {DAMAGED}") from None
    texts = frozenset(name for at, name in enumerate(names) if any(isinstance(row[at], str | bytes) for row in rows))
    cells = [tuple(as_text(value) for value in row) for row in rows]
    columns, about = _guess_rows(path, names, cells, texts), len(rows) if len(rows) < SAMPLE_RECORDS else None
    return SniffedFile("sqlite", columns, tables=tables, table=chosen, rows=tuple(cells[:_SHOWN]), about=about)


def _sniff_excel(path: Path, sheet: str | None) -> SniffedFile:
    sheets = ExcelFile(path, (), Sheet()).sheets()
    chosen = sheet or next(iter(sheets), None)
    header, rows = ExcelFile(path, (), Sheet(chosen)).sample(SAMPLE_RECORDS)
    texts = frozenset(name for at, name in enumerate(header) if any(isinstance(row[at], str) for row in rows))
    cells = [tuple(excel_text(cell) for cell in row) for row in rows]
    columns, about = _guess_rows(path, header, cells, texts), len(rows) if len(rows) < SAMPLE_RECORDS else None
    return SniffedFile("excel", columns, tables=sheets, table=chosen, rows=tuple(cells[:_SHOWN]), about=about)


def _guess_rows(
    path: Path, names: tuple[str, ...], rows: Sequence[tuple[str | None, ...]], texts: frozenset[str]
) -> tuple[SniffedColumn, ...]:
    if not names:
        return ()
    with _sample_of(path) as connection:
        columns = ", ".join(f"c{at} VARCHAR" for at in range(len(names)))
        connection.execute(f"CREATE TABLE sample ({columns})").fetchall()
        with connection.appender("sample") as appender:
            appender.append_rows(list(rows))
        return column_guess.guess(connection, names, texts=texts)


@contextlib.contextmanager
def _sample_of(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with duckdb.connect(config={"threads": 1, "memory_limit": "300MB"}) as connection:
            yield connection
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        raise SourceError(f"{path} cannot be looked at: {reason}; is it a file of another kind?") from None
