"""Sources: one module per kind of place that records come from, all behind `shared.ports.Source`.

A kind is imported when a definition asks for it: a job reads one, and some of them are dear to start.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shared.definitions.reach import blob_container
from shared.definitions.source import (
    DelimitedSource,
    ExcelSource,
    FileSource,
    FixedWidthSource,
    JsonSource,
    ParquetSource,
    SourceBase,
    SqlSource,
    path_kind,
)
from shared.errors import NotAllowedError, NotBuiltError, SourceError
from shared.ports import Secrets, Source
from shared.sources.blob import BlobFiles, Storage, encoded, place
from shared.sources.file_set import FileSet
from shared.sources.patterns import bound
from shared.sources.places import LocalFiles, locate, locate_all
from shared.sources.unpacking import is_zip
from shared.values.files import FileRead
from shared.values.looks import SourceSample
from shared.values.watermarks import Since

if TYPE_CHECKING:
    from shared.sources.csv_dialect import Dialect
    from shared.sources.dbapi import DbApiSource
    from shared.sources.excel import Sheet
    from shared.sources.fixed_width import Layout
    from shared.sources.postgresql import PostgresSource

__all__ = ["Remote", "Storage", "open_source", "sample_table"]
_SAMPLE_ROWS = 10


@dataclass(frozen=True, slots=True)
class _Surroundings:
    variables: Mapping[str, str]
    base: Path
    allows_path: Callable[[Path], bool]
    secrets: Secrets
    spool: Path
    remote: Remote
    since: Since | None = None

    def locate(self, text: str) -> Path:
        return locate(text, base=self.base, allows_path=self.allows_path)


@dataclass(frozen=True, slots=True)
class Remote:
    """Files in storage: what lies within the reach, how storage is reached, and which files are left out."""

    allows_blob: Callable[[str], bool] = lambda _: False
    storage: Storage = field(default_factory=Storage)
    read_before: frozenset[FileRead] = frozenset()


def open_source(
    definition: SourceBase,
    *,
    variables: Mapping[str, str],
    base: Path,
    allows_path: Callable[[Path], bool],
    secrets: Secrets,
    spool: Path | None = None,
    remote: Remote | None = None,
    since: Since | None = None,
) -> Source:
    """The source that a definition describes, bound to its variables; nothing is read yet.

    `base` is where relative paths begin, `allows_path` says what lies within the operator's reach. `spool` is a folder
    for temporary copies of text files (other encodings, gzip, mixed line ends); DuckDB must be allowed to read there.
    A database gives the rows `since` then, and perhaps more; files give all.

    Raises:
        NotAllowedError: the path is outside the operator's reach.
        SourceError: the file does not exist, or a variable has no value.
        NotBuiltError: this kind of source does not run yet.
    """
    around = _Surroundings(
        variables,
        base,
        allows_path,
        secrets,
        spool or Path(tempfile.gettempdir()),
        remote or Remote(),
        since if since and _as_it_stands(definition, since) else None,
    )
    wanted = tuple(dict.fromkeys(column.name for column in definition.columns if not column.calculated))
    if isinstance(definition, FileSource):
        return _files(definition, wanted, around)
    if isinstance(definition, SqlSource) and definition.dialect in _DATABASES:
        return _DATABASES[definition.dialect](definition, wanted, around)
    kind = getattr(definition, "type", type(definition).__name__)
    kind += f" of dialect {definition.dialect}" if isinstance(definition, SqlSource) else ""
    raise NotBuiltError(f"a source of type {kind} does not run yet; files, PostgreSQL and SQLite do")


def _as_it_stands(definition: SourceBase, since: Since) -> bool:
    """Whether the watermark's column is compared as the database holds it; else all is read."""
    column = definition.column(since.label)
    return column is not None and column.input_format is None


def sample_table(
    source: SqlSource, *, base: Path, allows_path: Callable[[Path], bool], secrets: Secrets
) -> SourceSample:
    """A first look at a table or query: columns with types, ten rows, and about how many there are where that is cheap.

    Raises:
        SourceError, AuthenticationError, NotAllowedError: as when it is read.
    """
    around = _Surroundings({}, base, allows_path, secrets, Path(tempfile.gettempdir()), Remote())
    return _DATABASES[source.dialect](source, (), around).sample(_SAMPLE_ROWS)


def _files(definition: FileSource, wanted: tuple[str, ...], around: _Surroundings) -> Source:
    def opened(path: Path) -> Source:
        return _file(definition, path, wanted, around.spool)

    several = FileSet(
        LocalFiles(()),
        opened,
        wanted,
        around.spool,
        unpacks=not isinstance(definition, ExcelSource),
        read_before=around.remote.read_before,
        encoding=_text_encoding(definition),
    )
    path = bound(definition.path, around.variables)
    if path.text.startswith("blob:") or blob_container(path.text) is not None:
        return replace(several, origin=_in_storage(definition, around))
    if path_kind(path.text) == "https":  # not shown: it may hold a token
        raise NotBuiltError(
            "the source's path is a web address that names no container of storage; a file elsewhere on the web is not "
            "read yet: hand it over with a file variable, or name a container"
        )
    paths = locate_all(path, base=around.base, allows_path=around.allows_path)
    if len(paths) == 1 and not path.wild and not (several.unpacks and is_zip(paths[0])) and not several.read_before:
        return opened(paths[0])
    return replace(several, origin=LocalFiles(paths), readable=paths)


