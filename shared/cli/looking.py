"""A first look at a source file, in the words of a definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.cli.recipes import writings
from shared.values.looks import SourceSample


@dataclass(frozen=True, slots=True)
class SourceLook:
    """What a first look at a file tells, in a definition's own words.

    `settings` are the members of `source:` beside path and schema (`type: delimited`, `delimiter` …). Each column has
    `name` and `type`, and what else its values call for. `doubts` says, by column, what a person should look at;
    `writings` how texts write numbers or truth values (see `recipes.writings`). `rows` are the first ones, as texts;
    `about` says how many there are, where that is told cheaply.
    """

    settings: Mapping[str, object]
    columns: tuple[Mapping[str, object], ...]
    doubts: Mapping[str, str] = field(default_factory=dict)
    writings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[tuple[str | None, ...], ...] = ()
    about: int | None = None


def look_into(path: Path) -> SourceLook:
    """Look into a file.

    Raises:
        SourceError: it is missing, empty, or of no known kind.
    """
    from shared.sources.sniffing import SniffedFile, sniff  # DuckDB is dear to start

    def settings(file: SniffedFile) -> dict[str, object]:
        match file.kind:
            case "delimited":
                plain: dict[str, object] = {"type": "delimited", "delimiter": file.delimiter, "encoding": file.encoding}
                return plain if file.header else {**plain, "header": False}
            case "excel":
                return {"type": "excel", "sheet": file.table}
            case "json":
                return {"type": "json", "records": file.records} if file.records else {"type": "json"}
            case "parquet":
                return {"type": "parquet"}
            case "sqlite":
                return {"type": "sql", "dialect": "sqlite", "table": file.table}

    found = sniff(path)
    columns = tuple(_column(one.name, one.type, one.input_format) for one in found.columns)
    written: dict[str, tuple[str, ...]] = {}
    if found.kind == "delimited" and found.header:
        texts = [one.name for one in found.columns if one.type == "text"]
        written = writings(path, delimiter=str(found.delimiter), encoding=str(found.encoding), names=texts)
    doubts = {one.name: one.doubt for one in found.columns if one.doubt}
    return SourceLook(settings(found), columns, doubts, written, found.rows, found.about)


def look_at_table(settings: Mapping[str, object], sample: SourceSample) -> SourceLook:
    """A look at a database's table, whose columns have types of their own."""
    from shared.sources.column_guess import native

    columns = tuple(_column(name, native(kind) or "text", None) for name, kind in sample.columns.items())
    return SourceLook(settings, columns, rows=sample.rows, about=sample.about)


def _column(name: str, kind: str, input_format: str | None) -> dict[str, object]:
    """What is not text is validated: a value that cannot be read is a reject, and not silently left out."""
    column: dict[str, object] = {"name": name, "type": kind}
    if input_format is not None:
        column["input_format"] = input_format
    return column if kind == "text" else {**column, "validate": True}
