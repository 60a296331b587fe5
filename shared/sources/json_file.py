"""JSON files: a list of objects in a document, or one object a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

import orjson

from shared.errors import SourceError
from shared.json_text import ABSENT, Number, Twice, TwiceError, reach, storable, text_of
from shared.ports import MalformedRow, SourceSink, StagedSource
from shared.sources import names
from shared.sources.json_records import Broken, JsonRecords, Take
from shared.sources.spooled_rows import SpooledRows, spooled_rows
from shared.sources.text_file import EMPTY_JSON, TextFile

_BLANKS = " \t\r\n"
_HEAD = b"\n[0,0,"
_SAMPLE = 1_000
_MAX_MALFORMED = 100_000


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON file as a source. `records`: dotted way to the list; `format`: array, lines or auto."""

    path: Path
    wanted: tuple[str, ...]
    format: str
    records: str | None
    spool: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself."""
        return (self.path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: every value as VARCHAR, and for each column whether it is absent (`"<name>?"`).

        A number keeps its digits, an object or list is JSON text. A name with dots that is no member of its own reaches
        into objects.
        """
        names.require_distinct(self.wanted, where=str(self.path))
        with spooled_rows(self.wanted, self.spool, self.path, marks=True) as rows:
            staging = _Staging(self.path, self.wanted, rows)
            for record in self.read(staging.take):
                staging.add(record)
            return staging.finish(sink)

    def column_types(self) -> Mapping[str, str]:
        """The members of the first 1,000 records, all VARCHAR."""
        found: dict[str, str] = {}
        for record in islice(self.read(), _SAMPLE):
            if isinstance(record, dict):
                found |= dict.fromkeys(record, "VARCHAR")
        return found

    def read(self, take: Take | None = None) -> Iterator[object]:
        """Each record as read: a dict of members, or what stands in its place (a `Broken` for a broken line).

        `take` is offered whole records first, many at once; what it takes is not given.
        """
        text = TextFile(path=self.path, encoding="utf-8", spool=self.spool, empty=EMPTY_JSON)
        with text.readable() as readable, readable.open(encoding="utf-8-sig", newline="\n") as file:
            yield from JsonRecords(format=self.format, path=self.records, shown=self.path).read(file, take)


class _Staging:
    """Turns records into rows."""

    def __init__(self, path: Path, wanted: tuple[str, ...], rows: SpooledRows) -> None:
        self._path, self._wanted, self._rows = path, wanted, rows
        self._ways = [(name, name.split(".") if "." in name else None) for name in wanted]
        self._plain = None if not wanted or any(way for _, way in self._ways) else _picked(wanted)
        self._number = 0
        self._records = 0
        self._malformed: list[MalformedRow] = []
        self._found = False
        self._members: dict[str, None] = {}

    def take(self, text: str, listed: bool) -> int:
        """Stage whole records that are plain: all members there, each number as orjson writes it, nothing escaped.

        What orjson writes is the same text again, but for blanks: so it has lost no digit and no member named twice.
        """
        if self._plain is None or "\\" in text:
            return 0
        lined = not listed and "\n" in (text := text.removesuffix("\n"))
        try:
            records = _one_a_line(text) if lined else orjson.loads(f"[{text}]")
            rows = _lines(orjson.dumps(list(map(self._plain, records))), len(records))
            written = orjson.dumps(records)
        except (ValueError, KeyError, TypeError):
            return 0
        whole = f"[{text.replace('\n', ',') if lined else text}]"
        if not _same(written, whole.encode()) or not (listed or lined or len(records) == 1):
            return 0
        self._number += len(records)
        self._records += len(records)
        self._found = True
        self._rows.block(rows, len(records))
        return len(records)

    def add(self, record: object) -> None:
        """Stage one record, or note why it cannot be."""
        self._number += 1
        if not isinstance(record, dict):
            self._set_aside(*_fault(record))
            return
        try:
            values = self._values(record)
            texts = [None if value is ABSENT else text_of(value) for value in values]
        except (TwiceError, RecursionError) as error:
            self._set_aside(str(error) if isinstance(error, TwiceError) else "nested too deeply", "")
            return
        whole = "".join(filter(None, texts))
        if not storable(whole):
            self._set_aside("a text holds a NUL character or half of a surrogate pair", "")
            return
        absent = [value is ABSENT for value in values]
        self._note(record, absent)
        self._rows.row(texts, absent)

    def _values(self, record: dict[str, object]) -> list[object]:
        if type(record) is Twice:
            raise TwiceError(record)
        get = record.get
        return [get(name, ABSENT) if way is None else reach(record, name, way) for name, way in self._ways]

    def finish(self, sink: SourceSink) -> StagedSource:
        """Stage the rows. Raises SourceError when no record has any of the schema's columns."""
        self._rows.fill(sink)
        if self._records and not self._found:
            names.require(self._wanted, list(self._members), where=f"every record of {self._path}")
        return StagedSource(records=self._records, malformed=tuple(self._malformed))

    def _note(self, record: Mapping[str, object], absent: Iterable[bool]) -> None:
        self._records += 1
        if not self._found:
            self._found = not all(absent)
            self._members |= dict.fromkeys(islice(record, 50))

    def _set_aside(self, reason: str, text: str) -> None:
        if len(self._malformed) >= _MAX_MALFORMED:
            raise SourceError(f"{self._path}: more than {_MAX_MALFORMED:,} records are malformed; check the file")
        self._malformed.append(MalformedRow(self._number, reason, text))
        self._rows.gap()


def _picked(wanted: tuple[str, ...]) -> Callable[[dict[str, object]], tuple[object, ...]]:
    if len(wanted) > 1:
        return itemgetter(*wanted)
    return lambda record: (record[wanted[0]],)


def _one_a_line(text: str) -> list[dict[str, object]]:
    """The records of several lines.

    A zero in place of each line's end is JSON between the elements of a list only: so no record runs over a line. One
    that stood in the text itself is not told from those here, but by what orjson writes of the records.

    Raises:
        ValueError: it is not one record a line.
    """
    found = [] if "[" in text else orjson.loads(f"[{text.replace('\n', ',0,\n')}]")
    records: list[dict[str, object]] = found[::2]
    if found[1::2].count(0) != len(records) - 1:
        raise ValueError("not one record a line")
    return records


def _lines(rows: bytes, count: int) -> bytes:
    """Rows, as orjson writes a list of them, as lines for DuckDB.

    Raises:
        ValueError: there are other brackets than those of the rows.
    """
    ended = rows[1:-1].replace(b"]", b"")
    lines = ended.replace(b"[", _HEAD)
    if len(rows) - 2 - len(ended) != count or len(lines) - len(ended) != count * (len(_HEAD) - 1) or b"{" in lines:
        raise ValueError("a value that is a list or an object, or may be one")
    return lines[1:] + b","


def _same(written: bytes, read: bytes) -> bool:
    """Whether two texts are the same but for blanks, with the cheapest test that tells."""
    if written == read:
        return True
    for sign in (b"\n", b"\r", b"\t"):
        read = read.replace(sign, b"")
    return written == read or written.replace(b" ", b"") == read.replace(b" ", b"")


def _fault(record: object) -> tuple[str, str]:
    if isinstance(record, Broken):
        return record.reason, record.text
    kind = {Number: "a number", str: "a text", bool: "true or false", list: "a list"}.get(type(record), "null")
    return f"the record is {kind}, not an object", _shown(record)


def _shown(record: object) -> str:
    try:
        return (text_of(record) or "null")[:1000]
    except (TwiceError, RecursionError):
        return ""
