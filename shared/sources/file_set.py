"""Several files as one source: fetched and unpacked one after another, in the order of their names."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import duckdb

from shared.errors import SourceError
from shared.ports import Explain, MalformedRow, Source, SourceSink, StagedSource
from shared.sources.beginnings import beginning
from shared.sources.unpacking import is_zip, members, unpack
from shared.sql import identifier
from shared.values.files import FileRead

_LOOKS_BYTES = (1 << 20, 16 << 20)
"""How much of a file is looked at for its columns; when that does not tell them, the whole."""
Opener = Callable[[Path], Source]
"""Gives the source of one local file."""


class Origin(Protocol):
    """Where files come from."""

    def list(self) -> Sequence[Listed]:
        """The files that are meant, in order."""

    def local(self, file: Listed, folder: Path) -> contextlib.AbstractContextManager[Path]:
        """A file as a local one; `folder` may take a copy. Closing it checks that the file did not change."""

    def opened(self, file: Listed) -> contextlib.AbstractContextManager[tuple[IO[bytes], int]]:
        """A file to read pieces of, and its size; nothing else of it is fetched."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One file: its whole name for messages and memory, and what changes with its content."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class FileSet:
    """All files of an origin as one source.

    `read_before` are names and versions that are left out; `unpacks`: a zip stands for the files in it; `readable` are
    files outside the spool that the sink's queries read; `encoding` is that of texts, None for other kinds.
    """

    origin: Origin
    open: Opener
    wanted: tuple[str, ...]
    spool: Path
    unpacks: bool = True
    readable: tuple[Path, ...] = ()
    read_before: frozenset[FileRead] = frozenset()
    encoding: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Local files that are read where they lie."""
        return self.readable

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: the records of all files, numbered through.

        Raises:
            SourceError: also when a file has other columns than the ones before it, or changed while it was read.
        """
        listed = [one for one in self.origin.list() if FileRead(one.name, one.version) not in self.read_before]
        if not listed:
            sink.create({"row_no": "BIGINT"} | dict.fromkeys(self.wanted, "VARCHAR"))
            return StagedSource(0)
        staged = self._staged(listed, sink)
        files = tuple(FileRead(file.name, file.version) for file in listed)
        return StagedSource(staged.records, staged.malformed, files=files)

    def _staged(self, listed: Sequence[Listed], sink: SourceSink) -> StagedSource:
        joined, alone = _Joined(sink), None
        for file in listed:
            for piece in self._pieces(file):
                with _named(piece):
                    if len(listed) == 1 and piece.alone:
                        alone = self.open(piece.path).stage(_Alone(sink))
                    else:
                        joined.stage(self.open(piece.path), piece.name)
        return alone or joined.finish()

    def column_types(self) -> Mapping[str, str]:
        """Those of the first file, of which no more is read than tells them, where its kind allows for that."""
        for file in self.origin.list()[:1]:
            for most_bytes in _LOOKS_BYTES:
                with contextlib.suppress(SourceError):  # of a part that is too small, or of a file that is broken
                    if (found := self._looked(file, most_bytes)) is not None:
                        return found
            for piece in self._pieces(file):
                with _named(piece):
                    return self.open(piece.path).column_types()
        return {}

    def _looked(self, file: Listed, most_bytes: int) -> Mapping[str, str] | None:
        with tempfile.TemporaryDirectory(prefix="dynsync-", dir=self.spool) as folder:
            part = Path(folder) / "part"
            with self.origin.opened(file) as (opened, size_bytes):
                small = size_bytes <= most_bytes
                if small or not beginning(opened, part, encoding=self.encoding, most_bytes=most_bytes):
                    return None
            return self.open(part).column_types()

    def _pieces(self, file: Listed) -> Iterator[_Piece]:
        copies = tempfile.TemporaryDirectory(prefix="dynsync-", dir=self.spool)
        with copies as folder, self.origin.local(file, Path(folder)) as path:
            if not (self.unpacks and is_zip(path)):
                yield _Piece(file.name, path, alone=True)
                return
            found = members(path, file.name)
            for member in found:
                name, target = f"{file.name}/{member.filename}", Path(folder) / "member"
                unpack(path, member, target, name)
                yield _Piece(name, target, alone=len(found) == 1)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file to read: its name for people, where it lies, and whether it is the only one of its file."""

    name: str
    path: Path
    alone: bool


@contextlib.contextmanager
def _named(piece: _Piece) -> Iterator[None]:
    """A temporary copy is spoken of by the name of what it copies."""
    try:
        yield
    except SourceError as error:
        raise SourceError(str(error).replace(str(piece.path), piece.name)) from None


def _copied(sink: SourceSink, query: str, explain: Explain) -> int:
    """Fill a table where a view was offered: the file is a copy that goes away."""
    try:
        return sink.fill(query)
    except duckdb.Error as error:
        told = explain(error)
        if told is None:
            raise
        raise told from None


@dataclass(frozen=True, slots=True)
class _Alone:
    """The whole sink, for a file that is the only one."""

    sink: SourceSink

    def fill(self, query: str, parameters: Mapping[str, object] | None = None) -> int:
        return self.sink.fill(query, parameters)

    def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
        return self.sink.fill_in_order(query, never=never)

    def view(self, query: str, explain: Explain) -> int:
        return _copied(self, query, explain)

    def create(self, columns: Mapping[str, str]) -> None:
        self.sink.create(columns)

    def append(self, rows: Sequence[tuple[object, ...]]) -> None:
        self.sink.append(rows)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        return self.sink.query(sql, parameters)


class _Joined:
    """Stages source after source into one sink."""

    def __init__(self, sink: SourceSink) -> None:
        self._sink = sink
        self._parts: list[tuple[str, int]] = []
        self._first: tuple[str, Mapping[str, str]] | None = None
        self._read = 0
        self._malformed: list[MalformedRow] = []

    def stage(self, source: Source, name: str) -> None:
        part = _Part(self, name, self._read)
        staged = source.stage(part)
        self._malformed += [
            MalformedRow(one.row + self._read, f"{name}: {one.reason}", one.text) for one in staged.malformed
        ]
        self._read += staged.records + len(staged.malformed)

    def fill(self, name: str, query: str, parameters: Mapping[str, object] | None) -> int:
        """One file's records by a query: kept apart until all are there, for the sink's table is made once."""
        table = f"file_part_{len(self._parts)}"
        self._sink.query(f"CREATE OR REPLACE TABLE {table} AS {query}", parameters)
        self.alike(name, {str(row[0]): str(row[1]) for row in self._sink.query(f"DESCRIBE {table}")})
        self._parts.append((table, self._read))
        return int(str(self._sink.query(f"SELECT count(*) FROM {table}")[0][0]))

    def create(self, name: str, columns: Mapping[str, str]) -> None:
        if self._first is None:
            self._sink.create(columns)
        self.alike(name, columns)

    def append(self, rows: Sequence[tuple[object, ...]], after: int) -> None:
        self._sink.append([(int(str(row[0])) + after, *row[1:]) for row in rows] if after else rows)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        return self._sink.query(sql, parameters)

    def alike(self, name: str, columns: Mapping[str, str]) -> None:
        """Hold that a file has the types of the first one.

        Raises:
            SourceError: a column has another type.
        """
        if self._first is None:
            self._first = (name, dict(columns))
            return
        first, types = self._first
        for column, kind in columns.items():
            if types.get(column) != kind:
                raise SourceError(
                    f"{name}: the column {column!r} is {kind}, in {first} it is {types.get(column)}; "
                    "the files of one source need the same columns"
                )

    def finish(self) -> StagedSource:
        if self._parts:
            parts = [f"SELECT row_no + {after} AS row_no, * EXCLUDE (row_no) FROM {t}" for t, after in self._parts]
            self._sink.fill(" UNION ALL ".join(parts))
            for table, _ in self._parts:
                self._sink.query(f"DROP TABLE {table}")
        return StagedSource(self._read - len(self._malformed), tuple(self._malformed))


@dataclass(frozen=True, slots=True)
class _Part:
    """The sink that one file sees."""

    whole: _Joined
    name: str
    after: int

    def fill(self, query: str, parameters: Mapping[str, object] | None = None) -> int:
        return self.whole.fill(self.name, query, parameters)

    def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
        cells = ", ".join(["row_number() OVER () AS row_no", "*", *(f"false AS {identifier(name)}" for name in never)])
        return self.fill(f"SELECT {cells} FROM ({query})")

    def view(self, query: str, explain: Explain) -> int:
        return _copied(self, query, explain)

    def create(self, columns: Mapping[str, str]) -> None:
        self.whole.create(self.name, columns)

    def append(self, rows: Sequence[tuple[object, ...]]) -> None:
        self.whole.append(rows, self.after)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[tuple[object, ...]]:
        return self.whole.query(sql, parameters)