def _text_encoding(definition: FileSource) -> str | None:
    if isinstance(definition, DelimitedSource | FixedWidthSource):
        return definition.encoding
    return "utf-8" if isinstance(definition, JsonSource) else None


def _in_storage(definition: FileSource, around: _Surroundings) -> BlobFiles:
    web = definition.path.lstrip().lower().startswith("https:")
    values = {name: encoded(value) if web else value for name, value in around.variables.items()}
    path = bound(definition.path, values)
    if not around.remote.allows_blob(path.text):
        raise NotAllowedError(
            f"the source file {path.text!r} is outside the containers that may be read; "
            "the operator allows more under `containers` in syncs/reach.yaml"
        )
    secret = definition.sas.secret if definition.sas else None
    storage = around.remote.storage
    return BlobFiles(place(path, storage), storage, (lambda: around.secrets.get(secret)) if secret else None)


def _file(definition: FileSource, path: Path, wanted: tuple[str, ...], spool: Path) -> Source:
    match definition:
        case DelimitedSource():
            from shared.sources.delimited import DelimitedFile

            return DelimitedFile(path, wanted, _dialect(definition), definition.encoding, spool)
        case FixedWidthSource():
            from shared.sources.fixed_width import FixedWidthFile

            return FixedWidthFile(path, _layout(definition), definition.encoding, spool)
        case ExcelSource():
            from shared.sources.excel import ExcelFile

            return ExcelFile(path, wanted, _sheet(definition), spool)
        case JsonSource():
            from shared.sources.json_file import JsonFile

            return JsonFile(path, wanted, definition.format, definition.records, spool)
        case ParquetSource():
            from shared.sources.parquet import ParquetFile

            return ParquetFile(path, wanted)
    raise NotBuiltError(f"a source of type {type(definition).__name__} does not run yet")


def _dialect(definition: DelimitedSource) -> Dialect:
    from shared.sources.csv_dialect import Dialect

    return Dialect(
        delimiter=definition.delimiter,
        quote=definition.quote,
        escape=definition.escape,
        header=definition.header,
        skip_rows=definition.skip_rows,
    )


def _layout(definition: FixedWidthSource) -> Layout:
    from shared.sources.fixed_width import Field, Layout

    fields = [Field(column.name, column.width or 0) for column in definition.columns if not column.calculated]
    return Layout(tuple(fields), definition.skip_rows, definition.skip_footer_rows, definition.short_lines)


def _sheet(definition: ExcelSource) -> Sheet:
    from shared.sources.excel import Sheet

    return Sheet(definition.sheet, definition.header, definition.skip_rows, definition.skip_footer_rows)


def _sqlite(definition: SqlSource, wanted: tuple[str, ...], around: _Surroundings) -> DbApiSource:
    from shared.sources.sqlite import sqlite_source

    return sqlite_source(
        _database(definition, around),
        _statement(definition),
        wanted=wanted,
        variables=around.variables,
        since=around.since,
        spool=around.spool,
    )


def _statement(definition: SqlSource) -> str:
    from shared.sources.dbapi import select_table

    return definition.query or select_table(definition.table or "", definition.filter)


def _postgresql(definition: SqlSource, wanted: tuple[str, ...], around: _Surroundings) -> PostgresSource:
    from shared.sources.postgresql import PostgresSource

    name = definition.connection.secret if definition.connection else ""
    return PostgresSource(
        conninfo=around.secrets.get(name),
        sql=_statement(definition),
        variables=around.variables,
        wanted=wanted,
        shown=f"the PostgreSQL database of the secret {name!r}",
        spool=around.spool,
        since=around.since,
        time_zone=definition.time_zone,
    )


def _database(definition: SqlSource, around: _Surroundings) -> Path:
    if definition.connection is None:
        return around.locate(bound(definition.path or "", around.variables).text)
    name = definition.connection.secret
    try:
        return around.locate(around.secrets.get(name))
    except (SourceError, NotAllowedError) as error:
        # The path came from a secret, so it is not shown.
        raise type(error)(
            f"the secret {name!r} does not hold the path of a SQLite file that exists within the operator's reach; "
            "correct the secret, or add the folder to syncs/reach.yaml"
        ) from None


def _sqlserver(definition: SqlSource, wanted: tuple[str, ...], around: _Surroundings) -> DbApiSource:
    from shared.sources.sqlserver import sqlserver_source

    name = definition.connection.secret if definition.connection else ""
    return sqlserver_source(
        around.secrets.get(name),
        _statement(definition),
        wanted=wanted,
        variables=around.variables,
        identity=around.remote.storage.identity,
        shown=f"the SQL Server database of the secret {name!r}",
        since=around.since,
        time_zone=definition.time_zone,
        table=None if definition.filter else definition.table,
    )


_DATABASES: Mapping[str, Callable[[SqlSource, tuple[str, ...], _Surroundings], DbApiSource | PostgresSource]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "sqlserver": _sqlserver,
}
